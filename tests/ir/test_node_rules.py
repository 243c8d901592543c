"""Every rule of the nodes beyond convolution and matrix product, broken once."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ir.errors import BitwrightError, ConfigError, UnsupportedModelError
from ir.golden import execute
from ir.graph import IntegerGraph
from ir.nodes import Add, AveragePool, Conv, GlobalAveragePool, Requantize, Threshold
from ir.precision import Precision, weight_precision
from ir.shapes import sums_range
from tests.ir.residual import residual


def changed(name: str, **fields: Any) -> IntegerGraph:
    """The residual graph with fields of one node replaced."""
    graph = residual()
    nodes = [replace(n, **fields) if n.name == name else n for n in graph.nodes]
    return IntegerGraph(graph.name, graph.tensors, nodes, graph.input, graph.output)


def retyped(name: str, **fields: Any) -> IntegerGraph:
    graph = residual()
    tensors = graph.tensors | {name: replace(graph.tensors[name], **fields)}
    return IntegerGraph(graph.name, tensors, graph.nodes, graph.input, graph.output)


def test_a_good_graph_runs_and_every_value_is_a_code() -> None:
    graph = residual().verify()
    found = execute(graph, np.random.default_rng(0).integers(0, 16, (3, 2, 6, 4)))
    assert found.keys() == graph.tensors.keys()
    for name, values in found.items():
        graph.tensors[name].precision.check(values, what=name)
        assert values.shape == (3, *graph.tensors[name].shape)
    assert [layer.name for layer in graph.layers()] == list("abcdeghi")
    assert list(graph.layer_precisions()) == list("abgi")
    assert graph.layers()[2].inputs == ("a", "b")
    assert graph.layers()[2].input == "a"


@pytest.mark.parametrize(
    ("name", "fields", "error", "message"),
    [
        ("a", {"row_bits": (4, 1, 2)}, ConfigError, "a: row_bits has 3 widths for 4 output"),
        ("a", {"row_bits": (3, 1, 2, 3)}, ConfigError, "a: row_bits of 1 to 3 bits do not fit"),
        ("a", {"row_bits": (4, 0, 2, 3)}, ConfigError, "a: row_bits of 0 to 4 bits do not fit"),
        ("a", {"row_bits": (2, 1, 4, 3)}, ConfigError, "weights of 2-bit output channels outside"),
        ("a", {"row_bits": (4, 2, 1, 3)}, ConfigError, "weights of 1-bit output channels outside"),
        ("a", {"groups": 3}, ConfigError, "a: 3 groups do not divide 2 channels"),
        ("a", {"groups": 2}, ConfigError, "do not fit an input of 2 channels in 2 groups"),
        ("b", {"weight": np.zeros((6, 1, 3, 3), np.int64)}, ConfigError, "b: 4 groups .* 6 outp"),
        ("a", {"dilation": 0}, ConfigError, "a: dilation 0 is impossible"),
        ("a", {"padding": (1, 1, -1, 1)}, ConfigError, r"padding \(1, 1, -1, 1\) is impossible"),
        ("a", {"pad_value": 1}, UnsupportedModelError, "a: pads with 1; only a bipolar input"),
        ("c", {"inputs": ("a", "x")}, ConfigError, r"c: adds two tensors of one shape, not \(4, 6"),
        ("c", {"inputs": ("a",)}, ConfigError, "c: adds two tensors of one shape"),
        ("c", {"inputs": ("a", "z")}, ConfigError, "c: its input 'z' is not computed before it"),
        ("d", {"kernel": (0, 2)}, ConfigError, r"d: kernel \(0, 2\) or stride 2 is impossible"),
        ("d", {"padding": 2}, ConfigError, r"d: padding 2 must be less than the kernel \(2, 2\)"),
        ("e", {"padding": (0, 0, 2, 0)}, ConfigError, "e: padding .* less than the kernel"),
        ("f", {"inputs": ("a", "d")}, ConfigError, "f: its inputs differ in height or width"),
        ("f", {"inputs": ()}, ConfigError, "f: nothing to concatenate"),
        ("f", {"inputs": ("d", "e", "d")}, ConfigError, r"f: writes \(12, 3, 2\), but 'f' is"),
        (
            "g.rule",
            {"thresholds": np.zeros((6, 2), np.int64)},
            ConfigError,
            "-1 to 3 in steps of 2",
        ),
        ("g.rule", {"thresholds": np.zeros((5, 1), np.int64)}, ConfigError, "thresholds has shape"),
        ("g.rule", {"thresholds": np.zeros((6, 0), np.int64)}, ConfigError, "channels, 1 or more"),
        (
            "g.rule",
            {"thresholds": np.full((6, 1), 1 << 47)},
            ConfigError,
            "thresholds outside 48-b",
        ),
        ("g.rule", {"sign": np.zeros(6, np.int64)}, ConfigError, "sign outside 1-bit bipolar"),
        ("g.rule", {"step": 1}, ConfigError, "-1 to 0 in steps of 1, which are not codes"),
    ],
)
def test_broken_node(
    name: str, fields: dict[str, Any], error: type[BitwrightError], message: str
) -> None:
    with pytest.raises(error, match=message):
        changed(name, **fields).verify()


def test_thresholds_ascend() -> None:
    graph = changed("g.rule", thresholds=np.array([[1, 0]] * 6), base=0, step=1)
    tensors = graph.tensors | {"g": replace(graph.tensors["g"], precision=Precision(2, False))}
    with pytest.raises(ConfigError, match="g.rule: thresholds must ascend in each channel"):
        IntegerGraph("t", tensors, graph.nodes, "x", "i").verify()


def test_thresholds_write_few_bits() -> None:
    with pytest.raises(UnsupportedModelError, match="thresholds write 1 to 4 bits, not 5"):
        retyped("g", precision=Precision(5, True)).verify()


def test_partners_of_a_concatenation_share_a_precision() -> None:
    graph = changed("f", inputs=("d", "e"))
    tensors = graph.tensors | {"e": replace(graph.tensors["e"], precision=Precision(4, False))}
    with pytest.raises(
        UnsupportedModelError, match="f: its inputs differ in precision .*'e' 4-bit"
    ):
        IntegerGraph("t", tensors, graph.nodes, "x", "i").verify()


def test_pools_and_concatenations_keep_the_precision() -> None:
    with pytest.raises(ConfigError, match="d: writes 3-bit unsigned codes, but 'd' is 4-bit"):
        retyped("d", precision=Precision(4, False)).verify()


def test_a_requantizer_writes_no_bipolar_codes() -> None:
    graph = residual()
    ones, zeros = np.ones(6, np.int64), np.zeros(6, np.int64)
    rule = Requantize("g.rule", "g.sums", "g", ones, zeros, 0, -1, 1)
    nodes = [rule if node.name == "g.rule" else node for node in graph.nodes]
    with pytest.raises(UnsupportedModelError, match="cannot write bipolar codes"):
        IntegerGraph("t", graph.tensors, nodes, "x", "i").verify()


@pytest.mark.parametrize("padded", ["g", "e"])
def test_zero_padding_of_bipolar_codes(padded: str) -> None:
    graph = changed(padded, padding=1)
    bipolar = weight_precision(1)
    tensors = graph.tensors | {
        name: replace(graph.tensors[name], precision=bipolar) for name in ("c", "d", "e", "f")
    }
    limits = np.zeros((4, 1), np.int64)
    sign = np.ones(4, np.int64)
    nodes = [
        Threshold(node.name, node.input, node.output, limits, sign, -1, 2)
        if isinstance(node, Requantize) and node.name in ("c.rule", "e.rule")
        else node
        for node in graph.nodes
    ]
    with pytest.raises(UnsupportedModelError, match=f"{padded}: a bipolar input has no code for z"):
        IntegerGraph("t", tensors, nodes, "x", "i").verify()


def test_sums_are_no_output() -> None:
    graph = residual()
    with pytest.raises(UnsupportedModelError, match="h: its sums must be read by one requantizer"):
        IntegerGraph("t", graph.tensors, graph.nodes[:14], "x", "h.sums").verify()


def test_ranges_of_sums() -> None:
    three, signs = Precision(3, False), weight_precision(1)
    add, window = Add("c", ("a", "b"), "s"), AveragePool("e", "c", "s", (2, 2))
    assert sums_range(add, [(4, 6, 4)] * 2, [three, Precision(4, True)]) == (-8, 14)
    assert sums_range(window, [(4, 6, 4)], [three]) == (0, 28)
    assert sums_range(GlobalAveragePool("h", "g", "s"), [(6, 3, 2)], [signs]) == (-6, 6)
    weight = np.array([[1, -3], [2, 1]]).reshape(2, 2, 1, 1)
    assert sums_range(Conv("a", "x", "s", weight, three), [(2, 6, 4)], [signs]) == (-4, 4)
