"""ONNX models as runs: compiled, proved against qonnx and RTL, and a difference is a difference."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codegen.frontend.qonnx.importer import Imported, import_onnx
from flows import qonnx_reference, verify_verb
from flows.cli import main
from flows.model_inputs import drawn_inputs
from ir.golden import execute
from ir.graph_file import load_graph
from tests.codegen.frontend.models import ModelMaker

Capture = pytest.CaptureFixture[str]
SMALL_ARRAY = ("--set", "overlay.luts=9000")


@pytest.fixture
def model(desk: Path) -> Path:
    """Every kind of rule: a requantizer, pieces for 8 bits, thresholds for a sign."""
    rng = np.random.default_rng(0)
    m = ModelMaker((1, 2, 6, 6))
    x = m.quant("x", scale=1 / 16, bits=8, signed=0)
    scales = rng.uniform(0.02, 0.1, (4, 1, 1, 1))
    y = m.node(
        "Conv", x, m.weights(rng, (4, 2, 3, 3), scale=scales, bits=3), pads=[1] * 4, name="a"
    )
    y = m.node("MaxPool", m.node("Relu", y), kernel_shape=[2, 2], strides=[2, 2])
    y = m.quant(y, scale=0.0713, bits=8, signed=0)
    y = m.node("Conv", y, m.weights(rng, (4, 1, 2, 2), scale=0.1, bits=2), group=4, name="b")
    y = m.node("BipolarQuant", y, m.constant(1.0), domain="onnx.brevitas")
    w = m.weights(rng, (16, 3), scale=0.1, bits=4)
    return m.save(m.node("MatMul", m.node("Flatten", y), w, name="c"), desk / "a model.onnx")


@pytest.mark.slow
def test_compile_and_verify(model: Path, capsys: Capture) -> None:
    assert main(["compile", str(model), *SMALL_ARRAY, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    run = Path(made["run"])
    assert made["made"] and run.parts[:2] == ("build", "a_model")
    for name in ("config.resolved.yaml", "manifest.json", "model/plan.json", "hw/overlay.v"):
        assert (run / name).is_file(), name
    summary = json.loads((run / "report/summary.json").read_text())
    assert summary["plan"] == {"a": [3, 8], "b": [2, 8], "c": [4, 1]}
    assert summary["cycles"]["predicted"] == made["cycles"]["predicted"] > 0
    kinds = [
        type(layer.requantize).__name__ for layer in load_graph(run / "model/graph.json").layers()
    ]
    assert kinds == ["Pieces", "Requantize", "Threshold", "Requantize"]
    assert main(["compile", str(model), *SMALL_ARRAY, "--json"]) == 0
    assert not json.loads(capsys.readouterr().out)["made"]

    inputs = drawn_inputs(import_onnx(model), 3, seed=5)
    np.save("inputs.npy", inputs)
    words = ["verify", str(model), *SMALL_ARRAY, "--inputs-file", "inputs.npy", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["reference_equal"], found["rtl_bit_exact"], found["inputs"]) == (True, True, 3)
    assert found["measured"] == found["predicted"] == made["cycles"]["predicted"]
    assert found["lower_bound"] < found["measured"]
    assert sum(layer["measured"] for layer in found["layers"]) == found["measured"]
    graph = import_onnx(model)
    output = golden(graph, inputs)[graph.graph.output]
    assert np.array_equal(np.load(found["outputs_file"]), graph.decode(output))
    check_layers(json.loads((run / "report/layers.json").read_text()), found, golden(graph, inputs))
    check_run_and_report(run, capsys)


def check_layers(
    layers: list[dict[str, Any]], found: dict[str, Any], values: dict[str, np.ndarray]
) -> None:
    """report/layers.json against what golden and the overlay's own counters say."""
    assert [layer["name"] for layer in layers] == [layer["name"] for layer in found["layers"]]
    first, pool = layers[0], layers[1]
    assert first["cycles"]["measured"] == first["cycles"]["predicted"]
    sums = values["a.sums"]
    assert first["sums"] == {"min": int(sums.min()), "max": int(sums.max())}
    bound = first["accumulator"]
    assert bound["min"] <= sums.min() and sums.max() <= bound["max"] < 1 << (bound["bits"] - 1)
    assert pool["kind"] == "MaxPool" and pool["planes"]["weights"] == []
    assert 0 < first["planes"]["potential"] < 1
    assert len(first["planes"]["weights"]) == 3 and len(first["planes"]["activations"]) == 8
    assert found["bytes"] == {
        what: sum(layer["bytes"][what] for layer in layers) for what in ("read", "written")
    }
    assert {layer["limited_by"] for layer in layers} <= {"exec", "fetch", "result"}
    fps = found["performance"]["estimated_throughput_fps"]
    assert fps == pytest.approx(1e8 / found["measured"], rel=1e-3)  # the board sim has 100 MHz


def check_run_and_report(run: Path, capsys: Capture) -> None:
    assert main(["report", str(run), "--json"]) == 0
    page = Path(json.loads(capsys.readouterr().out)["files"]["report"]).read_text()
    assert "bit-exact" in page and "a model.onnx" in page and "Ranges and planes" in page
    assert main(["run", str(run), "--images", "2", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["bit_exact"] and done["images"] == 2 and done["labels"] is None
    assert done["cycles"]["measured"] == done["cycles"]["predicted"]
    summary = json.loads((run / "report/summary.json").read_text())
    word = done["overlay"]["memory_bits"] // 8
    program = (run / "program/program.bin").stat().st_size
    assert done["counters"]["READ_BEATS"] * word == summary["bytes"]["read"] + program
    assert done["counters"]["WRITE_BEATS"] * word == summary["bytes"]["written"]
    assert main(["report", str(run), "--set", "seed=1"]) == 2
    assert "--set does not change" in capsys.readouterr().err


def golden(model: Imported, floats: np.ndarray) -> dict[str, np.ndarray]:
    return execute(model.graph, model.encode(floats))


def test_a_difference_from_the_reference_is_found(model: Path) -> None:
    """The reference of other weights: the first layer and all behind it differ, the input not."""
    good = import_onnx(model)
    floats = drawn_inputs(good, 20, seed=1)
    same = verify_verb.compare_reference(model, good, floats, golden(good, floats))
    assert same is not None and not any(same.values())
    broken = import_onnx(model)
    broken.graph.nodes[0].weight[:] *= -1  # type: ignore[union-attr]
    found = verify_verb.compare_reference(model, broken, floats, golden(broken, floats))
    assert found is not None
    names = list(found)
    assert found[names[0]] == 0 and found[names[1]] > 0 and found[names[-1]] > 0


def test_without_qonnx_there_is_no_reference(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qonnx_reference, "has_reference", lambda: False)
    good = import_onnx(model)
    floats = drawn_inputs(good, 2, seed=1)
    assert verify_verb.compare_reference(model, good, floats, golden(good, floats)) is None


def test_drawn_inputs_reach_every_code_and_repeat(model: Path) -> None:
    good = import_onnx(model)
    floats = drawn_inputs(good, 40, seed=3)
    assert np.array_equal(floats, drawn_inputs(good, 40, seed=3))
    codes = good.encode(floats)
    assert (codes.min(), codes.max(), len(np.unique(codes))) == (0, 255, 256)
