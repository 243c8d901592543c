"""Channels of no bits: snapped torch == golden, they say the same for every image, and on the
overlay they cost what channels of one bit cost. Prices of networks with branches."""

import numpy as np
import pytest
import torch

from codegen.cycles import MemoryTiming, predict
from codegen.frontend.torch_module import to_graph
from codegen.lower import lower
from flows.plan_price import PlanPrice
from hw.overlays.bit_serial import BitSerial
from ir import golden
from ir.graph import IntegerGraph
from ir.nodes import Linear
from ir.plan import LayerBits, PrecisionPlan, uniform_plan
from quant.data import DataConfig, load_data
from quant.integerize import codes_name, snap
from quant.net import NetConfig
from quant.prepare import QuantizerConfig, layer_names, prepare
from quant.recipe import Recipe
from quant.train import fine_tune, inputs_of, train_float
from tests.quant.test_traced import Residual

PRUNED = (4, 0, 2, 1, 0, 3, 2, 8)


def plan_with(rows: tuple[int, ...]) -> PrecisionPlan:
    return PrecisionPlan(
        {
            "conv1": LayerBits(w_bits=4, a_bits=5),
            "conv2": LayerBits(w_bits=rows, a_bits=4),
            "conv3": LayerBits(w_bits=2, a_bits=3),
            "fc": LayerBits(w_bits=3, a_bits=4),
        }
    )


@pytest.mark.parametrize("granularity", ["per_channel", "per_tensor"])
def test_pruned_channels_are_constant_and_exact(granularity) -> None:
    data = load_data(DataConfig(fold=2))
    float_net = train_float(NetConfig(width=4), data.search, Recipe(epochs=1, learning_rate=0.01))
    tuned = fine_tune(
        float_net,
        plan_with(PRUNED),
        data.search,
        Recipe(epochs=1, learning_rate=0.003),
        quantizer=QuantizerConfig(granularity=granularity),
    )
    assert tuned.plan == plan_with(PRUNED)
    conv2 = tuned.chain[1]
    zero = conv2.weights(conv2.linear.weight)[[1, 4]]
    assert float(zero.detach().abs().max()) == 0.0
    snapped = snap(tuned)
    graph = to_graph(snapped)
    ours = snapped.activations(inputs_of(data.test))
    wanted = golden.execute(graph, data.test.images.astype(np.int64))
    for tensor, value in wanted.items():
        assert np.array_equal(ours[tensor], value), tensor
    node = next(n for n in graph.nodes if isinstance(n, Linear) and n.name == "conv2")
    assert node.row_bits == (4, 1, 2, 1, 1, 3, 2, 8)
    codes = ours[codes_name("conv2")]
    varies = [len(np.unique(codes[:, channel])) > 1 for channel in range(8)]
    assert not varies[1] and not varies[4] and any(varies)
    overlay = BitSerial(dm=2, dk=16, dn=2, lhs_depth=256, rhs_depth=512, ring_depth=64, acc_bits=24)
    price = PlanPrice(graph, overlay, latency=20)
    ones = tuple(max(bits, 1) for bits in PRUNED)
    assert price.cycles(plan_with(PRUNED)) == price.cycles(plan_with(ones))
    assert price.cycles(plan_with(PRUNED)) < price.cycles(plan_with((8,) * 8))
    assert price.weight_bytes(plan_with(PRUNED)) < price.weight_bytes(plan_with((8,) * 8))
    unsorted = PlanPrice(graph, overlay, latency=20, sort=False)
    assert price.cycles(plan_with(PRUNED)) < unsorted.cycles(plan_with(PRUNED))


def test_the_price_of_a_network_with_branches_is_that_of_its_graph() -> None:
    """Layers that share a step change width together, sums that no layer reads keep theirs."""
    data = load_data(DataConfig(fold=2))
    torch.manual_seed(0)
    model, sample = Residual().eval(), inputs_of(data.search.train)[:64]

    def graph_at(plan: PrecisionPlan) -> IntegerGraph:
        how = QuantizerConfig()
        return snap(prepare(model, plan, task=data.task, calibration=sample, quantizer=how)).graph

    names = layer_names(model)
    overlay = BitSerial(dm=4, dk=16, dn=2, lhs_depth=512, rhs_depth=1024, ring_depth=64)
    price = PlanPrice(graph_at(uniform_plan(names, 8, first_a_bits=5)), overlay, latency=20)
    mixed = {
        name: LayerBits(w_bits=2 + place, a_bits=5 if place == 0 else 3 + place // 2)
        for place, name in enumerate(names)
    }
    mixed["conv2d"] = LayerBits(w_bits=4, a_bits=mixed["down"].a_bits)  # they read one step
    for plan in (PrecisionPlan(mixed), uniform_plan(names, 2, first_a_bits=5)):
        network = lower(graph_at(plan), overlay)
        assert price.cycles(plan) == predict(network, MemoryTiming(latency=20)).cycles
