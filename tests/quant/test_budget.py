"""From gains to plans: the table's budget, the exact budget, and what happens between them."""

from collections.abc import Callable

import pytest

from ir.cost import CostEntry, CostModel, CostTable
from ir.errors import CapacityError, ConfigError
from ir.plan import PrecisionPlan
from quant.budget import MAX_SOLVES, fit_budget, group_widths, layer_widths

LINKS = [("conv",), ("fc",)]


def table_of(rows: dict[str, dict[tuple[int, int], int]]) -> CostTable:
    return CostTable(
        {
            layer: {w: CostEntry(cycles=c, provenance="measured") for w, c in row.items()}
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


def test_fixed_input_width_is_kept() -> None:
    assert layer_widths(TABLE, "conv")[3] == (3, 5)
    assert layer_widths(TABLE, "fc")[3] == (3, 3)
    found = fit_budget(bits, cost(), LINKS, 10**6)
    assert found.plan.to_dict() == {
        "conv": {"w_bits": 8, "a_bits": 5},
        "fc": {"w_bits": 8, "a_bits": 8},
    }
    assert (found.solves, found.table_cycles, found.plan_cycles) == (1, 1440, 1440)


def test_budget_is_spent_where_it_gains_most() -> None:
    found = fit_budget(bits, cost(), LINKS, 600)
    assert str(found.plan) == "conv:3x5 fc:5x5"  # 2 and 6 bits gain as much, for 10 cycles more


def test_truth_above_the_table_lowers_the_table_budget() -> None:
    found = fit_budget(bits, cost(lambda plan: TABLE.cost(plan) + 150), LINKS, 600)
    assert found.solves > 1
    assert found.plan_cycles <= 600 and found.table_cycles <= 450


@pytest.mark.parametrize("budget", range(400, 1700, 90))
def test_never_over_budget_even_when_truth_is_erratic(budget: int) -> None:
    def truth(plan: PrecisionPlan) -> int:
        return TABLE.cost(plan) + 37 * sum(b.widest % 3 for b in plan.layers.values())

    found = fit_budget(bits, cost(truth), LINKS, budget)
    assert found.plan_cycles == truth(found.plan) <= budget
    assert found.solves <= MAX_SOLVES


def test_uniform_stands_in_when_the_knapsack_never_fits() -> None:
    """A model in which every mixed plan is dear: only uniform ones keep the budget."""

    def truth(plan: PrecisionPlan) -> int:
        mixed = len({layer.widest for layer in plan.layers.values()}) > 1
        return 10**6 if mixed else TABLE.cost(plan)

    found = fit_budget(bits, cost(truth), LINKS, 700)
    assert found.solves == 0
    assert str(found.plan) == "conv:4x5 fc:4x4"


def test_a_budget_that_nothing_keeps() -> None:
    with pytest.raises(CapacityError, match="cheapest needs 240 cycles, the budget has 239"):
        fit_budget(bits, cost(), LINKS, 239)
    assert fit_budget(bits, cost(), LINKS, 240).plan_cycles == 240


def test_linked_layers_are_one_item() -> None:
    rows = {
        "a": {(b, 4): b for b in (2, 3, 4)},
        "left": {(b, b): 10 * b for b in (2, 4, 8)},
        "right": {(b, b): 20 * b for b in (2, 3, 4, 8)},
    }
    table = table_of(rows)
    links = [("a",), ("left", "right")]
    assert group_widths(table, links) == [[2, 3, 4], [2, 4, 8]]
    found = fit_budget(bits, CostModel(table=table, plan_cycles=table.cost), links, 130)
    assert found.plan["left"].pair == found.plan["right"].pair == (4, 4)
    assert list(found.plan.layers) == ["a", "left", "right"]


def test_tables_that_do_not_fit_the_network() -> None:
    with pytest.raises(ConfigError, match="the cost table's layers are not the network's"):
        group_widths(TABLE, [("conv",)])
    with pytest.raises(ConfigError, match="no entry with w = a for layer 'x'"):
        layer_widths(table_of({"x": {(2, 3): 1, (3, 2): 1}}), "x")
    apart = table_of({"a": {(2, 2): 1, (3, 3): 1}, "b": {(4, 4): 1, (5, 5): 1}})
    with pytest.raises(ConfigError, match="linked layers a, b have no width in common"):
        group_widths(apart, [("a", "b")])
