"""Every rule of an IntegerGraph, broken once."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ir.errors import ConfigError, UnsupportedModelError
from ir.graph import IntegerGraph
from ir.nodes import Conv, Node, Requantize, Tensor
from ir.precision import Precision


def changed(graph: IntegerGraph, index: int, **fields: Any) -> IntegerGraph:
    """The graph with fields of one node replaced."""
    nodes: list[Node] = list(graph.nodes)
    nodes[index] = replace(nodes[index], **fields)
    return with_nodes(graph, nodes)


def with_nodes(graph: IntegerGraph, nodes: list[Node]) -> IntegerGraph:
    return IntegerGraph(graph.name, graph.tensors, nodes, graph.input, graph.output)


def with_tensor(graph: IntegerGraph, key: str, /, **fields: Any) -> IntegerGraph:
    tensors = graph.tensors | {key: replace(graph.tensors[key], **fields)}
    return IntegerGraph(graph.name, tensors, graph.nodes, graph.input, graph.output)


def test_a_good_graph_verifies_to_itself(classifier: IntegerGraph) -> None:
    assert classifier.verify() is classifier


def test_layers_pair_sums_with_their_requantizer(classifier: IntegerGraph) -> None:
    layers = classifier.layers()
    assert [(layer.name, layer.input, layer.output) for layer in layers] == [
        ("conv", "x", "conv.codes"),
        ("fc", "conv.codes", "fc.codes"),
    ]
    assert [layer.requantize.name for layer in layers] == ["conv.requantize", "fc.requantize"]
    assert classifier.layer_precisions() == {
        "conv": (Precision(3, True), Precision(5, False)),
        "fc": (Precision(1, True, bipolar=True), Precision(3, False)),
    }


@pytest.mark.parametrize(
    ("index", "fields", "message"),
    [
        (0, {"input": "y"}, "conv: its input 'y' is not computed before it"),
        (0, {"output": "x"}, "conv: tensor 'x' is written twice"),
        (0, {"output": "y"}, "conv: tensor 'y' is not declared"),
        (0, {"name": "fc"}, "two nodes are named 'fc'"),
        (
            0,
            {"weight": np.zeros((3, 3, 3, 3), dtype=np.int64)},
            "do not fit an input of 2 channels",
        ),
        (0, {"weight": np.full((3, 2, 3, 3), 4)}, "conv: weights outside 3-bit signed"),
        (0, {"weight": np.zeros((3, 2, 3, 3))}, "conv: weights must be int64, not float64"),
        (0, {"weight": np.zeros((3, 2, 9, 9), dtype=np.int64)}, "conv: its window does not fit"),
        (0, {"stride": 0}, "conv: stride 0 or padding 1 is impossible"),
        (0, {"padding": -1}, "conv: stride 2 or padding -1 is impossible"),
        (0, {"stride": 1}, r"conv: writes \(3, 5, 4\), but 'conv.sums' is \(3, 3, 2\)"),
        (1, {"shift": 48}, "conv.requantize: shift must be 0 to 47, not 48"),
        (1, {"lo": -1}, "clip range -1..7 is not a range of 3-bit unsigned"),
        (1, {"lo": 5, "hi": 4}, "clip range 5..4 is not a range"),
        (1, {"multiplier": np.array([1, 2])}, r"multiplier has shape \(2,\), not one per channel"),
        (1, {"multiplier": np.array([1, 2, 1 << 15])}, "multiplier outside 16-bit signed"),
        (1, {"offset": np.array([0, 0, 1 << 47])}, "offset outside 48-bit signed"),
        (2, {"weight": np.ones((4, 17), dtype=np.int64)}, "flattened input of 18 values"),
    ],
)
def test_broken_node(
    classifier: IntegerGraph, index: int, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        changed(classifier, index, **fields).verify()


def test_operands_of_nine_bits(classifier: IntegerGraph) -> None:
    with pytest.raises(
        UnsupportedModelError, match="conv: input of 9 bits; .* quantize them first"
    ):
        with_tensor(classifier, "x", precision=Precision(9, False)).verify()
    with pytest.raises(UnsupportedModelError, match="fc: weights of 9 bits"):
        changed(classifier, 2, precision=Precision(9, True)).verify()


def test_zero_padding_of_a_bipolar_tensor(classifier: IntegerGraph) -> None:
    bipolar = Precision(1, True, bipolar=True)
    with pytest.raises(UnsupportedModelError, match="conv: a bipolar input has no code for zero"):
        with_tensor(classifier, "x", precision=bipolar).verify()


def test_accumulators_too_narrow(classifier: IntegerGraph) -> None:
    with pytest.raises(ConfigError, match="conv: sums reach .* outside 6-bit signed accumulators"):
        with_tensor(classifier, "conv.sums", precision=Precision(6, True)).verify()


def test_accumulators_too_wide_for_the_requantizer(classifier: IntegerGraph) -> None:
    wide = with_tensor(classifier, "conv.sums", precision=Precision(60, True))
    with pytest.raises(ConfigError, match=r"acc \* M \+ B needs more than 64 bits"):
        wide.verify()


def test_sums_read_by_a_convolution(classifier: IntegerGraph) -> None:
    nodes = list(classifier.nodes)
    narrow = with_tensor(classifier, "conv.sums", precision=Precision(8, True))
    nodes[0] = replace(nodes[0], weight=np.zeros((3, 2, 3, 3), dtype=np.int64))
    nodes[2] = replace(nodes[2], input="conv.sums")
    with pytest.raises(
        UnsupportedModelError, match="conv: its sums must be read by one requantizer"
    ):
        with_nodes(narrow, nodes).verify()


def test_requantizer_without_sums(classifier: IntegerGraph) -> None:
    tensors = classifier.tensors | {"again": Tensor("again", (3, 3, 2), Precision(3, False))}
    ones, zeros = np.ones(3, dtype=np.int64), np.zeros(3, dtype=np.int64)
    extra = Requantize("again", "conv.codes", "again", ones, zeros, 0, 0, 7)
    nodes = [*classifier.nodes, extra]
    graph = IntegerGraph("g", tensors, nodes, "x", "fc.codes")
    with pytest.raises(UnsupportedModelError, match="again: requantizes 'conv.codes', which is no"):
        graph.verify()


def test_sums_that_nobody_reads(classifier: IntegerGraph) -> None:
    graph = with_nodes(classifier, list(classifier.nodes[:3]))
    with pytest.raises(ConfigError, match="its output 'fc.codes' is never computed"):
        graph.verify()
    graph = IntegerGraph("g", graph.tensors, graph.nodes, "x", "conv.codes")
    with pytest.raises(UnsupportedModelError, match="fc: its sums must be read by one requantizer"):
        graph.verify()


def test_a_foreign_node(classifier: IntegerGraph) -> None:
    foreign: Any = type("Pool", (), {"name": "pool", "input": "x", "output": "conv.sums"})()
    with pytest.raises(UnsupportedModelError, match="pool: the device has no Pool"):
        with_nodes(classifier, [foreign]).verify()


def test_broken_frames(classifier: IntegerGraph) -> None:
    with pytest.raises(ConfigError, match="graph 'classifier' has no nodes"):
        with_nodes(classifier, []).verify()
    with pytest.raises(ConfigError, match="its input 'z' is not declared"):
        graph = classifier
        IntegerGraph("g", graph.tensors, graph.nodes, "z", graph.output).verify()
    with pytest.raises(ConfigError, match="tensor 'y' is filed under 'x'"):
        with_tensor(classifier, "x", name="y").verify()
    with pytest.raises(ConfigError, match=r"its shape must be \(C, H, W\), not \(2, 5, 0\)"):
        with_tensor(classifier, "x", shape=(2, 5, 0)).verify()


def test_convolution_defaults() -> None:
    node = Conv("c", "x", "s", np.zeros((1, 1, 1, 1), dtype=np.int64), Precision(2, True))
    assert (node.stride, node.padding) == (1, 0)
