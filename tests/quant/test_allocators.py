"""Conformance: what every allocator promises, over the names found; then the baselines' own."""

import copy
from itertools import product

import pytest
import torch

from ir import plugins
from ir.errors import CapacityError, UnknownPluginError
from ir.plan import PrecisionPlan
from quant.allocator import FOLDER, Allocation, build_allocator
from quant.allocators.greedy_bops import bit_operations, narrowing
from quant.budget import Budget
from quant.data import Dataset
from quant.evaluations import Evaluations, Store
from quant.layers import QuantNet
from quant.macs import layer_macs
from quant.plan_space import PlanSpace
from tests.quant.toy_cost import COST, MACS, QUICK, WIDTHS, budget_at, cost_of, plan_at

ALLOCATORS = plugins.names(FOLDER)


@pytest.fixture(scope="module")
def store() -> Store:
    """Evaluations that all allocators of this file share."""
    return {}


@pytest.mark.parametrize("fraction", [0.0, 0.03, 0.3, 0.7, 2.0])
@pytest.mark.parametrize("name", ALLOCATORS)
def test_keeps_the_budget(
    name: str, fraction: float, quant_net: QuantNet, digits: Dataset, store: Store
) -> None:
    budget = budget_at(fraction)
    found = build_allocator(name, QUICK, store).allocate(
        quant_net, digits.search, COST, Budget(cycles=budget), 0
    )
    assert list(found.plan.layers) == list(MACS)
    assert found.plan["conv1"].a_bits == 5
    assert COST.plan_cycles(found.plan) <= budget
    told = found.provenance
    assert (told.allocator, told.seed, told.budget_cycles) == (name, 0, budget)
    assert told.plan_cycles == COST.plan_cycles(found.plan)
    if COST.table.prices(found.plan):
        assert told.table_cycles == COST.table.cost(found.plan)
    assert told.seconds >= 0 and told.to_dict()["images_seen"] == told.images_seen
    assert told.trainings <= told.evaluations


@pytest.mark.parametrize("name", ALLOCATORS)
def test_keeps_both_budgets(name: str, quant_net: QuantNet, digits: Dataset, store: Store) -> None:
    assert COST.plan_bytes is not None
    allocator = build_allocator(name, QUICK, store)
    for cycle_share, byte_share in ((0.9, 0.2), (0.2, 0.9), (0.4, 0.4)):
        least, most = (COST.plan_bytes(plan_at(bits)) for bits in (2, 8))
        size = int(least + byte_share * (most - least))
        budget = Budget(cycles=budget_at(cycle_share), weight_bytes=size)
        found = allocator.allocate(quant_net, digits.search, COST, budget, 0)
        assert COST.plan_cycles(found.plan) <= budget_at(cycle_share)
        assert found.provenance.plan_bytes == COST.plan_bytes(found.plan) <= size
        assert found.provenance.budget_bytes == size


@pytest.mark.parametrize("name", ALLOCATORS)
def test_deterministic_by_seed(name: str, quant_net: QuantNet, digits: Dataset) -> None:
    """From nothing known twice; the second search is charged no less than the first."""
    found: list[Allocation] = [
        build_allocator(name, QUICK).allocate(
            quant_net, digits.search, COST, Budget(cycles=budget_at(0.4)), 5
        )
        for _ in range(2)
    ]
    assert found[0].plan == found[1].plan
    first, second = (f.provenance for f in found)
    assert first.evaluations == second.evaluations
    assert (first.trainings, first.images_seen) == (second.trainings, second.images_seen)


@pytest.mark.parametrize("name", ALLOCATORS)
def test_linked_layers_agree(
    name: str, quant_net: QuantNet, digits: Dataset, store: Store, monkeypatch
) -> None:
    links = [("conv1",), ("conv2", "conv3"), ("fc",)]
    monkeypatch.setattr(QuantNet, "links", links)
    found = build_allocator(name, QUICK, store).allocate(
        quant_net, digits.search, COST, Budget(cycles=budget_at(0.35)), 0
    )
    assert found.plan["conv2"].a_bits == found.plan["conv3"].a_bits


@pytest.mark.parametrize("name", ALLOCATORS)
def test_the_model_is_not_changed(
    name: str, quant_net: QuantNet, digits: Dataset, store: Store
) -> None:
    before = copy.deepcopy(quant_net.state_dict())
    build_allocator(name, QUICK, store).allocate(
        quant_net, digits.search, COST, Budget(cycles=budget_at(0.5)), 0
    )
    assert all(torch.equal(before[k], v) for k, v in quant_net.state_dict().items())
    assert not quant_net.training
    assert all(parameter.grad is None for parameter in quant_net.parameters())


