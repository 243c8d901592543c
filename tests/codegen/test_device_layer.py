"""What the layers of a graph become on the device, computed there in integers."""

from dataclasses import replace

import numpy as np
import pytest

from codegen.device_layer import device_layers, layer_shapes
from codegen.lanes import weight_lanes
from codegen.lower import lower
from codegen.tiling import Tiling
from hw.overlays.bit_serial import BitSerial
from ir.errors import CapacityError, UnsupportedModelError
from ir.graph import (
    INT32,
    Add,
    AveragePool,
    Concat,
    Conv,
    GlobalAveragePool,
    IntegerGraph,
    MaxPool,
    Node,
    Requantize,
    Tensor,
    Threshold,
)
from ir.precision import Precision, weight_precision

CONFIG = BitSerial(dm=3, dk=4, dn=2, memory_bits=64)
CODES, BIPOLAR = Precision(3, False), weight_precision(1)


def rule(name: str, channels: int, codes: Precision = CODES) -> Requantize:
    ones, zeros = np.ones(channels, np.int64), np.zeros(channels, np.int64)
    return Requantize(f"{name}.rule", f"{name}.sums", name, ones, zeros, 0, codes.min, codes.max)


def graph_of(tensors: list[Tensor], nodes: list[Node], output: str) -> IntegerGraph:
    named = {tensor.name: tensor for tensor in tensors}
    for node in nodes:
        if node.output.endswith(".sums"):
            shape = named[node.output.removesuffix(".sums")].shape
            named[node.output] = Tensor(node.output, shape, INT32)
    return IntegerGraph("test", named, nodes, "x", output).verify()


def pools(sides: int = 4, channels: int = 6) -> IntegerGraph:
    """x -> pool a; x -> b; a ++ b -> c; global d."""
    shape, half = (channels, sides, sides), (channels, sides // 2, sides // 2)
    weight = np.ones((channels, channels, 2, 2), np.int64)
    nodes: list[Node] = [
        AveragePool("a", "x", "a.sums", (2, 2), 2),
        rule("a", channels),
        Conv("b", "x", "b.sums", weight, Precision(2, True), stride=2),
        rule("b", channels),
        Concat("c", ("a", "b"), "c"),
        GlobalAveragePool("d", "c", "d.sums"),
        rule("d", 2 * channels),
    ]
    tensors = [
        Tensor("x", shape, CODES),
        Tensor("a", half, CODES),
        Tensor("b", half, CODES),
        Tensor("c", (2 * channels, *half[1:]), CODES),
        Tensor("d", (2 * channels, 1, 1), CODES),
    ]
    return graph_of(tensors, nodes, "d")


def added(one: Precision, other: Precision) -> IntegerGraph:
    """x -> a, b of two precisions; their sum c."""
    shape = (5, 2, 2)
    weight = np.ones((5, 5, 1, 1), np.int64)
    nodes: list[Node] = [
        Conv("a", "x", "a.sums", weight, Precision(2, True)),
        rule("a", 5, one),
        Conv("b", "x", "b.sums", weight, Precision(2, True)),
        rule("b", 5, other),
        Add("c", ("a", "b"), "c.sums"),
        rule("c", 5),
    ]
    tensors = [Tensor("x", shape, CODES), Tensor("a", shape, one), Tensor("b", shape, other)]
    return graph_of([*tensors, Tensor("c", shape, CODES)], nodes, "c")


def test_shapes_of_pools_and_concatenations() -> None:
    a, b, d = layer_shapes(pools())
    assert (a.groups, a.kernel, a.stride, a.weights, a.depth) == (
        6,
        (2, 2),
        2,
        Precision(1, False),
        4,
    )
    assert (b.groups, b.parts, b.depth) == (1, (6,), 24)
    assert (d.groups, d.operands, d.kernel, d.depth) == (12, ((6, 6),), (2, 2), 4)
    assert [layer.inputs for layer in device_layers(pools())] == [("x",), ("x",), ("a", "b")]


def test_row_tiles_read_the_words_of_their_own_channels() -> None:
    tiling = Tiling(shape=layer_shapes(pools())[2], config=CONFIG, from_host=False)
    # channels 0-5 lie in words 0 and 1, 6-11 in words 2 and 3; rows 3-5 need words 0 and 1
    assert tiling.part_words == (2, 2) and tiling.chunks == 4
    assert tiling.row_reads == ((0, 0, 2, 2), 2)
    assert tiling.k_words == 2 * 4 and tiling.row_table
    lanes = weight_lanes(tiling)
    assert lanes.shape == (12, 8, 4)
    for row in range(12):
        word, lane = row % 6 // 4, row % 6 % 4
        expected = np.full((4, 2, 4), -1)
        expected[:, word, lane] = np.arange(4)
        assert np.array_equal(lanes[row].reshape(4, 2, 4), expected)


def test_operands_of_an_addition_lie_side_by_side() -> None:
    sum_ = layer_shapes(added(CODES, CODES))[2]
    tiling = Tiling(shape=sum_, config=CONFIG, from_host=False)
    assert (sum_.operands, sum_.groups, sum_.depth) == (((5,), (5,)), 5, 2)
    assert tiling.operand_words == ((0, 2), (2, 2))
    assert [tap.offset for tap in tiling.taps] == [0, 2]
    lanes = weight_lanes(tiling)
    assert lanes[4].tolist() == [[-1] * 4, [0, -1, -1, -1], [-1] * 4, [1, -1, -1, -1]]


def test_every_row_meets_its_channel_in_operands_of_different_lengths() -> None:
    """12 channels take 3 words; 6 and 6 side by side take 4."""
    sum_ = layer_shapes(added(CODES, CODES))[2]
    for operands in (((12,), (6, 6)), ((6, 6), (12,)), ((12,), (1, 1, 10))):
        shape = replace(sum_, channels=12, rows=12, groups=12, operands=operands)
        for dm in (1, 2, 3, 5):
            tiling = Tiling(shape=shape, config=replace(CONFIG, dm=dm), from_host=False)
            for lanes in weight_lanes(tiling):
                assert sorted(lanes[lanes >= 0].tolist()) == [0, 1]


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        (Precision(3, False), Precision(3, False), Precision(3, False)),
        (Precision(3, False), Precision(5, False), Precision(5, False)),
        (Precision(3, False), Precision(3, True), Precision(4, True)),
        (Precision(2, False), Precision(7, True), Precision(7, True)),
    ],
)
def test_partners_are_written_with_the_bits_of_the_wider(
    one: Precision, other: Precision, common: Precision
) -> None:
    a, b, c = layer_shapes(added(one, other))
    assert a.output == b.output == c.activations == common


