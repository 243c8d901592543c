"""Every kind of bad model: one message, exit code 2, nothing written, whatever the verb."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from flows.cli import main
from tests.codegen.frontend.models import ModelMaker

Capture = pytest.CaptureFixture[str]
VERBS = (["supports"], ["compile"], ["verify"], ["run"], ["export", "--format", "qonnx"])


def layer(m: ModelMaker, **quant: object) -> str:
    y = m.node("MatMul", m.quant("x", scale=0.5, bits=4), m.constant(np.eye(4)), name="fc")
    return m.quant(y, **({"scale": 0.5, "bits": 4, "name": "last"} | quant))  # type: ignore[arg-type]


def file_of(**quant: object) -> bytes:
    m = ModelMaker((1, 4))
    return m.build(layer(m, **quant)).SerializeToString()


def truncated() -> bytes:
    return file_of()[:120]


def cyclic() -> bytes:
    model = onnx.load_from_string(file_of())
    model.graph.node[-1].input[0] = model.graph.node[-1].output[0]
    return model.SerializeToString()


def unknown_operator() -> bytes:
    m = ModelMaker((1, 4))
    return m.build(m.node("Gelu", layer(m), name="curve")).SerializeToString()


def dynamic() -> bytes:
    m = ModelMaker((1, "length"))
    return m.build(layer(m)).SerializeToString()


def floats() -> bytes:
    m = ModelMaker((1, 4))
    y = m.node("MatMul", "x", m.constant(np.full((4, 4), 0.3)), name="fc")
    return m.build(m.node("Relu", y)).SerializeToString()


def outside() -> bytes:
    """Weights in a file above the model's folder."""
    m = ModelMaker((1, 4))
    y = m.node("MatMul", m.quant("x", scale=0.5, bits=4), "weights", name="fc")
    tensor = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[4, 4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    m.initializers.append(tensor)
    return m.build(y).SerializeToString()


def no_values() -> bytes:
    m = ModelMaker((1, 0))
    return m.build(layer(m)).SerializeToString()


def hostile_names() -> bytes:
    m = ModelMaker((1, 4))
    x = m.quant("x", scale=0.5, bits=17, name="../../etc/x\n\x1b[31m")
    return m.build(m.node("Sigmoid", x, name="module; endmodule")).SerializeToString()


BAD: list[tuple[Callable[[], bytes], str]] = [
    (truncated, "cut short"),
    (cyclic, "the graph is cyclic: node 'last' waits for itself"),
    (unknown_operator, "the overlay has no operator 'Gelu'"),
    (dynamic, "dimension 1 ('length') is dynamic"),
    (floats, "floats that no Quant makes integers"),
    (outside, "below the model's own folder"),
    (no_values, "holds no values"),
    (lambda: file_of(scale=0.0), "its scale is 0, not positive"),
    (lambda: file_of(scale=np.nan), "its scale is not finite"),
    (lambda: file_of(scale=-1.0), "its scale is -1, not positive"),
    (lambda: file_of(bits=17), "17 bits, operands have 1 to 8"),
    (hostile_names, "17 bits, operands have 1 to 8"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_one_message_and_nothing_written(
    make: Callable[[], bytes], message: str, desk: Path, capsys: Capture
) -> None:
    (desk / "bad.onnx").write_bytes(make())
    before = sorted(desk.rglob("*"))
    for words in VERBS:
        assert main([words[0], "bad.onnx", *words[1:], "--json"]) == 2, words
        caught = capsys.readouterr()
        document = json.loads(caught.out)
        said = document.get("error", {}).get("message") or str(document.get("problems"))
        assert message in said, words
        assert caught.err.count("bitwright: ") <= 1 and "Traceback" not in caught.err
        assert "\x1b" not in caught.err
        assert sorted(desk.rglob("*")) == before, words


def test_hostile_names_stay_in_the_runs_folder(desk: Path, capsys: Capture) -> None:
    """Layers named like paths, escapes, keywords and markup are compiled, and stay names."""
    m = ModelMaker((1, 8))
    y = m.quant("x", scale=0.5, bits=3)
    rng = np.random.default_rng(0)
    for name in ("../../up", "module", "a b\nc", "<script>", "module"):
        w = m.weights(rng, (8, 8), scale=0.5, bits=2)
        y = m.quant(m.node("MatMul", y, w, name=name), scale=2.0, bits=3)
    m.save(y, desk / "names.onnx")
    words = ["compile", "names.onnx", "--set", "overlay.luts=9000", "--json"]
    assert main(words) == 0
    made = json.loads(capsys.readouterr().out)
    names = [layer["name"] for layer in made["layers"]]
    assert len(set(names)) == 5 and not any(set(name) & set("\n <>") for name in names)
    outside = [p for p in desk.rglob("*") if p.is_file() and "build" not in p.parts]
    assert sorted(p.name for p in outside) == ["names.onnx", "small.yaml"]
    verilog = (Path(made["run"]) / "hw/overlay.v").read_text()
    assert "script" not in verilog and "../" not in verilog
