"""`bitwright supports`: what is in the way, by node, before anything slow; and nothing written."""

import json
from pathlib import Path

import numpy as np
import pytest

from flows.cli import main
from ir.files import write_bytes
from tests.codegen.frontend.models import ModelMaker

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def good(desk: Path) -> Path:
    m = ModelMaker((1, 4))
    y = m.node("MatMul", m.quant("x", scale=0.5, bits=4), m.constant(np.eye(4)), name="fc")
    return m.save(m.quant(y, scale=0.5, bits=3), desk / "good.onnx")


@pytest.fixture
def bad(desk: Path) -> Path:
    m = ModelMaker((1, 4))
    y = m.node("Sigmoid", m.quant("x", scale=0.5, bits=17, name="wide\n[red]"), name="../curve")
    return m.save(y, desk / "bad.onnx")


def test_yes(good: Path, capsys: Capture) -> None:
    assert main(["supports", str(good), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["supported"], found["problems"]) == (True, [])
    assert found["input"] == {"shape": [4], "precision": "4-bit signed"}
    assert [layer["name"] for layer in found["layers"]] == ["fc"]
    assert main(["supports", str(good)]) == 0
    assert "good.onnx: supported, 1 layers" in capsys.readouterr().out


def test_no_with_every_node_in_the_way(bad: Path, capsys: Capture) -> None:
    assert main(["supports", str(bad), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert not found["supported"]
    assert [set(problem) for problem in found["problems"]] == [{"node", "op", "why", "rewrite"}] * 2
    assert [problem["node"] for problem in found["problems"]] == ["wide\n[red]", "../curve"]
    assert main(["supports", str(bad)]) == 2
    text = capsys.readouterr().out
    assert "17 bits, operands have 1 to 8" in text
    assert "use ReLU, or leave it to the host" in text


@pytest.mark.parametrize("verb", ["supports", "compile", "verify"])
def test_bad_models_are_one_message_and_write_nothing(
    verb: str, bad: Path, capsys: Capture
) -> None:
    before = sorted(bad.parent.rglob("*"))
    assert main([verb, str(bad)]) == 2
    for data in (b"", b"no model", bad.read_bytes()[:40]):
        write_bytes(bad, data)
        capsys.readouterr()
        assert main([verb, str(bad), "--json"]) == 2
        caught = capsys.readouterr()
        assert json.loads(caught.out)["exit_code"] == 2
        assert caught.err.count("bitwright: ") == 1 and "Traceback" not in caught.err
    assert main([verb, "missing.onnx"]) == 2
    assert sorted(bad.parent.rglob("*")) == before


def test_a_configs_network(desk: Path, capsys: Capture) -> None:
    assert main(["supports", "small.yaml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["supported"] and [layer["name"] for layer in found["layers"]] == ["fc1", "fc2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["supports", "small.yaml", "--inexact"], "--input-precision and --inexact are for ONNX"),
        (
            ["verify", "small.yaml", "--inputs-file", "x.npy"],
            "--inputs-file is for ONNX models",
        ),
        (["verify", "good.onnx", "--inputs", "0"], "--inputs must be at least 1, not 0"),
        (["verify", "good.onnx", "--inputs-file", "x.npy"], "x.npy does not exist"),
        (["verify", "good.onnx", "--inputs-file", "small.yaml"], "no .npy file of numbers"),
        (["verify", "good.onnx", "--inputs-file", "wrong.npy"], r"holds (5, 3), the model takes"),
        (["compile", "good.onnx", "--input-precision", "u9"], "must be u1 to u8, s2 to s8"),
        (["compile", "good.onnx", "--board", "none"], "unknown board 'none'"),
        (["compile", "good.onnx", "--set", "sed=1"], "sed"),
        (["compile", "good.onnx", "--set", "seed=-1"], "seed must be 0 to 2"),
    ],
)
def test_wrong_usage(words: list[str], message: str, good: Path, capsys: Capture) -> None:
    np.save(good.parent / "wrong.npy", np.zeros((5, 3)))
    assert main(words) == 2
    assert message in capsys.readouterr().err