@pytest.mark.parametrize("name", ALLOCATORS)
def test_a_budget_that_nothing_keeps(
    name: str, quant_net: QuantNet, digits: Dataset, store: Store
) -> None:
    with pytest.raises(CapacityError, match=r"the cheapest needs \d+ cycles, the budget has 10;"):
        build_allocator(name, QUICK, store).allocate(
            quant_net, digits.search, COST, Budget(cycles=10), 0
        )


@pytest.mark.parametrize("name", [n for n in ALLOCATORS if n != "exhaustive"])
def test_choices_of_one_to_eight_bits(
    name: str, quant_net: QuantNet, digits: Dataset, store: Store
) -> None:
    cost = cost_of(tuple(range(1, 9)))
    budget = budget_at(0.25)
    found = build_allocator(name, QUICK, store).allocate(
        quant_net, digits.search, cost, Budget(cycles=budget), 0
    )
    assert cost.plan_cycles(found.plan) <= budget
    if all(isinstance(bits.w_bits, int) for bits in found.plan.layers.values()):
        assert all(bits.w_bits == bits.a_bits for bits in list(found.plan.layers.values())[1:])


def test_unknown_name() -> None:
    with pytest.raises(UnknownPluginError, match=r"allocator 'haqq'.*there is: .*eagl.*uniform"):
        build_allocator("haqq")


def allocate(name: str, net: QuantNet, data: Dataset, cycles: int, store: Store) -> PrecisionPlan:
    allocator = build_allocator(name, QUICK, store)
    return allocator.allocate(net, data.search, COST, Budget(cycles=cycles), 0).plan


def test_uniform_is_the_widest_that_fits(
    quant_net: QuantNet, digits: Dataset, store: Store
) -> None:
    for bits in WIDTHS:
        plan = plan_at(bits)
        for spare in (0, 1):
            budget = COST.plan_cycles(plan) + spare
            assert allocate("uniform", quant_net, digits, budget, store) == plan


def test_exhaustive_is_the_best_of_all_that_fit(
    quant_net: QuantNet, digits: Dataset, store: Store
) -> None:
    budget = budget_at(0.2)
    space = PlanSpace(COST.table, quant_net.links)
    judge = Evaluations(quant_net, digits.search, QUICK, 0, store)
    plans = [space.plan(numbers) for numbers in product(WIDTHS, repeat=4)]
    losses = {p: judge(p).nll for p in plans if COST.plan_cycles(p) <= budget}
    chosen = allocate("exhaustive", quant_net, digits, budget, store)
    assert len(losses) > 10 and losses[chosen] == min(losses.values())


def test_exhaustive_refuses_what_it_cannot_finish(quant_net: QuantNet, digits: Dataset) -> None:
    cost = cost_of(tuple(range(1, 9)))
    assert PlanSpace(cost.table, quant_net.links).size == 4096
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("quant.allocators.exhaustive.MOST_PLANS", 4095)
        with pytest.raises(CapacityError, match="needs 4096 plans, at most 4095 are evaluated"):
            build_allocator("exhaustive", QUICK).allocate(
                quant_net, digits.search, cost, Budget(cycles=10**6), 0
            )


def test_greedy_by_bit_operations_narrows_the_largest_product(quant_net: QuantNet) -> None:
    macs = layer_macs(quant_net)
    assert macs == MACS
    space = PlanSpace(COST.table, quant_net.links)
    path = list(narrowing(space, macs))
    assert path[:4] == [(8, 8, 8, 8), (8, 8, 4, 8), (8, 4, 4, 8), (8, 4, 2, 8)]
    assert path[-1] == space.cheapest and len(path) == 9
    falling = [bit_operations(space, macs, numbers) for numbers in path]
    assert falling == sorted(falling, reverse=True)
    assert falling[0] == 2304 * 8 * 5 + (4608 + 9216 + 1280) * 64


def test_random_differs_by_seed_and_spends_the_budget(quant_net: QuantNet, digits: Dataset) -> None:
    budget = budget_at(0.3)
    plans = {
        build_allocator("random")
        .allocate(quant_net, digits.search, COST, Budget(cycles=budget), seed)
        .plan
        for seed in range(8)
    }
    assert len(plans) >= 3
    for plan in plans:  # no group can be widened
        space = PlanSpace(COST.table, quant_net.links)
        numbers = [plan[group[0]].widest for group in space.groups]
        for place, width in enumerate(numbers):
            wider = [w for w in WIDTHS if w > width]
            if wider:
                more = space.plan([*numbers[:place], wider[0], *numbers[place + 1 :]])
                assert COST.table.cost(more) > budget * 100 // 103 - 40
