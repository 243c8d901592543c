"""HAQ and AutoQ as wholes, on a made-up overlay and evaluations without training."""

from dataclasses import replace

import numpy as np
import pytest

from ir.errors import ConfigError
from ir.plan import PrecisionPlan
from quant.allocator import Allocation, build_allocator
from quant.budget import Budget
from quant.data import Dataset
from quant.evaluations import Evaluations, Store
from quant.layers import QuantNet
from quant.plan_space import PlanSpace
from quant.rl.kernels import kernel_layers
from quant.search_settings import Extrinsic
from tests.quant.toy_cost import COST, QUICK, budget_at, plan_at

EPISODES = replace(QUICK, episodes=8, warmup=5)


@pytest.fixture(scope="module")
def store() -> Store:
    return {}


def search(
    name: str, net: QuantNet, data: Dataset, store: Store, fraction: float, wanted: Extrinsic
) -> Allocation:
    settings = replace(EPISODES, extrinsic=wanted)
    return build_allocator(name, settings, store).allocate(
        net, data.search, COST, Budget(cycles=budget_at(fraction)), 3
    )


@pytest.mark.parametrize("name", ["haq", "autoq"])
def test_the_best_plan_seen_is_taken(
    name: str, quant_net: QuantNet, digits: Dataset, store: Store
) -> None:
    """No plan within the budget that the search asked for is more accurate."""
    own: Store = {}
    found = search(name, quant_net, digits, own, 0.6, Extrinsic())
    kept = {p: e for (p, _, _), e in own.items() if COST.plan_cycles(p) <= budget_at(0.6)}
    best = max(e.accuracy for e in kept.values())
    assert kept[found.plan].accuracy == best
    assert found.provenance.evaluations == 8 + 2  # the episodes, the widest and a safe plan


def test_autoq_orders_the_bits_of_kernels_by_variance(quant_net: QuantNet, digits: Dataset) -> None:
    own: Store = {}
    search("autoq", quant_net, digits, own, 0.9, Extrinsic())
    layers = kernel_layers(quant_net, PlanSpace(COST.table, quant_net.links))
    mixed = 0
    for plan, _, _ in own:
        for layer in layers:
            w_bits = plan[layer.name].w_bits
            if isinstance(w_bits, tuple):
                mixed += 1
                assert (np.diff(np.array(w_bits)[layer.order]) <= 0).all()
        assert isinstance(plan["fc"].w_bits, int)
    assert mixed > 5 and any(0 in _widths(plan) for plan, _, _ in own)


def test_accuracy_mode_takes_the_cheapest_that_loses_little(
    quant_net: QuantNet, digits: Dataset
) -> None:
    own: Store = {}
    wanted = Extrinsic(mode="accuracy", psi_latency=1, tolerance=0.9)
    found = search("autoq", quant_net, digits, own, 0.7, wanted)
    base = Evaluations(quant_net, digits.search, EPISODES, 3, own)(plan_at(8)).accuracy
    good = {
        p: e.accuracy
        for (p, _, _), e in own.items()
        if COST.plan_cycles(p) <= budget_at(0.7) and e.accuracy >= base - 0.9
    }

    def reward(plan: PrecisionPlan) -> float:
        return np.log(good[plan]) - np.log(COST.plan_cycles(plan))

    assert found.plan == max(good, key=reward)
    dear = [p for p, _, _ in own if COST.plan_cycles(p) > budget_at(0.7)]
    assert len(dear) > 1  # nothing is narrowed: the search looks beyond the budget


def test_autoq_by_layer_gives_every_layer_one_width(quant_net: QuantNet, digits: Dataset) -> None:
    own: Store = {}
    settings = replace(EPISODES, granularity="layer")
    build_allocator("autoq", settings, own).allocate(
        quant_net, digits.search, COST, Budget(cycles=budget_at(0.7)), 3
    )
    rows = [bits for plan, _, _ in own for bits in plan.layers.values()]
    assert all(isinstance(bits.w_bits, int) for bits in rows)
    assert any(bits.w_bits != bits.a_bits for bits in rows)
    with pytest.raises(ConfigError, match="granularity must be kernel or layer, not 'row'"):
        replace(EPISODES, granularity="row")


def _widths(plan: PrecisionPlan) -> set[int]:
    rows = [bits.w_bits for bits in plan.layers.values()]
    return {w for row in rows for w in (row if isinstance(row, tuple) else (row,))}
