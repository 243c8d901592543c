"""Exit codes, one message, one JSON document, and quiet ends."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flows import cli
from ir.errors import CapacityError, MismatchError, ToolError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A stand-in for flows.codesign that remembers how it was called."""
    module = ModuleType("flows.codesign")

    def run(config: Path, overrides: tuple[str, ...], **options: Any) -> Mapping[str, Any]:
        print("a library prints")
        print("[1/2] train", file=sys.stderr)
        module.called = (config, overrides, options)  # type: ignore[attr-defined]
        if isinstance(module.outcome, BaseException):
            raise module.outcome
        return module.outcome

    module.run = run  # type: ignore[attr-defined]
    module.describe = lambda result: f"cycles: {result['cycles']}"  # type: ignore[attr-defined]
    module.outcome = {"cycles": 42}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "flows.codesign", module)
    yield module


def test_a_verb_gets_config_overrides_and_options(
    verb: ModuleType, capsys: pytest.CaptureFixture[str]
):
    words = ["codesign", "a.yaml", "--set", "seed=3", "--set", "a.b=c", "--jobs", "2"]
    assert cli.main(words) == 0
    assert verb.called == (Path("a.yaml"), ("seed=3", "a.b=c"), {"jobs": 2})
    assert capsys.readouterr().out == "a library prints\ncycles: 42\n"


def test_a_board_is_a_short_word_for_a_setting(verb: ModuleType):
    words = ["codesign", "a.yaml", "--board", "ulx3s_85f", "--set", "board=sim"]
    assert cli.main(words) == 0
    assert verb.called[1] == ("board=sim", "board=ulx3s_85f")


def test_json_leaves_one_document_on_stdout(verb: ModuleType, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["codesign", "a.yaml", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"cycles": 42}
    assert captured.err == "a library prints\n[1/2] train\n"


def test_a_check_that_failed_exits_with_1(verb: ModuleType):
    verb.outcome = {"cycles": 42, "ok": False}  # type: ignore[attr-defined]
    assert cli.main(["codesign", "a.yaml"]) == 1


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (MismatchError("not bit-exact", layer="c1"), 1, "not bit-exact (at layer c1)"),
        (CapacityError("needs 900 LUTs, has 800"), 2, "needs 900 LUTs, has 800"),
        (ToolError("verilator", fix="make setup"), 3, "verilator: could not be started"),
        (PermissionError(13, "Permission denied", "build"), 2, "Permission denied: 'build'"),
        (ModuleNotFoundError("no", name="torch.nn"), 3, "torch: this Python package is not"),
    ],
)
def test_errors_are_one_message_with_their_exit_code(
    verb: ModuleType,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    text: str,
):
    verb.outcome = error  # type: ignore[attr-defined]
    assert cli.main(["codesign", "a.yaml", "--json"]) == code
    captured = capsys.readouterr()
    assert text in captured.err
    assert "Traceback" not in captured.err
    document = json.loads(captured.out)
    assert document["exit_code"] == code
    assert text in document["error"]["message"]


def test_our_own_mistakes_keep_their_traceback(verb: ModuleType):
    verb.outcome = ZeroDivisionError("a bug")  # type: ignore[attr-defined]
    with pytest.raises(ZeroDivisionError, match="a bug"):
        cli.main(["codesign", "a.yaml"])
    verb.outcome = ModuleNotFoundError("no", name="quant.missing")  # type: ignore[attr-defined]
    with pytest.raises(ModuleNotFoundError, match="no"):
        cli.main(["codesign", "a.yaml"])


