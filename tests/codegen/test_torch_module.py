"""Snapped torch == golden, on every activation of every layer."""

import numpy as np
import pytest
import torch
from torch import nn

from codegen.frontend.torch_module import to_graph
from ir import golden
from ir.errors import UnsupportedModelError
from ir.graph import IntegerGraph, accumulator_range
from ir.nodes import INT32, Conv, Linear, MatMul
from ir.plan import LayerBits, PrecisionPlan, uniform_plan
from quant.data import DataConfig, Dataset, load_data
from quant.integerize import codes_name, snap, sums_name
from quant.net import NetConfig
from quant.prepare import QuantizerConfig, check_supported, layer_names
from quant.recipe import Recipe
from quant.snapped import SnappedNet, run_node
from quant.train import fine_tune, inputs_of, train_float

MIXED = PrecisionPlan(
    {
        "conv1": LayerBits(w_bits=1, a_bits=5),
        "conv2": LayerBits(w_bits=3, a_bits=2),
        "conv3": LayerBits(w_bits=5, a_bits=7),
        "fc": LayerBits(w_bits=2, a_bits=1),
    }
)
PLANS = {f"uniform{b}": uniform_plan(MIXED.layers, b, first_a_bits=5) for b in (1, 2, 4, 8)}
ACCUMULATORS = 1_000_000


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_data(DataConfig(fold=2))


@pytest.fixture(scope="module")
def float_net(digits: Dataset) -> nn.Module:
    return train_float(NetConfig(width=5), digits.search, Recipe(epochs=3, learning_rate=0.01))


@pytest.fixture(scope="module", params=[*PLANS, "mixed"])
def snapped(request: pytest.FixtureRequest, digits: Dataset, float_net: nn.Module) -> SnappedNet:
    plan = PLANS.get(request.param, MIXED)
    granularity = "per_tensor" if request.param == "uniform2" else "per_channel"
    return snap(
        fine_tune(
            float_net,
            plan,
            digits.search,
            Recipe(epochs=1, learning_rate=0.003),
            quantizer=QuantizerConfig(granularity=granularity),
        )
    )


@pytest.fixture(scope="module")
def graph(snapped: SnappedNet) -> IntegerGraph:
    return to_graph(snapped, "d4")


def test_every_activation_of_the_test_set_is_equal(
    snapped: SnappedNet, graph: IntegerGraph, digits: Dataset
) -> None:
    ours = snapped.activations(inputs_of(digits.test))
    wanted = golden.execute(graph, digits.test.images.astype(np.int64))
    assert list(ours) == list(wanted) == list(graph.tensors)
    for name, value in wanted.items():
        assert np.array_equal(ours[name], value), name


def test_forward_is_the_graph_times_the_output_scale(
    snapped: SnappedNet, graph: IntegerGraph, digits: Dataset
) -> None:
    wanted = golden.execute(graph, digits.test.images.astype(np.int64))[graph.output]
    logits = snapped(inputs_of(digits.test)).numpy()
    assert np.array_equal(logits, wanted[:, :, 0, 0] * snapped.output_scale)


def test_requantizers_agree_on_a_million_random_accumulators(
    snapped: SnappedNet, graph: IntegerGraph
) -> None:
    rng = np.random.default_rng(11)
    for layer in graph.layers():
        sums = graph.tensors[layer.linear.output]
        channels = sums.shape[0]
        rows = -(-ACCUMULATORS // channels)
        acc = rng.integers(
            sums.precision.min, sums.precision.max, (rows, channels, 1, 1), endpoint=True
        )
        ours = run_node(layer.requantize, [torch.from_numpy(acc).double()]).numpy()
        assert np.array_equal(ours, golden.run_node(layer.requantize, acc)), layer.name


def test_inputs_that_reach_the_accumulator_bound(snapped: SnappedNet, graph: IntegerGraph) -> None:
    for layer in graph.layers():
        linear, codes = layer.linear, graph.tensors[layer.input].precision
        assert isinstance(linear, Linear)
        low, high = accumulator_range(linear.weight, codes)
        window = graph.tensors[layer.input].shape
        for target, weight in ((high, linear.weight), (low, -linear.weight)):
            corner = np.where(weight > 0, codes.max, codes.min)  # one input a channel
            if isinstance(linear, MatMul):
                corner = corner.reshape(-1, *window)
            else:
                assert isinstance(linear, Conv)
                corner = np.pad(corner, [(0, 0), (0, 0), (1, 1), (1, 1)])
            ours = run_node(linear, [torch.from_numpy(corner).double()]).numpy()
            wanted = golden.run_node(linear, corner)
            assert np.array_equal(ours.reshape(wanted.shape), wanted)
            assert target in wanted


def test_plan_and_precisions_arrive_in_the_graph(snapped: SnappedNet, graph: IntegerGraph) -> None:
    assert list(graph.layer_precisions()) == list(snapped.plan.layers)
    for name, (weights, activations) in graph.layer_precisions().items():
        assert (weights.bits, activations.bits) == snapped.plan[name].pair
    assert graph.tensors[graph.output].precision == INT32
    assert graph.output == codes_name("fc")
    strides = [node.stride for node in graph.nodes if isinstance(node, Conv)]
    assert strides == [1, 2, 1]


def test_perceptron_through_flatten(digits: Dataset) -> None:
    model = train_float(
        NetConfig(name="mlp", width=9), digits.search, Recipe(epochs=2, learning_rate=0.01)
    )
    plan = uniform_plan(layer_names(model), 3, first_a_bits=5)
    recipe = Recipe(epochs=1, learning_rate=0.003)
    net = snap(fine_tune(model, plan, digits.search, recipe, quantizer=QuantizerConfig()))
    graph = to_graph(net)
    assert [type(node) for node in graph.nodes[::2]] == [MatMul, MatMul]
    ours = net.activations(inputs_of(digits.test))
    wanted = golden.execute(graph, digits.test.images.astype(np.int64))
    assert all(np.array_equal(ours[name], value) for name, value in wanted.items())
    assert ours[sums_name("fc1")].shape == (len(digits.test), 9, 1, 1)


def test_network_that_is_not_snapped(float_net: nn.Module) -> None:
    with pytest.raises(UnsupportedModelError, match="D4 still computes in floats; .* snap it"):
        to_graph(float_net)


def test_unsupported_layers_are_found_first(float_net: nn.Module, digits: Dataset) -> None:
    assert check_supported(float_net, digits.task) == ["conv1", "conv2", "conv3", "fc"]
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(2), nn.LSTM(36, 10))
    with pytest.raises(UnsupportedModelError, match=r"layer '2' \(LSTM\): the overlay has no rec"):
        check_supported(model, digits.task)
