"""Random networks: their codes spread, whatever the bits, and the same seed gives the same one."""

from __future__ import annotations

import numpy as np
import pytest

from codegen.random_network import IMAGE, RandomNetwork
from codegen.reference_networks import NETWORKS, reference_network
from codegen.workload import operand_precisions
from ir.errors import ConfigError
from ir.golden import execute
from ir.graph import INT32
from ir.nodes import Add, Conv, MatMul, Threshold
from ir.precision import Precision, weight_precision

SMALL = ("small_cnn", "mlp")


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("bits", [(1, 1), (2, 2), (3, 2), (8, 8)])
@pytest.mark.parametrize("signed", [(1, 0), (1, 1), (0, 0)])
def test_codes_are_neither_all_zero_nor_saturated(
    name: str, bits: tuple[int, int], signed: tuple[int, int]
) -> None:
    weights, activations = operand_precisions(bits, signed)
    graph, image = reference_network(name, weights=weights, activations=activations)
    values = execute(graph, image[np.newaxis])
    for layer in graph.layers()[:-1]:
        codes = values[layer.output]
        seen, counts = np.unique(codes, return_counts=True)
        assert len(seen) >= min(2**activations.bits, 8)
        assert counts.max() < 0.75 * codes.size
    assert graph.tensors[graph.output].precision == INT32


def test_the_seed_decides() -> None:
    weights, activations = operand_precisions((2, 2), (1, 0))
    graphs = [
        reference_network("mlp", weights=weights, activations=activations, seed=seed)
        for seed in (3, 3, 4)
    ]
    first, same, other = (graph.nodes[0].weight for graph, _ in graphs)  # type: ignore[union-attr]
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    assert np.array_equal(graphs[0][1], graphs[1][1])


def test_an_unknown_network_names_the_nearest() -> None:
    weights, activations = operand_precisions((2, 2), (1, 0))
    with pytest.raises(ConfigError, match=r"unknown network 'small_cn' .*'small_cnn'.*mlp"):
        reference_network("small_cn", weights=weights, activations=activations)


@pytest.mark.slow
def test_resnet18_cifar_is_the_one_of_the_design_notes() -> None:
    weights, activations = operand_precisions((2, 2), (1, 0))
    graph, image = reference_network("resnet18_cifar", weights=weights, activations=activations)
    convolutions = [node for node in graph.nodes if isinstance(node, Conv)]
    rows = [node.weight.shape[0] for node in convolutions]
    assert rows == [64] * 5 + [128] * 4 + [256] * 4 + [512] * 4
    assert [i for i, node in enumerate(convolutions) if node.stride == 2] == [5, 9, 13]
    assert all(node.kernel == (3, 3) for node in convolutions)
    assert graph.tensors["conv17_codes"].shape == (512, 4, 4)
    assert graph.tensors["average_codes"].shape == (512, 1, 1)
    assert (image.shape, graph.tensors[graph.output].shape) == ((3, 32, 32), (10, 1, 1))
    assert NETWORKS["resnet18_cifar"].about.startswith("17 convolutions of 3x3")


@pytest.mark.slow
def test_the_residual_network_adds_eight_times() -> None:
    weights, activations = operand_precisions((2, 2), (1, 0))
    graph, _ = reference_network(
        "resnet18_cifar_residual", weights=weights, activations=activations
    )
    kinds = [type(node) for node in graph.nodes]
    assert (kinds.count(Add), kinds.count(Conv), kinds.count(MatMul)) == (8, 20, 1)


def network(**options: object) -> RandomNetwork:
    """On an image of 8 channels, 6x6 pixels."""
    settings = {
        "image": (8, 6, 6),
        "weights": weight_precision(3),
        "activations": Precision(2, False),
    } | options
    return RandomNetwork("some", **settings)  # type: ignore[arg-type]


def test_every_kind_of_layer_runs_in_the_golden_model() -> None:
    net = network()
    left = net.conv(IMAGE, "left", 12, groups=4, dilation=2)
    right = net.conv(IMAGE, "right", 12, kernel=1, thresholds=True)
    both = net.concat([net.add((left, right), "add"), left], "both")
    pooled = net.average(net.maximum(both, "max", kernel=2, stride=2), "average", kernel=2)
    graph, image = net.build(net.global_average(pooled, "global", output=INT32))
    values = execute(graph, image[np.newaxis])
    assert values["both_codes"].shape == (1, 24, 6, 6)
    assert values["average_codes"].shape == (1, 24, 2, 2)
    assert values["global_codes"].shape == (1, 24, 1, 1)
    assert isinstance(graph.nodes[3], Threshold)
    for name in ("left_codes", "right_codes", "add_codes"):
        assert np.unique(values[name]).tolist() == [0, 1, 2, 3]


def test_rows_have_the_widths_asked_for() -> None:
    net = network()
    graph, _ = net.build(net.conv(IMAGE, "layer", 4, row_bits=[1, 4, 2, 1]))
    node = graph.nodes[0]
    assert isinstance(node, Conv)
    assert (node.row_bits, node.precision) == ((1, 4, 2, 1), weight_precision(4))
    assert [int(np.abs(row).max()) for row in node.weight] == [1, 8, 2, 1]
    assert np.unique(node.weight[0]).tolist() == [-1, 1]


def test_widths_that_are_not_one_a_channel_are_refused() -> None:
    with pytest.raises(ConfigError, match="must name 4 widths, one for each output channel, not 3"):
        network().conv(IMAGE, "layer", 4, row_bits=[1, 4, 2])


def test_groups_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 groups do not divide 8 channels"):
        network().conv(IMAGE, "layer", 6, groups=3)


def test_bipolar_activations_are_written_by_thresholds_and_padded_with_a_code() -> None:
    net = network(activations=weight_precision(1))
    graph, image = net.build(net.conv(net.conv(IMAGE, "first", 4), "second", 4))
    values = execute(graph, image[np.newaxis])
    assert np.unique(values["second_codes"]).tolist() == [-1, 1]
    assert graph.nodes[2].pad_value == -1  # type: ignore[union-attr]
