"""Networks of papers as graphs: widths as they are asked for, and one of them through the RTL."""

import numpy as np
import pytest

from codegen.device_layer import layer_shapes
from flows.bench_overlay import BenchOverlay
from flows.plain_networks import plain_network, spread
from ir.errors import ConfigError
from ir.graph import INT32
from ir.nodes import Linear


def test_widths_have_the_mean_that_is_asked_for() -> None:
    names = [f"layer{place}" for place in range(200)]
    for mean in (4.13, 3.76, 4.36, 8.0, 1.0):
        widths = [weights for weights, _ in spread(names, mean).values()]
        assert np.mean(widths) == pytest.approx(mean, abs=0.003)
        assert max(widths) - min(widths) <= 1
    assert spread(["a", "b"], 2.5) == {"a": (2, 2), "b": (3, 3)}
    with pytest.raises(ConfigError, match="--mean-bits must be 1 to 8, not 9"):
        spread(names, 9)


def test_a_network_of_a_paper() -> None:
    graph, image = plain_network("resnet20", 3.76)
    assert graph.tensors[graph.output].precision == INT32
    assert image.shape == graph.tensors[graph.input].shape == (3, 32, 32)
    weights = [node.precision.bits for node in graph.nodes if isinstance(node, Linear)]
    assert len(weights) == 22 and set(weights) == {3, 4}
    assert np.mean(weights) == pytest.approx(3.76, abs=0.1)
    again, _ = plain_network("resnet20", 3.76)
    for one, two in zip(graph.nodes, again.nodes, strict=True):
        if isinstance(one, Linear) and isinstance(two, Linear):
            assert np.array_equal(one.weight, two.weight)


def test_sums_longer_than_the_banks_are_cut_by_themselves() -> None:
    shapes = layer_shapes(plain_network("resnet20", (4, 4))[0])
    whole = BenchOverlay(array=(8, 16, 2)).config(shapes)
    short = BenchOverlay(array=(8, 16, 2), buffers={"lhs_depth": 64}).config(shapes)
    kept = BenchOverlay(array=(8, 16, 2), buffers={"lhs_depth": 64, "k_split": 0}).config(shapes)
    assert (whole.k_split, short.k_split, kept.k_split) == (0, 1, 0)
    assert short.lhs_depth == kept.lhs_depth == 64
