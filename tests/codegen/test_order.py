"""Channels in order of their bits: the cheapest order, and who has to follow it."""

from itertools import permutations

import numpy as np

from codegen.device_layer import device_layers
from codegen.order import channel_orders, sum_of_maxima
from codegen.tiling import Tiling
from hw.overlays.bit_serial import BitSerial
from ir.graph import INT32, Add, Concat, Conv, IntegerGraph, MatMul, Node, Requantize, Tensor
from ir.precision import Precision, weight_precision

CODES = Precision(3, False)
WIDTHS = (2, 5, 1, 4, 4, 1, 3)


def conv(name: str, source: str, channels: int, widths: tuple[int, ...], **fields) -> list[Node]:
    """A convolution of 1x1 and its requantizer."""
    rows, inputs = len(widths), channels // fields.get("groups", 1)
    weight = np.ones((rows, inputs, 1, 1), np.int64)
    node = Conv(
        name,
        source,
        f"{name}.sums",
        weight,
        weight_precision(max(widths)),
        row_bits=widths,
        **fields,
    )
    ones, zeros = np.ones(rows, np.int64), np.arange(rows)
    return [node, Requantize(f"{name}.rule", f"{name}.sums", name, ones, zeros, 0, 0, 7)]


def graph_of(nodes: list[Node], sizes: dict[str, int], output: str) -> IntegerGraph:
    tensors = {name: Tensor(name, (size, 2, 2), CODES) for name, size in sizes.items()}
    for node in nodes:
        if node.output.endswith(".sums"):
            size = sizes[node.output.removesuffix(".sums")]
            tensors[node.output] = Tensor(node.output, (size, 2, 2), INT32)
    return IntegerGraph("test", tensors, nodes, "x", output).verify()


def test_the_sorted_order_is_the_cheapest_of_all() -> None:
    graph = graph_of(conv("a", "x", 3, WIDTHS), {"x": 3, "a": 7}, "a")
    for dm in (1, 2, 3, 7):
        order = channel_orders(graph, dm=dm, digit=1, sort=True)["a"]
        widths = np.array(WIDTHS)
        least = min(sum_of_maxima(widths[list(p)], dm) for p in permutations(range(7)))
        assert sum_of_maxima(widths[order], dm) == least
    assert order.tolist() == [1, 3, 4, 6, 0, 2, 5]  # equal widths keep their places
    kept = channel_orders(graph, dm=2, digit=1, sort=False)["a"]
    assert kept.tolist() == list(range(7))


def test_rows_follow_with_weights_and_rule_and_the_next_layer_with_its_channels() -> None:
    rng = np.random.default_rng(0)
    nodes = [*conv("a", "x", 3, WIDTHS), *conv("b", "a", 7, (3, 3, 3))]
    second = Conv("b", "a", "b.sums", rng.integers(-4, 4, (3, 7, 1, 1)), Precision(3, True))
    nodes[2] = second
    graph = graph_of(nodes, {"x": 3, "a": 7, "b": 3}, "b")
    a, b = device_layers(graph, dm=2, sort=True)
    assert a.shape.row_bits == (5, 4, 4, 3, 2, 1, 1)
    assert a.order.tolist() == a.rule.offset.tolist() == [1, 3, 4, 6, 0, 2, 5]
    assert np.array_equal(b.weights, second.weight[:, a.order])


def test_partners_share_the_order_that_costs_least() -> None:
    wide, narrow = (6, 1, 6, 1), (1, 2, 2, 1)
    nodes = [
        *conv("a", "x", 3, narrow),
        *conv("b", "x", 3, wide),
        Add("c", ("a", "b"), "c.sums"),
        Requantize("c.rule", "c.sums", "c", *np.ones((2, 4), np.int64), 0, 0, 7),  # pyright: ignore
    ]
    graph = graph_of(nodes, {"x": 3, "a": 4, "b": 4, "c": 4}, "c")
    orders = channel_orders(graph, dm=2, digit=1, sort=True)
    assert set(orders["a"][:2].tolist()) == {0, 2}
    assert all(np.array_equal(orders["a"], orders[name]) for name in "bc")
    assert orders["x"].tolist() == [0, 1, 2]


def test_depthwise_follows_and_groups_stay() -> None:
    nodes = [
        *conv("a", "x", 4, (1, 2, 3, 4)),
        *conv("b", "a", 4, (4, 1, 1, 1), groups=4),
        *conv("c", "b", 4, (1, 3)),
        *conv("d", "c", 2, (1, 2), groups=2),
    ]
    graph = graph_of(nodes, {"x": 4, "a": 4, "b": 4, "c": 2, "d": 2}, "d")
    orders = channel_orders(graph, dm=1, digit=1, sort=True)
    assert np.array_equal(orders["a"], orders["b"])
    grouped = conv("e", "c", 2, (1, 2, 3, 4), groups=2)
    graph = graph_of([*nodes[:6], *grouped], {"x": 4, "a": 4, "b": 4, "c": 2, "e": 4}, "e")
    orders = channel_orders(graph, dm=2, digit=1, sort=True)
    assert orders["c"].tolist() == [0, 1] and orders["e"].tolist() == [0, 1, 2, 3]


def test_a_concatenation_is_read_in_its_parts_orders() -> None:
    nodes = [
        *conv("a", "x", 3, (1, 2)),
        *conv("b", "x", 3, (3, 1, 4)),
        Concat("c", ("a", "b"), "c"),
    ]
    head = MatMul("d", "c", "d.sums", np.arange(20).reshape(1, 20) % 4, Precision(3, True))
    ones = np.ones(1, np.int64)
    nodes += [head, Requantize("d.rule", "d.sums", "d", ones, ones, 0, INT32.min, INT32.max)]
    graph = graph_of(nodes[:-2], {"x": 3, "a": 2, "b": 3, "c": 5}, "a")
    tensors = graph.tensors | {n: Tensor(n, (1, 1, 1), INT32) for n in ("d.sums", "d")}
    graph = IntegerGraph("test", tensors, nodes, "x", "d").verify()
    orders = channel_orders(graph, dm=1, digit=1, sort=True)
    assert orders["c"].tolist() == [1, 0, 4, 2, 3]
    layer = device_layers(graph, dm=1, sort=True)[2]
    assert np.array_equal(layer.weights, head.weight.reshape(1, 5, 2, 2)[:, orders["c"]])


def test_cycles_are_those_of_each_tiles_widest_row() -> None:
    graph = graph_of(conv("a", "x", 3, WIDTHS), {"x": 3, "a": 7}, "a")
    for sort, digits in ((True, (5, 4, 2, 1)), (False, (5, 4, 4, 3))):
        shape = device_layers(graph, dm=2, sort=sort)[0].shape
        tiling = Tiling(shape=shape, config=BitSerial(dm=2, dk=4, dn=2), from_host=True)
        assert tiling.row_digits == digits
        assert tiling.row_bipolar == ((False, False, False, sort))