def test_partners_beyond_eight_bits() -> None:
    with pytest.raises(UnsupportedModelError, match="layer 'c': adds codes that need 9 bits"):
        layer_shapes(added(Precision(8, False), Precision(2, True)))


def test_bipolar_codes_and_others_are_not_added() -> None:
    graph = added(CODES, CODES)
    sign = Threshold(
        "b.rule", "b.sums", "b", np.zeros((5, 1), np.int64), np.ones(5, np.int64), -1, 2
    )
    nodes = [sign if node.name == "b.rule" else node for node in graph.nodes]
    tensors = graph.tensors | {"b": replace(graph.tensors["b"], precision=BIPOLAR)}
    with pytest.raises(UnsupportedModelError, match="layer 'c': adds bipolar codes to others"):
        layer_shapes(replace(graph, nodes=nodes, tensors=tensors).verify())


def test_a_concatenation_as_output() -> None:
    graph = pools()
    with pytest.raises(UnsupportedModelError, match="its output 'c' is a concatenation"):
        lower(replace(graph, nodes=graph.nodes[:5], output="c").verify(), CONFIG)


def test_a_padded_maximum_of_signed_codes_is_refused_by_name() -> None:
    tensors = [
        Tensor("x", (3, 4, 4), Precision(3, True)),
        Tensor("p", (3, 4, 4), Precision(3, True)),
    ]
    nodes: list[Node] = [MaxPool("p", "x", "p", (3, 3), 1, 1)]
    with pytest.raises(UnsupportedModelError, match="layer 'p': places outside .* are zeros"):
        lower(graph_of(tensors, nodes, "p"), CONFIG)


@pytest.mark.parametrize("lowest", [0, -1])
def test_signed_codes_of_a_relu_may_be_padded_and_pooled(lowest: int) -> None:
    """They are at least zero, as residual partners that share a sign are: zeros win nothing."""
    signed = Precision(3, True)
    tensors = [
        Tensor("x", (3, 4, 4), signed),
        Tensor("c.sums", (3, 4, 4), INT32),
        *(Tensor(name, (3, 4, 4), signed) for name in ("c", "p", "q")),
    ]
    weights = np.ones((3, 3, 1, 1), np.int64)
    nodes: list[Node] = [
        Conv("c", "x", "c.sums", weights, weight_precision(2)),
        replace(rule("c", 3, signed), lo=lowest),
        MaxPool("p", "c", "p", (3, 3), 1, 1),
        MaxPool("q", "p", "q", (3, 3), 1, 1),
    ]
    graph = graph_of(tensors, nodes, "q")
    if lowest == 0:
        assert [layer.name for layer in device_layers(graph)] == ["c", "p", "q"]
    else:
        with pytest.raises(UnsupportedModelError, match="layer 'p': places outside"):
            device_layers(graph)


def test_bipolar_rows_of_groups_get_a_sign() -> None:
    """A bit means -1 or +1, never 0: the other groups' channels would count."""
    weight = 2 * np.random.default_rng(0).integers(0, 2, (4, 2, 1, 1)) - 1
    tensors = [Tensor("x", (4, 2, 2), CODES), Tensor("a", (4, 2, 2), CODES)]
    for groups, digits, bipolar in ((2, 2, False), (1, 1, True)):
        rows = np.repeat(weight, 2 // groups, axis=1)
        nodes = [Conv("a", "x", "a.sums", rows, BIPOLAR, groups=groups), rule("a", 4)]
        shape = layer_shapes(graph_of(tensors, nodes, "a"))[0]
        tiling = Tiling(shape=shape, config=CONFIG, from_host=True)
        assert (set(tiling.row_digits), set(tiling.row_bipolar)) == ({digits}, {bipolar})


def test_the_accumulator_holds_what_the_device_adds_up() -> None:
    """Bipolar codes are bits on the device: 40 of them need 7 bits, not the 8 of -120 to 120."""
    weight = np.full((1, 40, 1, 1), 3)
    nodes: list[Node] = [
        Conv("a", "x", "a.sums", weight, Precision(3, True)),
        replace(rule("a", 1, INT32), lo=INT32.min, hi=INT32.max),
    ]
    tensors = [Tensor("x", (40, 1, 1), BIPOLAR), Tensor("a", (1, 1, 1), INT32)]
    graph = graph_of(tensors, nodes, "a")
    lower(graph, replace(CONFIG, acc_bits=8))
    with pytest.raises(CapacityError, match="layer 'a' needs acc_bits = 8, the overlay has 7"):
        lower(graph, replace(CONFIG, acc_bits=7))