def test_an_interrupt_is_one_line(verb: ModuleType, capsys: pytest.CaptureFixture[str]):
    verb.outcome = KeyboardInterrupt()  # type: ignore[attr-defined]
    assert cli.main(["codesign", "a.yaml"]) == 130
    assert capsys.readouterr().err.endswith("interrupted; the same command resumes\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: VERB"),
        (["codesine"], "invalid choice: 'codesine'"),
        (["codesign"], "the following arguments are required: config"),
        (["codesign", "a.yaml", "--fast"], "unrecognized arguments: --fast\n  usage: bitwright c"),
        (["codesign", "a.yaml", "--job", "2"], "unrecognized arguments: --job 2"),
        (
            ["study", "compare", "--quic"],
            "unrecognized arguments: --quic\n  usage: bitwright study",
        ),
        (["bench", "area", "--family", "xc7", "--lane", "4"], "unrecognized arguments: --lane 4"),
        (["codesign", "a.yaml", "--jobs", "x"], "argument --jobs: invalid int value: 'x'"),
        (["codesign", "a.yaml", "--jobs", "0"], "--jobs must be at least 1, not 0"),
        (["codesign", "a.yaml", "--set"], "argument --set: expected one argument"),
        (["list", "shields"], "unknown kind of plug-in 'shields'"),
    ],
)
def test_usage_errors_exit_with_2(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
):
    assert cli.main([*words, "--json"]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert message in json.loads(captured.out)["error"]["message"]


@pytest.mark.parametrize("verb", [verb.name for verb in cli.CONFIG_VERBS if not verb.onnx])
def test_a_verb_that_takes_no_model_names_those_that_do(
    capsys: pytest.CaptureFixture[str], verb: str
):
    assert cli.main([verb, "model.onnx"]) == 2
    message = f"`{verb}` takes a config; an ONNX model goes with supports, compile, verify, run, "
    assert f"{message}export --format qonnx, report\n" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        cli.main([verb, "--help"])
    assert "ONNX" not in capsys.readouterr().out


def test_no_parser_takes_an_option_for_its_beginning():
    """Parser has it for all verbs; scripts say it themselves."""
    sources = [path for folder in ("flows", "sim_tests") for path in (ROOT / folder).rglob("*.py")]
    made = [
        call
        for path in sources
        for call in re.findall(r"argparse\.ArgumentParser\((?!\):)[^)]*\)", path.read_text())
    ]
    assert made and [call for call in made if "allow_abbrev=False" not in call] == []


def test_list_boards(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["list", "boards", "--json"]) == 0
    assert {"sim", "ulx3s_85f"} <= set(json.loads(capsys.readouterr().out)["names"])
    assert cli.main(["list", "boards"]) == 0
    assert "ulx3s_85f" in capsys.readouterr().out


def test_doctor_exits_with_3_when_a_tool_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    monkeypatch.setenv("PATH", "/nowhere")
    assert cli.main(["doctor"]) == 3
    assert "g++: apt-get install" in capsys.readouterr().out


def test_bench_has_its_own_module(monkeypatch: pytest.MonkeyPatch):
    module = ModuleType(cli.BENCH_MODULE)

    def add_arguments(verbs: Any) -> None:
        verbs.add_parser("bench").add_argument("--array")

    module.add_arguments = add_arguments  # type: ignore[attr-defined]
    module.run = lambda arguments: len(arguments.array)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, cli.BENCH_MODULE, module)
    assert cli.main(["bench", "--array", "8x64x8"]) == 6


def bitwright(*words: str, shell: str = "") -> subprocess.CompletedProcess[str]:
    command = f'"{sys.executable}" -m flows.cli {" ".join(words)} {shell}'
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, timeout=60
    )


def test_a_reader_that_stops_early_is_no_error():
    done = bitwright("list", "boards", shell="| true")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_works_without_home_and_under_another_locale():
    command = [sys.executable, "-O", "-m", "flows.cli", "list", "boards"]
    env = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "TZ": "Asia/Tokyo"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 0
    assert "ulx3s_85f" in done.stdout


def test_help_starts_with_what_it_is():
    done = bitwright("--help")
    assert done.returncode == 0
    assert "an FPGA accelerator as wide as it needs" in done.stdout
