"""What cannot be taken is refused in one message that names it; nothing is converted silently."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from codegen.frontend.qonnx.importer import examine_onnx, import_onnx
from ir.errors import ConfigError, UnsupportedModelError
from tests.codegen.frontend.models import QONNX, ModelMaker


def small(**quant: object) -> tuple[ModelMaker, str]:
    """One quantized layer; `quant` changes the quantizer behind it."""
    m = ModelMaker((1, 4))
    y = m.node("MatMul", m.quant("x", scale=0.5, bits=4), m.constant(np.eye(4)))
    return m, m.quant(y, **({"scale": 0.5, "bits": 4, "name": "last"} | quant))  # type: ignore[arg-type]


def proto(**quant: object) -> onnx.ModelProto:
    m, y = small(**quant)
    return m.build(y)


def write(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"scale": 0.0}, "its scale is 0, not positive"),
        ({"scale": -0.5}, "its scale is -0.5, not positive"),
        ({"scale": np.nan}, "its scale is not finite"),
        ({"scale": np.inf}, "its scale is not finite"),
        ({"bits": 17}, "17 bits, operands have 1 to 8"),
        ({"bits": 1e30}, "1e+30 bits, operands have 1 to 8"),
        ({"bits": 9}, "9 bits, operands have 1 to 8"),
        ({"bits": 2.5}, "its bit width is 2.5"),
        ({"bits": 0}, "its bit width is 0.0"),
        ({"zero": np.nan}, "its zero point is not finite"),
        ({"rounding": "DITHER"}, "rounding mode 'DITHER'"),
    ],
)
def test_a_quantizer_that_means_nothing_here(
    change: dict[str, object], why: str, tmp_path: Path
) -> None:
    model, problems = examine_onnx(write(proto(**change), tmp_path / "m.onnx"))
    assert model is None
    (problem,) = problems
    assert (problem.node, problem.op) == ("last", "Quant")
    assert why in problem.why
    assert problem.rewrite


def float_model(m: ModelMaker) -> str:
    return m.node("MatMul", m.quant("x", scale=1.0, bits=4), m.constant(np.full((4, 4), 0.3)))


def float_activations(m: ModelMaker) -> str:
    y = m.node("MatMul", m.quant("x", scale=1.0, bits=4), m.constant(np.eye(4)))
    return m.node("MatMul", y, m.constant(np.eye(4)))


def sigmoid(m: ModelMaker) -> str:
    return m.node("Sigmoid", m.node("MatMul", "x", m.constant(np.eye(4))))


def other_domain(m: ModelMaker) -> str:
    return m.node("Quant", "x", domain="com.example")


def different_scales(m: ModelMaker) -> str:
    x = m.quant("x", scale=0.5, bits=4)
    y = m.quant(m.node("MatMul", x, m.constant(np.eye(4))), scale=0.3, bits=4)
    return m.node("Add", x, y)


def scales_of_inputs(m: ModelMaker) -> str:
    x = m.quant("x", scale=np.array([1.0, 2, 3, 4]), bits=4)
    return m.node("MatMul", x, m.constant(np.eye(4)))


def wide_weights(m: ModelMaker) -> str:
    x = m.quant("x", scale=1.0, bits=4)
    return m.node("MatMul", x, m.constant(np.eye(4) * 300))


def a_product(m: ModelMaker) -> str:
    x = m.quant("x", scale=1.0, bits=4)
    return m.node("Mul", x, m.node("Identity", x))


@pytest.mark.parametrize(
    ("make", "op", "why"),
    [
        (float_model, "MatMul", "floats that no Quant makes integers"),
        (float_activations, "MatMul", "its input is not quantized"),
        (sigmoid, "Sigmoid", "no operator 'Sigmoid'"),
        (other_domain, "Quant", "no operator 'Quant' of domain 'com.example'"),
        (different_scales, "Add", r"different scales \(0.5 and 0.3\)"),
        (scales_of_inputs, "MatMul", "a scale for each channel"),
        (wide_weights, "MatMul", "weights of 10 bits"),
        (a_product, "Mul", "the product of two activations"),
    ],
)
def test_what_the_overlay_cannot_compute(
    make: Callable[[ModelMaker], str], op: str, why: str, tmp_path: Path
) -> None:
    m = ModelMaker((1, 4))
    with pytest.raises(UnsupportedModelError, match=rf"\('{op}'\): .*{why}"):
        import_onnx(m.save(make(m), tmp_path / "m.onnx"))


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    m = ModelMaker((1, 4))
    y = m.node("Gelu", m.quant("x", scale=1.0, bits=17, name="first"), name="second")
    y = m.node("MatMul", y, m.constant(np.full((4, 4), 0.3)), name="third")
    y = m.quant(y, scale=0.0, bits=4, name="fourth")
    _, problems = examine_onnx(m.save(y, tmp_path / "m.onnx"))
    assert [problem.node for problem in problems] == ["first", "second", "third", "fourth"]
    with pytest.raises(UnsupportedModelError, match="4 nodes cannot be taken exactly"):
        import_onnx(tmp_path / "m.onnx")


def test_padding_needs_a_code_for_zero(tmp_path: Path) -> None:
    m = ModelMaker((1, 2, 4, 4))
    x = m.quant("x", scale=0.5, zero=-200.0, bits=8)
    w = m.constant(np.ones((1, 2, 3, 3)))
    y = m.node("Conv", x, w, pads=[1] * 4, name="padded")
    with pytest.raises(UnsupportedModelError, match="'padded'.*zero is no code"):
        import_onnx(m.save(y, tmp_path / "m.onnx"))
    m = ModelMaker((1, 2, 4, 4))
    x = m.node("BipolarQuant", "x", m.constant(1.0), domain=QONNX)
    y = m.node("Conv", x, m.constant(np.ones((1, 2, 3, 3))), pads=[1] * 4, name="bipolar")
    with pytest.raises(UnsupportedModelError, match="'bipolar'.*no code for zero padding"):
        import_onnx(m.save(y, tmp_path / "m.onnx"))


def test_what_no_rule_computes_is_named_and_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    m = ModelMaker((1, 700))
    x = m.quant("x", scale=0.01, bits=8)
    w = m.weights(rng, (700, 6), scale=rng.uniform(0.001, 0.01, (1, 6)), bits=5)
    y = m.quant(m.node("MatMul", x, w), scale=0.0213, bits=8, name="wide")
    _, (problem,) = examine_onnx(m.save(y, tmp_path / "m.onnx"))
    assert problem.node == "wide"
    assert "no multipliers of 16 bits give its 8-bit codes exactly" in problem.why
    assert "off by up to 1" in problem.why
    assert "--inexact" in problem.rewrite


def test_broken_files(tmp_path: Path) -> None:
    whole = proto().SerializeToString()
    place = tmp_path / "m.onnx"
    for data in (b"", b"\x00\x01garbage", whole[: len(whole) // 2], whole[:-3], b"%PDF-1.7"):
        place.write_bytes(data)
        with pytest.raises(ConfigError, match="m.onnx"):
            import_onnx(place)
    with pytest.raises(ConfigError, match="does not exist"):
        import_onnx(tmp_path / "none.onnx")


def test_every_cut_of_a_file_is_an_error_of_ours(tmp_path: Path) -> None:
    whole = proto().SerializeToString()
    place = tmp_path / "m.onnx"
    for length in range(0, len(whole), 7):
        place.write_bytes(whole[:length])
        with pytest.raises((ConfigError, UnsupportedModelError)):
            import_onnx(place)


def test_a_cyclic_graph(tmp_path: Path) -> None:
    model = proto()
    model.graph.node[-1].input[0] = model.graph.node[-1].output[0]
    with pytest.raises(ConfigError, match="graph is cyclic: node 'last' waits for itself"):
        import_onnx(write(model, tmp_path / "m.onnx"))


def test_graphs_that_do_not_hold_together(tmp_path: Path) -> None:
    place = tmp_path / "m.onnx"
    model = proto()
    model.graph.node[-1].input[0] = "nobody"
    with pytest.raises(ConfigError, match="reads 'nobody', which nobody writes"):
        import_onnx(write(model, place))
    model = proto()
    model.graph.node[-1].output[0] = model.graph.node[0].output[0]
    with pytest.raises(ConfigError, match="is written twice"):
        import_onnx(write(model, place))
    model = proto()
    model.graph.output.append(model.graph.output[0])
    with pytest.raises(ConfigError, match="one output expected, not 2"):
        import_onnx(write(model, place))
    model = proto()
    del model.graph.input[:]
    with pytest.raises(ConfigError, match="one input expected, not 0"):
        import_onnx(write(model, place))
    model = proto()
    model.opset_import[0].version = 3
    with pytest.raises(ConfigError, match="ONNX opset 3; 7 to 25 are read"):
        import_onnx(write(model, place))


def test_sizes_that_are_open_or_zero(tmp_path: Path) -> None:
    place = tmp_path / "m.onnx"
    m = ModelMaker((1, 3, "height", "width"))
    with pytest.raises(ConfigError, match=r"dimension 2 \('height'\) is dynamic"):
        import_onnx(m.save(m.quant("x", scale=1.0, bits=4), place))
    m = ModelMaker((1, 0))
    with pytest.raises(ConfigError, match="holds no values"):
        import_onnx(m.save(m.quant("x", scale=1.0, bits=4), place))
    m = ModelMaker((1, 4))
    m.initializers.append(helper.make_tensor("empty", TensorProto.FLOAT, (4, 0), []))
    y = m.node("MatMul", m.quant("x", scale=1.0, bits=4), "empty")
    with pytest.raises(ConfigError, match="tensor 'empty': shape .* holds no values"):
        import_onnx(m.save(y, place))


def test_inputs_that_would_fill_the_memory(tmp_path: Path) -> None:
    m = ModelMaker((1, 1 << 40))
    with pytest.raises(ConfigError, match="holds more than 268435456 values"):
        import_onnx(m.save(m.quant("x", scale=1.0, bits=4), tmp_path / "m.onnx"))


def test_numbers_that_do_not_fit_together(tmp_path: Path) -> None:
    m = ModelMaker((1, 2, 4, 4))
    x = m.quant("x", scale=0.5, bits=4)
    w = m.quant(m.constant(np.ones((3, 2, 2, 2))), scale=[1.0] * 7, bits=4, name="weights")
    with pytest.raises(UnsupportedModelError, match="'weights'.*do not fit together .ValueError"):
        import_onnx(m.save(m.node("Conv", x, w), tmp_path / "m.onnx"))


def every_kind() -> onnx.ModelProto:
    """A model with most operators in it."""
    rng = np.random.default_rng(0)
    m = ModelMaker((1, 2, 6, 6))
    x = m.quant("x", scale=1 / 16, bits=8, signed=0)
    w = m.weights(rng, (4, 2, 3, 3), scale=0.1, bits=3)
    y = m.node("Conv", x, w, pads=[1] * 4, strides=[1, 1], dilations=[1, 1], group=1)
    ones = [m.constant(np.ones(4)) for _ in range(4)]
    y = m.node("Relu", m.node("BatchNormalization", y, *ones, epsilon=1e-5))
    y = m.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4, ceil_mode=0)
    y = m.quant(y, scale=0.07, bits=4, signed=0)
    z = m.node("AveragePool", y, kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)
    y = m.quant(m.node("Add", y, m.quant(z, scale=0.07, bits=4, signed=0)), scale=0.1, bits=4)
    y = m.node("Concat", y, y, axis=1)
    y = m.node("Pad", y, m.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64), mode="constant")
    y = m.node("Conv", y, m.weights(rng, (4, 8, 2, 2), scale=0.1, bits=2), name="b")
    table = m.constant(np.sort(rng.normal(size=(4, 3)), axis=1))
    y = m.node("MultiThreshold", y, table, domain=QONNX, out_scale=1.0, data_layout="NCHW")
    y = m.node("Reshape", m.node("Transpose", y, perm=[0, 1, 2, 3]), m.constant([1, -1], np.int64))
    y = m.node("MatMul", y, m.weights(rng, (64, 3), scale=0.1, bits=4), name="c")
    return m.build(m.node("Mul", y, m.constant(0.5)))


STRANGE = [
    0,
    -1,
    1 << 40,
    -(1 << 62),
    0.5,
    float("nan"),
    "x",
    b"\xff",
    [],
    [-1, -1],
    [2] * 7,
    ["a"],
]
SPOILT: list[Callable[[np.ndarray], np.ndarray]] = [
    lambda a: a * np.float32("nan"),
    lambda a: -a,
    lambda a: a.ravel(),
    lambda a: a[..., np.newaxis],
    lambda a: a.astype(np.float64) * 1e300,
    lambda a: np.zeros(0),
    lambda a: np.concatenate([a.ravel()] * 3),
    lambda a: a.astype(np.complex64),
    lambda a: a.astype(bool),
]


def spoil(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """One thing in the file becomes another."""
    graph = model.graph
    node = graph.node[rng.integers(len(graph.node))]
    names = [t.name for t in graph.initializer] + [o for n in graph.node for o in n.output]
    what = rng.integers(5)
    if what == 0 and node.attribute:
        name = node.attribute[0].name
        del node.attribute[0]
        value = STRANGE[rng.integers(len(STRANGE))]
        if value != []:
            node.attribute.append(helper.make_attribute(name, value))
    elif what == 1:
        place = int(rng.integers(len(node.input)))
        node.input[place] = ["", "x", *names][rng.integers(len(names) + 2)]
    elif what == 2:
        tensor = graph.initializer[rng.integers(len(graph.initializer))]
        values = onnx.numpy_helper.to_array(tensor)
        spoilt = np.ascontiguousarray(SPOILT[rng.integers(len(SPOILT))](values))
        tensor.CopyFrom(onnx.numpy_helper.from_array(spoilt, tensor.name))
    elif what == 3:
        node.op_type = graph.node[rng.integers(len(graph.node))].op_type
    else:
        sizes = graph.input[0].type.tensor_type.shape.dim
        sizes[rng.integers(4)].dim_value = int(rng.choice([0, 1, 3, -1, 1 << 40]))


@pytest.mark.filterwarnings("ignore")
def test_spoilt_files_are_taken_or_refused(tmp_path: Path) -> None:
    """Whatever is wrong in a file, the error is ours. 300 files, drawn with seed 0."""
    rng = np.random.default_rng(0)
    taken = import_onnx(write(every_kind(), tmp_path / "m.onnx"))
    assert len(taken.graph.layers()) == 6
    outcomes = {"taken": 0, "refused": 0}
    for _ in range(300):
        model = every_kind()
        spoil(model, rng)
        try:
            import_onnx(write(model, tmp_path / "m.onnx"))
            outcomes["taken"] += 1
        except (ConfigError, UnsupportedModelError):
            outcomes["refused"] += 1
    assert outcomes["taken"] > 20 and outcomes["refused"] > 100


def test_an_open_batch_is_one_image_at_a_time(tmp_path: Path) -> None:
    m = ModelMaker(("N", 4))
    y = m.node("MatMul", m.quant("x", scale=1.0, bits=4), m.constant(np.eye(4)))
    model = import_onnx(m.save(y, tmp_path / "m.onnx"))
    assert model.encode(np.ones((3, 4))).shape == (3, 4, 1, 1)


def external(tmp_path: Path, location: str, **entries: str) -> Path:
    """A model whose weights lie in another file."""
    m = ModelMaker((1, 4))
    y = m.node("MatMul", m.quant("x", scale=1.0, bits=4), "weights")
    tensor = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[4, 4])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in ({"location": location} | entries).items():
        tensor.external_data.add(key=key, value=value)
    m.initializers.append(tensor)
    return m.save(y, tmp_path / "model" / "m.onnx")


def test_external_data_is_read_only_below_the_models_folder(tmp_path: Path) -> None:
    (tmp_path / "model" / "data").mkdir(parents=True)
    weights = np.eye(4, dtype=np.float32)
    (tmp_path / "model" / "data" / "w.bin").write_bytes(b"1234" + weights.tobytes())
    (tmp_path / "secret.bin").write_bytes(weights.tobytes())
    (tmp_path / "model" / "link.bin").symlink_to(tmp_path / "secret.bin")
    (tmp_path / "model" / "up").symlink_to(tmp_path)
    graph = import_onnx(external(tmp_path, "data/w.bin", offset="4", length="64")).graph
    assert np.array_equal(graph.nodes[0].weight, np.eye(4))  # type: ignore[union-attr]
    outside = (
        "../secret.bin",
        str(tmp_path / "secret.bin"),
        "link.bin",
        "up/secret.bin",
        "",
        "data",
    )
    for location in outside:
        with pytest.raises(ConfigError, match="below the model's own folder"):
            import_onnx(external(tmp_path, location))
    for entries in ({"offset": "8"}, {"length": "60"}, {"offset": "-4"}, {"offset": "many"}):
        with pytest.raises(ConfigError, match="tensor 'weights'"):
            import_onnx(external(tmp_path, "data/w.bin", **entries))


def test_constants_that_would_fill_the_memory(tmp_path: Path) -> None:
    m = ModelMaker((1, 4))
    huge = m.node("ConstantOfShape", m.constant([1 << 20, 1 << 20], np.int64), name="huge")
    y = m.node("MatMul", m.quant("x", scale=1.0, bits=4), huge)
    with pytest.raises(UnsupportedModelError, match="'huge'.*would make more than"):
        import_onnx(m.save(y, tmp_path / "m.onnx"))


def test_an_input_precision_that_is_none(tmp_path: Path) -> None:
    place = write(proto(), tmp_path / "m.onnx")
    for text in ("u9", "s1", "float", "8"):
        with pytest.raises(ConfigError, match="input"):
            import_onnx(place, input_precision=text)
