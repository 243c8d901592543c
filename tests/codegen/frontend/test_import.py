"""QONNX models of every operator that is taken: golden == qonnx's executor, tensor by tensor."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from codegen.frontend.qonnx.importer import Imported, import_onnx
from ir.golden import execute
from ir.graph import MaxPool, Requantize, Threshold
from ir.nodes import Pieces
from ir.precision import Precision
from tests.codegen.frontend.models import QONNX, ModelMaker, differences

SHARED = Path("/work/shared/models")
TFC, UNSW = SHARED / "tfc_2w2a.onnx", SHARED / "unsw_nb15_mlp_w2a2.onnx"
shared_only = pytest.mark.skipif(
    not TFC.exists(), reason=f"no {TFC}: the models of others stay outside this repository"
)
IMAGES = 200

Make = Callable[[np.random.Generator], tuple[ModelMaker, str]]


def norm(m: ModelMaker, rng: np.random.Generator, x: str, channels: int) -> str:
    """A batch norm of which some gains are negative."""
    gains, means = rng.normal(size=(2, channels))
    constants = [gains, rng.normal(size=channels), means, rng.uniform(0.5, 2, channels)]
    return m.node("BatchNormalization", x, *[m.constant(values) for values in constants])


def convolutions(rng: np.random.Generator) -> tuple[ModelMaker, str]:
    """8-bit input, scales per channel, batch norm, depthwise, maximum of sums, Gemm with bias."""
    m = ModelMaker((1, 3, 8, 8))
    x = m.quant("x", scale=1 / 16, bits=8, signed=0)
    scales = rng.uniform(0.01, 0.1, (6, 1, 1, 1))
    w = m.weights(rng, (6, 3, 3, 3), scale=scales, bits=4, narrow=1)
    y = m.node("Conv", x, w, m.constant(rng.normal(size=6)), pads=[1] * 4)
    y = m.node("Relu", norm(m, rng, y, 6))
    y = m.quant(y, scale=0.13, bits=4, signed=0)
    w = m.weights(rng, (6, 1, 3, 3), scale=0.05, bits=3)
    y = m.node("Conv", y, w, group=6, strides=[2, 2], pads=[1] * 4)
    y = m.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    y = m.node("Flatten", m.quant(y, scale=0.21, bits=5))
    w = m.weights(rng, (10, 24), scale=0.05, bits=4)
    return m, m.node("Gemm", y, w, m.constant(rng.normal(size=10)), transB=1)


def residual(rng: np.random.Generator) -> tuple[ModelMaker, str]:
    """Power-of-two scales: every second sum of the addition is a tie of half-even rounding."""
    m = ModelMaker((1, 4, 6, 6))
    x = m.quant("x", scale=0.25, bits=4)
    y = m.node("Conv", x, m.weights(rng, (4, 4, 3, 3), scale=0.125, bits=3), pads=[1] * 4)
    y = m.node("Relu", m.node("Add", m.quant(y, scale=0.25, bits=4), x))
    return m, m.quant(y, scale=0.5, bits=4, signed=0)


def averages(rng: np.random.Generator) -> tuple[ModelMaker, str]:
    """As Brevitas writes an average pool that truncates."""
    m = ModelMaker((1, 4, 8, 8))
    x = m.quant("x", scale=0.1, bits=4, signed=0)
    y = m.node("AveragePool", x, kernel_shape=[4, 4], strides=[4, 4])
    y = m.node("Mul", y, m.constant(16.0))
    numbers = [m.constant(v) for v in (0.1, 0.0, 8.0, 4.0)]
    y = m.node("Trunc", y, *numbers, domain=QONNX, rounding_mode="FLOOR")
    y = m.node("Reshape", y, m.constant([0, -1], np.int64))
    return m, m.node("MatMul", y, m.weights(rng, (16, 3), scale=0.1, bits=4))


def averages_of_version_2(rng: np.random.Generator) -> tuple[ModelMaker, str]:
    m = ModelMaker((1, 4, 6, 6), version=2)
    y = m.node("GlobalAveragePool", m.quant("x", scale=0.125, bits=4, signed=0))
    y = m.node("Mul", y, m.constant(36.0))
    numbers = [m.constant(v) for v in (0.125, 0.0, 10.0, 8.0, 4.0)]
    kind = {"rounding_mode": "ROUND", "signed": 0, "narrow": 0}
    return m, m.node("Trunc", y, *numbers, domain=QONNX, **kind)


def bipolar(rng: np.random.Generator) -> tuple[ModelMaker, str]:
    """Signs as weights and activations, in three domains; a Quant of one signed bit is a sign."""
    m = ModelMaker((1, 3, 6, 6))
    x = m.quant("x", scale=1 / 128, bits=8, domain="onnx.brevitas")
    floats = m.constant(rng.normal(size=(8, 3, 3, 3)))
    w = m.node("BipolarQuant", floats, m.constant(0.1), domain=QONNX)
    y = norm(m, rng, m.node("Conv", x, w), 8)
    y = m.node("BipolarQuant", y, m.constant(1.0), domain="finn.custom_op.general")
    y = m.node("Conv", y, m.weights(rng, (4, 8, 2, 2), scale=0.1, bits=1))
    return m, m.quant(y, scale=0.3, bits=2, op="IntQuant")


def zero_points(rng: np.random.Generator) -> tuple[ModelMaker, str]:
    m = ModelMaker((1, 6))
    x = m.quant("x", scale=0.1, zero=7.0, bits=4, signed=0)
    y = m.node("MatMul", x, m.weights(rng, (6, 5), scale=0.1, bits=4))
    y = m.quant(y, scale=0.1137, zero=100.0, bits=8, signed=0)
    y = m.node("MatMul", y, m.weights(rng, (5, 5), scale=0.1, bits=4))
    return m, m.quant(y, scale=0.3172, bits=4)


def multi_thresholds(rng: np.random.Generator) -> tuple[ModelMaker, str]:
    """As FINN streamlines: integer weights, thresholds, no scales."""
    m, finn = ModelMaker((1, 6, 4, 4)), "finn.custom_op.general"

    def thresholds(x: str, table: np.ndarray, scale: float, bias: float, kind: str) -> str:
        values = m.constant(np.sort(table, axis=1))
        attributes = {"out_scale": scale, "out_bias": bias, "out_dtype": kind}
        return m.node("MultiThreshold", x, values, domain=finn, **attributes)

    y = m.node(
        "Conv", m.quant("x", scale=1.0, bits=4), m.constant(rng.integers(-3, 4, (5, 6, 1, 1)))
    )
    y = thresholds(y, rng.integers(-40, 40, (5, 7)), 1.0, -4.0, "INT3")
    y = m.node("Conv", y, m.constant(rng.choice([-1, 1], (5, 5, 1, 1))))
    y = thresholds(y, rng.integers(-4, 4, (1, 1)), 2.0, -1.0, "BIPOLAR")
    y = m.node("Conv", y, m.constant(rng.choice([-1, 1], (5, 5, 1, 1))))
    y = thresholds(y, rng.normal(size=(5, 3)), 0.5, 0.25, "UINT2")
    return m, m.node("GlobalAveragePool", y)


def chains(rng: np.random.Generator) -> tuple[ModelMaker, str]:
    """Scales and offsets wherever they may stand, shape arithmetic, a pad of its own."""
    m = ModelMaker((1, 2, 5, 5))
    x = m.quant(m.node("Mul", "x", m.constant(0.5)), scale=0.25, bits=4)
    x = m.node(
        "Pad", m.node("Mul", x, m.constant(3.0)), m.constant([0, 0, 1, 0, 0, 0, 0, 2], np.int64)
    )
    y = m.node("Conv", x, m.weights(rng, (4, 2, 3, 3), scale=0.0937, bits=3), auto_pad="SAME_LOWER")
    y = m.node("Sub", y, m.constant(rng.normal(size=(1, 4, 1, 1))))
    y = m.node("Div", y, m.constant(rng.choice([-1.5, 0.75], (4, 1, 1))))
    y = m.node("Sub", m.constant(0.25), m.node("Neg", y))
    y = m.node("Clip", y, m.constant(-1.0), m.constant(2.0))
    y = m.node("Identity", m.quant(y, scale=0.5, bits=4))
    y = m.node("Add", m.node("Mul", y, m.constant(0.5)), m.constant(0.125))
    sizes = m.node("Gather", m.node("Shape", y), m.constant(0, np.int64), axis=0)
    sizes = m.node("Unsqueeze", sizes, m.constant([0], np.int64))
    sizes = m.node("Concat", sizes, m.constant([-1], np.int64), axis=0)
    y = m.node("Reshape", y, sizes)
    w = m.node(
        "Transpose", m.weights(rng, (3, 4 * 6 * 7), scale=0.2, bits=2, narrow=1), perm=[1, 0]
    )
    y = m.node("Add", m.node("MatMul", y, w), m.constant(rng.normal(size=3)))
    return m, m.quant(y, scale=1.5, bits=8)


def joined(rng: np.random.Generator) -> tuple[ModelMaker, str]:
    """A concatenation of codes of different widths, one row (N, C, L), dilation."""
    m = ModelMaker((1, 4, 16))
    x = m.quant("x", scale=0.5, bits=3)
    a = m.node("Conv", x, m.weights(rng, (3, 4, 3), scale=0.0937, bits=3), pads=[1, 1])
    b = m.node(
        "Conv", x, m.weights(rng, (2, 4, 3), scale=0.0937, bits=3), pads=[2, 2], dilations=[2]
    )
    a, b = m.quant(a, scale=0.25, bits=4), m.quant(b, scale=0.25, bits=3, signed=0)
    y = m.node("Concat", a, b, axis=1)
    y = m.node("Conv", y, m.weights(rng, (2, 5, 5), scale=0.0937, bits=3), strides=[2])
    return m, m.quant(y, scale=0.5, bits=3)


def pools(rng: np.random.Generator) -> tuple[ModelMaker, str]:
    """Maxima of codes that are padded, of windows that end outside; averages that count zeros."""
    m = ModelMaker((1, 3, 9, 9))
    x = m.quant("x", scale=0.5, bits=3, signed=0)
    y = m.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, ceil_mode=1)
    window = {"kernel_shape": [2, 2], "pads": [1, 1, 0, 0], "count_include_pad": 1}
    y = m.quant(m.node("AveragePool", y, **window), scale=0.25, bits=4, signed=0)
    return m, m.node("ReduceMean", y, axes=[2, 3], keepdims=0)


def relu_of_codes(rng: np.random.Generator) -> tuple[ModelMaker, str]:
    """What is clipped without a quantizer behind it stays on its grid."""
    m = ModelMaker((1, 6))
    y = m.node("MatMul", m.quant("x", scale=0.5, bits=4), m.weights(rng, (6, 5), scale=0.5, bits=4))
    y = m.node("Relu", m.quant(y, scale=0.75, bits=4))
    y = m.node("MatMul", y, m.weights(rng, (5, 4), scale=0.5, bits=4))
    return m, m.quant(y, scale=2.0, bits=4)


MODELS: tuple[Make, ...] = (
    convolutions,
    residual,
    averages,
    averages_of_version_2,
    bipolar,
    zero_points,
    multi_thresholds,
    chains,
    joined,
    pools,
    relu_of_codes,
)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_golden_equals_qonnx(make: Make, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    maker, output = make(rng)
    path = maker.save(output, tmp_path / "model.onnx")
    model = import_onnx(path)
    x = rng.uniform(-1, 3, (IMAGES, *model.input_shape)) * 4
    found = differences(path, model, x)
    assert len(found) > 2 or make is averages_of_version_2
    assert not any(found.values()), found


@pytest.mark.parametrize(
    "mode", ["ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"]
)
def test_every_rounding_mode_at_its_ties(mode: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    m = ModelMaker((1, 5))
    x = m.quant("x", scale=0.5, bits=3)
    y = m.node("MatMul", x, m.weights(rng, (5, 7), scale=0.25, bits=3))
    path = m.save(m.quant(y, scale=0.5, bits=4, narrow=1, rounding=mode), tmp_path / "m.onnx")
    inputs = rng.uniform(-3, 3, (500, 5))
    assert not any(differences(path, import_onnx(path), inputs).values())


def test_half_even_is_no_half_up(tmp_path: Path) -> None:
    """acc / 4 has ties on both sides: one line rounds them all up, so it needs two or more."""
    m = ModelMaker((1, 1))
    y = m.node("MatMul", m.quant("x", scale=1.0, bits=5), m.constant([[1.0]]))
    path = m.save(m.quant(y, scale=4.0, bits=4), tmp_path / "m.onnx")
    model = import_onnx(path)
    assert isinstance(model.graph.nodes[1], Pieces | Threshold)
    x = np.arange(-16.0, 16)[:, np.newaxis]
    codes = model.decode(_codes(model, x)) / 4
    assert codes[:, 0].tolist() == np.rint(x[:, 0] / 4).tolist()
    assert codes[18, 0] == 0 and codes[22, 0] == 2  # 2 / 4 and 6 / 4


def _codes(model: Imported, x: np.ndarray) -> np.ndarray:
    return execute(model.graph, model.encode(x))[model.graph.output]


@shared_only
@pytest.mark.parametrize("path", [TFC, UNSW], ids=lambda path: path.stem)
def test_models_of_others(path: Path) -> None:
    """1,000 random inputs, every tensor of codes."""
    rng = np.random.default_rng(7)
    model = import_onnx(path)
    shape = (1000, *model.input_shape)
    x = rng.random(shape) if path == TFC else rng.choice([-1.0, 1.0], shape)
    found = differences(path, model, x)
    assert len(found) >= 4
    assert not any(found.values()), found
    assert model.notes == ()


@shared_only
def test_a_digit_of_mnist() -> None:
    tensor = onnx.TensorProto.FromString((SHARED / "mnist_digit.pb").read_bytes())
    digit = onnx.numpy_helper.to_array(tensor).astype(np.float32) / 255
    model = import_onnx(TFC)
    assert not any(differences(TFC, model, digit).values())
    assert model.decode(_codes(model, digit)).argmax() == 2


def test_the_input_comes_as_integers_of_the_annotated_or_given_bits(tmp_path: Path) -> None:
    m = ModelMaker((1, 4))
    path = m.save(m.node("MatMul", "x", m.constant(np.eye(4))), tmp_path / "m.onnx")
    model = import_onnx(path)
    assert model.head.tensor.precision == Precision(8, signed=True)
    assert "taken as 8-bit signed integers" in model.notes[0]
    assert import_onnx(path, input_precision="u3").head.tensor.precision == Precision(3, False)
    proto = onnx.load(path)
    entry = proto.graph.quantization_annotation.add(tensor_name="x")
    entry.quant_parameter_tensor_names.add(key="finn_datatype", value="BIPOLAR")
    path.write_bytes(proto.SerializeToString())
    assert import_onnx(path).head.tensor.precision.bipolar


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    m = ModelMaker((1, 4))
    x = m.quant("x", scale=1.0, bits=4, name="../../etc\n[red]<b>")
    y = m.node("MatMul", x, m.constant(np.eye(4)), name="module; endmodule\x1b[31m" + "x" * 500)
    y = m.quant(y, scale=1.0, bits=4, name="same")
    y = m.node("MatMul", y, m.constant(np.eye(4)), name="same")
    graph = import_onnx(m.save(y, tmp_path / "m.onnx")).graph
    names = [*graph.tensors, *(node.name for node in graph.nodes)]
    assert len(set(names)) == len(names)
    assert all(name.isprintable() and len(name) < 150 and " " not in name for name in names)
    assert not any(set("<>[]\\;") & set(name) for name in names)


def test_a_second_reader_of_sums_computes_them_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    m = ModelMaker((1, 4, 3, 3))
    x = m.quant("x", scale=0.5, bits=3)
    y = m.node("Conv", x, m.weights(rng, (4, 4, 1, 1), scale=0.5, bits=3))
    a, b = m.quant(y, scale=1.0, bits=3), m.quant(y, scale=0.5, bits=4)
    a = m.node("Conv", a, m.weights(rng, (4, 4, 1, 1), scale=0.5, bits=3))
    a = m.quant(a, scale=0.5, bits=4)
    path = m.save(m.quant(m.node("Add", a, b), scale=1.0, bits=4), tmp_path / "m.onnx")
    model = import_onnx(path)
    assert len(model.graph.layers()) == 4
    assert not any(differences(path, model, rng.uniform(-3, 3, (99, 4, 3, 3))).values())


def test_a_quantizer_that_changes_nothing_costs_nothing(tmp_path: Path) -> None:
    m = ModelMaker((1, 2, 4, 4))
    x = m.quant("x", scale=0.5, bits=3, signed=0)
    y = m.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    y = m.quant(y, scale=0.5, bits=3, signed=0)
    graph = import_onnx(m.save(y, tmp_path / "m.onnx")).graph
    assert [type(node) for node in graph.nodes] == [MaxPool]


def test_the_nearest_rule_is_taken_when_asked_for(tmp_path: Path) -> None:
    """8 bits over sums that reach 2 million: no 16-bit slopes follow them."""
    rng = np.random.default_rng(5)
    m = ModelMaker((1, 700))
    x = m.quant("x", scale=0.01, bits=8)
    w = m.weights(rng, (700, 6), scale=rng.uniform(0.001, 0.01, (1, 6)), bits=5)
    path = m.save(m.quant(m.node("MatMul", x, w), scale=0.0213, bits=8), tmp_path / "m.onnx")
    model = import_onnx(path, inexact=True)
    assert isinstance(model.graph.nodes[1], Requantize)
    assert "off by up to 1" in model.notes[0]
    x = rng.uniform(-1.3, 1.3, (300, 700))
    off = differences(path, model, x)["output"]
    assert 0 <= off < 0.02 * 300 * 6
