"""Graphs as QONNX files: qonnx computes the same integers, the importer finds the same graph."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from codegen.frontend.qonnx.importer import Imported, import_onnx
from codegen.qonnx_writer import EXACT, write_qonnx
from codegen.random_network import IMAGE, RandomNetwork, random_codes
from flows.qonnx_reference import reference
from ir.errors import UnsupportedModelError
from ir.golden import execute
from ir.graph import INT32, IntegerGraph
from ir.nodes import Conv, Linear, Pool, Requantize
from ir.precision import Precision, weight_precision

INPUTS = 12


def residual(net: RandomNetwork) -> str:
    """Every kind of node but bipolar ones."""
    stem = net.conv(IMAGE, "stem", 8)
    deep = net.conv(stem, "deep", 8, groups=8, dilation=2)
    wide = net.conv(deep, "wide", 8, kernel=(3, 1), padding=(1, 0, 1, 0), groups=2)
    joined = net.concat((net.add((stem, wide), "sum"), deep), "cat")
    around = 0 if net.activations.signed else 1  # zeros would win against negative codes
    few = net.activations.bits <= 4
    small = net.maximum(joined, "peak", kernel=3, stride=2, padding=around)
    mean = net.average(small, "mean", kernel=3, stride=1, padding=1)
    mixed = net.conv(mean, "mixed", 6, kernel=1, row_bits=(1, 2, 3, 4, 2, 1), thresholds=few)
    flat = net.linear(mixed, "hidden", 9)
    whole = net.concat((net.global_average(mixed, "all"), flat), "both")
    return net.linear(whole, "out", 5, output=INT32)


def bipolar(net: RandomNetwork) -> str:
    """A multi-layer network of signs."""
    hidden = net.linear(net.linear(IMAGE, "one", 20), "two", 16)
    return net.linear(hidden, "three", 4, output=INT32)


def graph_of(kind: str) -> IntegerGraph:
    grow = bipolar if kind == "bipolar" else residual
    bits = int(kind[1]) if kind != "bipolar" else 1
    signed = kind[0] == "s" or kind == "bipolar"
    net = RandomNetwork(
        "written",
        image=(3, 8, 8),
        weights=weight_precision(1 if kind == "bipolar" else 4),
        activations=Precision(bits, signed, bipolar=kind == "bipolar"),
        seed=3,
        falling=kind != "bipolar",
    )
    return net.build(grow(net))[0]


KINDS = ["u1", "u3", "s4", "u8", "bipolar"]


@pytest.fixture(scope="module", params=KINDS)
def graph(request: pytest.FixtureRequest) -> IntegerGraph:
    return graph_of(request.param)


@pytest.fixture
def path(graph: IntegerGraph, tmp_path: Path) -> Path:
    place = tmp_path / "written.onnx"
    place.write_bytes(write_qonnx(graph).proto.SerializeToString())
    return place


@pytest.fixture
def inputs(graph: IntegerGraph) -> np.ndarray:
    tensor = graph.tensors[graph.input]
    return random_codes(np.random.default_rng(1), tensor.precision, (INPUTS, *tensor.shape))


def test_qonnx_computes_every_code(graph: IntegerGraph, path: Path, inputs: np.ndarray) -> None:
    onnx.checker.check_model(onnx.load(path), full_check=False)
    found = reference(path, inputs.astype(np.float32))
    if found is None:
        pytest.fail("qonnx is among the development tools")
    wanted = execute(graph, inputs)
    compared = 0
    for name, codes in wanted.items():
        if name in found:
            assert np.array_equal(found[name].reshape(codes.shape), codes), name
            compared += 1
    averages = [node for node in graph.nodes if isinstance(node, Pool)]
    assert compared == len(wanted) - len(averages)  # ONNX has means instead of their sums


def test_the_importer_finds_the_same_network(
    graph: IntegerGraph, path: Path, inputs: np.ndarray
) -> None:
    found: Imported = import_onnx(path)
    assert np.array_equal(found.encode(inputs), inputs) and found.notes == ()
    ours, theirs = execute(graph, inputs), execute(found.graph, found.encode(inputs))
    decoded = found.decode(theirs[found.graph.output])
    assert np.array_equal(decoded.reshape(ours[graph.output].shape), ours[graph.output])
    for name, value in found.codes.items():
        if name in ours:
            assert np.array_equal(theirs[value.tensor], ours[name]), name
            assert found.graph.tensors[value.tensor].precision == graph.tensors[name].precision
    weights = {n.name: n.precision for n in graph.nodes if isinstance(n, Linear)}
    assert {n.name: n.precision for n in found.graph.nodes if isinstance(n, Linear)} == weights


@pytest.mark.parametrize("frame", [-1, 1])
def test_frames_of_signs_are_written_as_a_pad(frame: int, tmp_path: Path) -> None:
    """Bipolar codes have no zero: what stands around them is one of the two."""
    sign = Precision(1, signed=True, bipolar=True)
    net = RandomNetwork("signs", image=(2, 6, 6), weights=sign, activations=sign, seed=5)
    first = net.conv(IMAGE, "first", 4, pad_value=frame)
    second = net.conv(first, "second", 4, pad_value=-frame)
    graph, _ = net.build(net.linear(second, "last", 3, output=INT32))
    path = tmp_path / "signs.onnx"
    path.write_bytes(write_qonnx(graph).proto.SerializeToString())
    inputs = random_codes(np.random.default_rng(1), sign, (5, 2, 6, 6))
    found, wanted = reference(path, inputs.astype(np.float32)), execute(graph, inputs)
    assert found is not None
    assert np.array_equal(found[graph.output], wanted[graph.output][:, :, 0, 0])
    again = import_onnx(path)
    assert np.array_equal(execute(again.graph, inputs)[again.graph.output], wanted[graph.output])
    frames = {n.name: n.pad_value for n in again.graph.nodes if isinstance(n, Conv)}
    assert frames == {"first": frame, "second": -frame}


def wide_graph(*, shift: int, weight: int) -> IntegerGraph:
    """Codes of 600,000 8-bit products, whose last code begins near the greatest sum."""
    codes, count = Precision(8, signed=False), 600_000
    net = RandomNetwork("wide", image=(count, 1, 1), weights=weight_precision(8), activations=codes)
    graph, _ = net.build(net.linear(IMAGE, "big", 1, output=codes))
    linear = replace(graph.layers()[0].linear, weight=np.full((1, count), weight))
    one = np.ones(1, np.int64)
    rule = graph.layers()[0].requantize
    plain = Requantize(rule.name, rule.input, rule.output, one, 0 * one, shift, 0, 255)
    return IntegerGraph("wide", graph.tensors, [linear, plain], graph.input, graph.output).verify()


def test_sums_beyond_float32() -> None:
    note = write_qonnx(wide_graph(shift=12, weight=1)).notes
    assert note == (
        f"layer 'big': sums may reach {600_000 * 255}, beyond {EXACT}, up to which float32 has "
        "every integer; executors that compute in floats may round",
    )
    with pytest.raises(UnsupportedModelError, match="'big': a code begins at a sum of 1.*float32"):
        write_qonnx(wide_graph(shift=19, weight=1))


def test_outputs_that_are_shifted() -> None:
    graph = graph_of("u3")
    *nodes, last = graph.nodes
    assert isinstance(last, Requantize)
    shifted = IntegerGraph(
        "s", graph.tensors, [*nodes, replace(last, shift=3)], graph.input, graph.output
    )
    with pytest.raises(UnsupportedModelError, match="out_rule: outputs of more than 8 bits"):
        write_qonnx(shifted)
