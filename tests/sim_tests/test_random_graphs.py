"""Random graphs: what is drawn holds everything that the overlay runs."""

from __future__ import annotations

import numpy as np

from ir.golden import execute
from ir.graph import INT32, Add, AveragePool, Concat, Conv, GlobalAveragePool, MatMul, MaxPool
from ir.nodes import Threshold
from sim_tests.random_graphs import random_graph

DRAWS = 150


def test_every_kind_of_layer_is_drawn() -> None:
    graphs = [random_graph(np.random.default_rng(seed))[0] for seed in range(DRAWS)]
    nodes = [node for graph in graphs for node in graph.nodes]
    kinds = {type(node) for node in nodes}
    assert kinds >= {Add, AveragePool, Concat, Conv, GlobalAveragePool, MatMul, MaxPool, Threshold}
    convolutions = [node for node in nodes if isinstance(node, Conv)]
    for odd in (
        [node.groups > 1 for node in convolutions],
        [node.dilation > 1 for node in convolutions],
        [node.row_bits is not None for node in convolutions],
        [node.kernel[0] != node.kernel[1] for node in convolutions],
        [node.pad_value == 1 for node in convolutions],
        [graph.tensors[graph.output].precision == INT32 for graph in graphs],
    ):
        assert 0 < sum(odd) < len(odd)


def test_the_seed_decides() -> None:
    (first, image), (same, other) = (random_graph(np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(image, other)
    values = [execute(graph, image[np.newaxis]) for graph in (first, same)]
    assert np.array_equal(values[0][first.output], values[1][same.output])
