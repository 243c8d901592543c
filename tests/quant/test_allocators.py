"""Conformance: what every allocator promises, over the names found; then each one's own."""

import copy

import numpy as np
import pytest
import torch

from ir import plugins
from ir.cost import CostEntry, CostModel, CostTable
from ir.errors import CapacityError, UnknownPluginError
from ir.plan import PrecisionPlan, uniform_plan
from quant.allocator import FOLDER, build_allocator
from quant.allocators.eagl import entropy, entropy_gains, narrow
from quant.data import Dataset
from quant.layers import QuantNet

MACS = {"conv1": 4608, "conv2": 36864, "conv3": 73728, "fc": 2560}
ALLOCATORS = plugins.names(FOLDER)


def cycles(layer: str, w_bits: int, a_bits: int) -> int:
    return 150 + MACS[layer] * w_bits * a_bits // 1024


@pytest.fixture(scope="module")
def cost() -> CostModel:
    entries = {}
    for layer in MACS:
        pairs = [(b, 5 if layer == "conv1" else b) for b in range(2, 9)]
        entries[layer] = {
            pair: CostEntry(cycles=cycles(layer, *pair), provenance="measured") for pair in pairs
        }
    table = CostTable(entries)

    def truth(plan: PrecisionPlan) -> int:
        return table.cost(plan) * 103 // 100 + 17

    return CostModel(table=table, plan_cycles=truth)


def budget_at(cost: CostModel, fraction: float) -> int:
    c2, c8 = (cost.plan_cycles(uniform_plan(list(MACS), b, first_a_bits=5)) for b in (2, 8))
    return int(c2 + fraction * (c8 - c2))


@pytest.mark.parametrize("fraction", [0.0, 0.03, 0.1, 0.3, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("name", ALLOCATORS)
def test_keeps_the_budget(
    name: str, fraction: float, cost: CostModel, quant_net: QuantNet, digits: Dataset
) -> None:
    budget = budget_at(cost, fraction)
    found = build_allocator(name).allocate(quant_net, digits.search, cost, budget, 0)
    assert list(found.plan.layers) == list(MACS)
    assert found.plan["conv1"].a_bits == 5
    assert cost.plan_cycles(found.plan) <= budget
    told = found.provenance
    assert (told.allocator, told.seed, told.budget_cycles) == (name, 0, budget)
    assert told.plan_cycles == cost.plan_cycles(found.plan)
    assert told.table_cycles == cost.table.cost(found.plan)
    assert told.seconds >= 0 and told.to_dict()["images_seen"] == told.images_seen


@pytest.mark.parametrize("name", ALLOCATORS)
def test_deterministic_by_seed(
    name: str, cost: CostModel, quant_net: QuantNet, digits: Dataset
) -> None:
    budget = budget_at(cost, 0.4)
    plans = [
        build_allocator(name).allocate(quant_net, digits.search, cost, budget, 5).plan
        for _ in range(2)
    ]
    assert plans[0] == plans[1]


@pytest.mark.parametrize("name", ALLOCATORS)
def test_linked_layers_agree(
    name: str, cost: CostModel, quant_net: QuantNet, digits: Dataset, monkeypatch
) -> None:
    links = [("conv1",), ("conv2", "conv3"), ("fc",)]
    monkeypatch.setattr(QuantNet, "links", links)
    found = build_allocator(name).allocate(quant_net, digits.search, cost, budget_at(cost, 0.35), 0)
    assert found.plan["conv2"].a_bits == found.plan["conv3"].a_bits


@pytest.mark.parametrize("name", ALLOCATORS)
def test_the_model_is_not_changed(
    name: str, cost: CostModel, quant_net: QuantNet, digits: Dataset
) -> None:
    before = copy.deepcopy(quant_net.state_dict())
    build_allocator(name).allocate(quant_net, digits.search, cost, budget_at(cost, 0.5), 0)
    assert all(torch.equal(before[k], v) for k, v in quant_net.state_dict().items())


@pytest.mark.parametrize("name", ALLOCATORS)
def test_a_budget_that_nothing_keeps(
    name: str, cost: CostModel, quant_net: QuantNet, digits: Dataset
) -> None:
    with pytest.raises(CapacityError, match=r"the cheapest needs \d+ cycles, the budget has 10;"):
        build_allocator(name).allocate(quant_net, digits.search, cost, 10, 0)


def test_unknown_name() -> None:
    with pytest.raises(UnknownPluginError, match="allocator 'haq'; there is: eagl, uniform"):
        build_allocator("haq")


def test_uniform_is_the_widest_that_fits(
    cost: CostModel, quant_net: QuantNet, digits: Dataset
) -> None:
    for bits in range(2, 9):
        plan = uniform_plan(list(MACS), bits, first_a_bits=5)
        for budget in (cost.plan_cycles(plan), cost.plan_cycles(plan) + 1):
            found = build_allocator("uniform").allocate(quant_net, digits.search, cost, budget, 0)
            assert found.plan == plan


def test_eagl_beats_uniform_in_its_own_measure(
    cost: CostModel, quant_net: QuantNet, digits: Dataset
) -> None:
    gains = {layer.block_name: entropy_gains(layer) for layer in quant_net.chain}

    def total(plan: PrecisionPlan) -> float:
        return sum(gains[name][bits.widest] for name, bits in plan.layers.items())

    budget = budget_at(cost, 0.3)
    plans = {
        name: build_allocator(name).allocate(quant_net, digits.search, cost, budget, 0).plan
        for name in ("eagl", "uniform")
    }
    assert total(plans["eagl"]) > total(plans["uniform"])
    assert len(plans["eagl"].widths) >= 2


def test_entropy_in_bits() -> None:
    assert entropy(np.array([3, 3, 3])) == 0.0
    assert entropy(np.array([0, 1, 2, 3])) == pytest.approx(2.0)
    assert entropy(np.array([0, 0, 0, 1])) == pytest.approx(0.811278, abs=1e-6)


def test_gain_never_falls_and_stops_at_the_trained_width(quant_net: QuantNet) -> None:
    for layer in quant_net.chain:
        gains = entropy_gains(layer)
        assert list(gains) == list(range(1, 9))
        assert all(gains[b] <= gains[b + 1] + 1e-12 for b in range(1, 8))
        codes = layer.weights.codes(layer.linear.weight.detach()).numpy()
        assert gains[8] == pytest.approx(entropy(codes))
        assert gains[2] <= 2.0 and gains[1] <= 1.0


def test_codes_requantized_to_fewer_bits() -> None:
    codes = np.array([-7, -3, 0, 1, 7])
    assert np.array_equal(narrow(codes, 4, trained_bits=4), codes)
    assert np.array_equal(narrow(codes, 8, trained_bits=4), codes)
    assert narrow(codes, 1, trained_bits=4).tolist() == [-1, -1, 1, 1, 1]
    step = 7**0.5  # sqrt(QP 7 / QP 1)
    wanted = [int(np.floor(np.clip(c / step, -2, 1) + 0.5)) for c in codes]
    assert narrow(codes, 2, trained_bits=4).tolist() == wanted == [-2, -1, 0, 0, 1]
