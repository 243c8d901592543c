"""From gains to plans: the table's budget, the exact budget, and what happens between them."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from ir.cost import CostEntry, CostModel, CostTable
from ir.errors import CapacityError, ConfigError
from ir.plan import PrecisionPlan
from quant.budget import Budget
from quant.fit import MAX_SOLVES, Fitted, fit_budget, total_gain
from quant.plan_space import Links, PlanSpace, layer_widths

LINKS = [("conv",), ("fc",)]


def table_of(rows: dict[str, dict[tuple[int, int], int]]) -> CostTable:
    """Weight bytes: ten for each bit of the weights."""
    return CostTable(
        {
            layer: {
                w: CostEntry(cycles=c, provenance="measured", weight_bytes=10 * w[0])
                for w, c in row.items()
            }
            for layer, row in rows.items()
        }
    )


TABLE = table_of(
    {
        "conv": {(b, 5): 100 * b for b in range(2, 9)},
        "fc": {(b, b): 10 * b * b for b in range(2, 9)},
    }
)


def cost(truth: Callable[[PrecisionPlan], int] | None = None) -> CostModel:
    return CostModel(table=TABLE, plan_cycles=truth or TABLE.cost)


def bits(_: str, width: int) -> float:
    return float(width)


def fit(model: CostModel, cycles: int, links: Links = LINKS) -> Fitted:
    return fit_budget(bits, PlanSpace(model.table, links), model, Budget(cycles=cycles))


def test_fixed_input_width_is_kept() -> None:
    assert layer_widths(TABLE, "conv")[3] == (3, 5)
    assert layer_widths(TABLE, "fc")[3] == (3, 3)
    found = fit(cost(), 10**6)
    assert found.plan.to_dict() == {
        "conv": {"w_bits": 8, "a_bits": 5},
        "fc": {"w_bits": 8, "a_bits": 8},
    }
    assert (found.solves, found.table_cycles, found.plan_cycles) == (1, 1440, 1440)


def test_budget_is_spent_where_it_gains_most() -> None:
    found = fit(cost(), 600)
    assert str(found.plan) == "conv:3x5 fc:5x5"  # 2 and 6 bits gain as much, for 10 cycles more


def test_truth_above_the_table_lowers_the_table_budget() -> None:
    found = fit(cost(lambda plan: TABLE.cost(plan) + 150), 600)
    assert found.solves > 1
    assert found.plan_cycles <= 600 and TABLE.cost(found.plan) <= 450


@pytest.mark.parametrize("budget", range(400, 1700, 90))
def test_never_over_budget_even_when_truth_is_erratic(budget: int) -> None:
    def truth(plan: PrecisionPlan) -> int:
        return TABLE.cost(plan) + 37 * sum(b.widest % 3 for b in plan.layers.values())

    found = fit(cost(truth), budget)
    assert found.plan_cycles == truth(found.plan) <= budget
    assert found.solves <= MAX_SOLVES


def test_uniform_stands_in_when_the_knapsack_never_fits() -> None:
    """A model in which every mixed plan is dear: only uniform ones keep the budget."""

    def truth(plan: PrecisionPlan) -> int:
        mixed = len({layer.widest for layer in plan.layers.values()}) > 1
        return 10**6 if mixed else TABLE.cost(plan)

    found = fit(cost(truth), 700)
    assert found.solves == 0
    assert str(found.plan) == "conv:4x5 fc:4x4"


def test_a_budget_that_nothing_keeps() -> None:
    with pytest.raises(CapacityError, match="cheapest needs 240 cycles, the budget has 239"):
        fit(cost(), 239)
    assert fit(cost(), 240).plan_cycles == 240


def test_linked_layers_are_one_item() -> None:
    rows = {
        "a": {(b, 4): b for b in (2, 3, 4)},
        "left": {(b, b): 10 * b for b in (2, 4, 8)},
        "right": {(b, b): 20 * b for b in (2, 3, 4, 8)},
    }
    table = table_of(rows)
    links = [("a",), ("left", "right")]
    space = PlanSpace(table, links)
    assert space.widths == [[2, 3, 4], [2, 4, 8]]
    assert (space.cheapest, space.widest, space.size) == ((2, 2), (4, 8), 9)
    assert space.uniform() == [(2, 2), (4, 4)]
    assert space.narrower((4, 8), 1) == (4, 4) and space.narrower((2, 4), 0) is None
    found = fit(CostModel(table=table, plan_cycles=table.cost), 130, links)
    assert found.plan["left"].pair == found.plan["right"].pair == (4, 4)
    assert list(found.plan.layers) == ["a", "left", "right"]


def random_space(rng: np.random.Generator) -> PlanSpace:
    """Five layers, the second and fourth linked, of any widths and prices."""
    entries = {}
    for index in range(5):
        widths = sorted(rng.choice(np.arange(1, 9), size=4, replace=False).tolist() + [2])
        entries[f"l{index}"] = {
            (b, b): CostEntry(
                cycles=int(rng.integers(1, 90)),
                provenance="measured",
                weight_bytes=int(rng.integers(1, 50)),
            )
            for b in widths
        }
    return PlanSpace(CostTable(entries), [("l0",), ("l1", "l3"), ("l2",), ("l4",)])


@pytest.mark.parametrize("seed", range(12))
def test_equals_the_exhaustive_search_over_plans_with_links_and_bytes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    space = random_space(rng)
    gains = {(n, b): float(rng.random()) for n in space.layers for b in range(1, 9)}

    def gain(layer: str, width: int) -> float:
        return gains[layer, width]

    def packed(plan: PrecisionPlan) -> int:
        return sum(space.table.weight_bytes(n, b.pair) for n, b in plan.layers.items())

    model = CostModel(table=space.table, plan_cycles=space.table.cost, plan_bytes=packed)
    plans = {numbers: space.plan(numbers) for numbers in product(*space.widths)}
    for budget in (
        Budget(cycles=int(rng.integers(120, 260))),
        Budget(weight_bytes=int(rng.integers(90, 150))),
        Budget(cycles=int(rng.integers(150, 300)), weight_bytes=int(rng.integers(110, 180))),
    ):
        kept = [
            total_gain(gain, space, numbers)
            for numbers, plan in plans.items()
            if model.plan_cycles(plan) <= (budget.cycles or 10**9)
            and packed(plan) <= (budget.weight_bytes or 10**9)
        ]
        if not kept:
            with pytest.raises(CapacityError, match="budget"):
                fit_budget(gain, space, model, budget)
            continue
        found = fit_budget(gain, space, model, budget)
        width = [found.plan[group[0]].widest for group in space.groups]
        assert total_gain(gain, space, width) == pytest.approx(max(kept))
        assert found.weight_bytes == packed(found.plan)


def test_bytes_beside_cycles() -> None:
    def packed(plan: PrecisionPlan) -> int:
        return sum(10 * bits.widest for bits in plan.layers.values()) + 3

    model = CostModel(table=TABLE, plan_cycles=TABLE.cost, plan_bytes=packed)
    space = PlanSpace(TABLE, LINKS)
    found = fit_budget(bits, space, model, Budget(cycles=1440, weight_bytes=100))
    assert packed(found.plan) == found.weight_bytes == 93 and found.plan_cycles <= 1440
    with pytest.raises(
        CapacityError, match="the cheapest needs 43 bytes, the budget has 42; raise"
    ):
        fit_budget(bits, space, model, Budget(cycles=1440, weight_bytes=42))


def test_budgets_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="a budget needs cycles, weight_bytes, or both"):
        Budget()
    with pytest.raises(ConfigError, match="budget: cycles must be an integer, not 0.5"):
        Budget(cycles=0.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="weight_bytes needs a cost model with plan_bytes"):
        fit_budget(bits, PlanSpace(TABLE, LINKS), cost(), Budget(weight_bytes=100))
    bare = CostTable({"x": {(2, 2): CostEntry(cycles=1, provenance="measured")}})
    with pytest.raises(ConfigError, match=r"no weight_bytes for 'x' at \(2, 2\)"):
        bare.weight_bytes("x", (2, 2))


def test_tables_that_do_not_fit_the_network() -> None:
    with pytest.raises(ConfigError, match="the cost table's layers are not the network's"):
        PlanSpace(TABLE, [("conv",)])
    with pytest.raises(ConfigError, match="no entry with w = a for layer 'x'"):
        layer_widths(table_of({"x": {(2, 3): 1, (3, 2): 1}}), "x")
    apart = table_of({"a": {(2, 2): 1, (3, 3): 1}, "b": {(4, 4): 1, (5, 5): 1}})
    with pytest.raises(ConfigError, match="linked layers a, b have no width in common"):
        _ = PlanSpace(apart, [("a", "b")]).widths
