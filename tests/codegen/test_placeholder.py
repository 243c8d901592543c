"""Networks at other bitwidths: what follows from a width, and what contradicts."""

import numpy as np
import pytest

from codegen.placeholder import with_bits
from ir.errors import ConfigError
from ir.graph import INT32, Conv, IntegerGraph, MatMul, Requantize, Tensor, Threshold
from ir.precision import Precision
from tests.ir.residual import residual


def test_with_bits_reaches_all_that_shares_activations() -> None:
    graph = residual()
    wide = with_bits(graph, {"a": ((3, 2, 1, 8), 4), "g": (2, 5), "i": ((1, 1, 4), 6)})
    assert {name: wide.tensors[name].precision.bits for name in "abcdefhi"} == (
        {"a": 3, "b": 3, "c": 5, "d": 5, "e": 5, "f": 5, "h": 6, "i": 32}
    )
    nodes = {node.name: node for node in wide.nodes}
    a, i = nodes["a"], nodes["i"]
    assert isinstance(a, Conv) and isinstance(i, MatMul)
    assert (a.row_bits, a.precision) == ((3, 2, 1, 8), Precision(8, True))
    assert (i.row_bits, i.precision) == ((1, 1, 4), Precision(4, True))
    assert set(a.weight[2].ravel()) == {-1, 1}
    few = with_bits(graph, {"g": (1, 2)})
    assert few.tensors["c"].precision == few.tensors["f"].precision == Precision(2, False)


def test_with_bits_of_thresholds() -> None:
    graph = residual()
    nodes = [n for n in graph.nodes if n.name not in ("h", "h.rule", "i", "i.rule")]
    weight = np.ones((2, 6, 1, 1), np.int64)
    ones, zeros = np.ones(2, np.int64), np.zeros(2, np.int64)
    nodes += [
        Conv("k", "g", "k.sums", weight, Precision(2, True), padding=1, pad_value=1),
        Requantize("k.rule", "k.sums", "k", ones, zeros, 0, INT32.min, INT32.max),
    ]
    tensors = {n: t for n, t in graph.tensors.items() if n[0] not in "hi"}
    for name, precision in (("k.sums", INT32), ("k", INT32)):
        tensors[name] = Tensor(name, (2, 5, 4), precision)
    binary = IntegerGraph("binary", tensors, nodes, "x", "k").verify()
    wide = with_bits(binary, {"k": (2, 3)})
    assert wide.tensors["g"].precision == Precision(3, True)
    rule = next(node for node in wide.nodes if node.name == "g.rule")
    assert isinstance(rule, Threshold) and rule.thresholds.shape == (6, 7)
    with pytest.raises(ConfigError, match="g.rule: thresholds write 1 to 4 bits, not 5"):
        with_bits(binary, {"k": (2, 5)})
    same = with_bits(binary, {"k": (8, 1)})
    assert same.tensors["g"].precision.bipolar


def test_with_bits_that_contradict() -> None:
    graph = residual()
    with pytest.raises(ConfigError, match="layer 'a' has 4 output channels, not 3"):
        with_bits(graph, {"a": ((1, 2, 3), 4)})
    second = Conv("z", "f", "z.sums", np.ones((1, 8, 1, 1), np.int64), Precision(2, True))
    one = np.ones(1, np.int64)
    rule = Requantize("z.rule", "z.sums", "z", one, one, 0, 0, 7)
    tensors = graph.tensors | {
        "z.sums": Tensor("z.sums", (1, 3, 2), INT32),
        "z": Tensor("z", (1, 3, 2), Precision(3, False)),
    }
    forked = IntegerGraph("forked", tensors, [*graph.nodes, second, rule], "x", "i").verify()
    with pytest.raises(ConfigError, match="'g' and 'z' share activations: 2 and 4 bits are asked"):
        with_bits(forked, {"g": (2, 2), "z": (2, 4)})
