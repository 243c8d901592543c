"""Random networks: their codes spread, whatever the bits, and the same seed gives the same one."""

import numpy as np
import pytest

from codegen.random_network import fitted_requantizer
from codegen.reference_networks import NETWORKS, reference_network
from codegen.workload import operand_precisions
from ir.errors import ConfigError
from ir.golden import execute, run_node
from ir.graph import INT32, MatMul
from ir.precision import Precision

SMALL = ("small_cnn", "mlp")


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("bits", [(1, 1), (2, 2), (3, 2), (8, 8)])
@pytest.mark.parametrize("signed", [(1, 0), (1, 1), (0, 0)])
def test_codes_are_neither_all_zero_nor_saturated(
    name: str, bits: tuple[int, int], signed: tuple[int, int]
) -> None:
    weights, activations = operand_precisions(bits, signed)
    graph, image = reference_network(name, weights=weights, activations=activations).build()
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
        reference_network("mlp", weights=weights, activations=activations, seed=seed).build()
        for seed in (3, 3, 4)
    ]
    first, same, other = (
        node.weight for graph, _ in graphs for node in graph.nodes[:1] if isinstance(node, MatMul)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    assert np.array_equal(graphs[0][1], graphs[1][1])


def test_an_unknown_network_names_the_nearest() -> None:
    weights, activations = operand_precisions((2, 2), (1, 0))
    with pytest.raises(ConfigError, match=r"unknown network 'small_cn' .*'small_cnn'.*mlp"):
        reference_network("small_cn", weights=weights, activations=activations)


def test_every_network_says_what_it_is() -> None:
    for network in NETWORKS.values():
        assert network.about
        names = [step.name for step in network.steps()]
        assert len(set(names)) == len(names)


def test_sums_are_centred_channel_by_channel() -> None:
    sums = np.array([[[-100, -90, -80, -70]], [[1000, 3000, 5000, 7000]]], np.int64)
    node = fitted_requantizer(sums, Precision(2, False), name="layer")
    codes = run_node(node, sums[np.newaxis])[0]
    # a deviation of 11.18 and of 2236: four of them span the four codes
    assert codes.tolist() == [[[0, 1, 2, 3]], [[0, 1, 2, 3]]]


def test_a_channel_that_never_changes_takes_the_middle_code() -> None:
    sums = np.full((1, 2, 2), 37, np.int64)
    node = fitted_requantizer(sums, Precision(4, False), name="layer")
    assert np.unique(run_node(node, sums[np.newaxis])).tolist() == [8]
