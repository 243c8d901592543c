"""From gains per layer and width to a plan that keeps a budget.

The knapsack sees the cost table; the truth is the exact model of the whole plan. When a plan's
truth exceeds the budget, the table's budget is lowered by the excess and the knapsack solved
again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ir.cost import CostModel
from ir.plan import PrecisionPlan
from quant.budget import Budget, Limit, excess, keeps, too_small
from quant.knapsack import Option, solve
from quant.plan_space import Numbers, PlanSpace

MAX_SOLVES = 8

Gain = Callable[[str, int], float]  # (layer, width) -> gain, any unit


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A plan within the budget. solves: how many knapsacks it took (0: no solve gave it).

    table_cycles: None where the table has no entry for a layer; weight_bytes: None where the cost
    model does not price bytes.
    """

    plan: PrecisionPlan
    table_cycles: int | None
    plan_cycles: int
    weight_bytes: int | None
    solves: int = 0


def fit_budget(gain: Gain, space: PlanSpace, cost: CostModel, budget: Budget) -> Fitted:
    """The plan of greatest summed gain whose exact cost keeps the budget.

    After `MAX_SOLVES` knapsacks the best uniform or cheapest plan stands in. CapacityError when not
    even the cheapest plan fits.
    """
    limits = budget.limits(cost)
    options = _options(gain, space, limits)
    allowed = [limit.most for limit in limits]
    for solves in range(1, MAX_SOLVES + 1):
        chosen = solve(options, allowed)
        if chosen is None:
            break
        plan = space.plan([row[i] for row, i in zip(space.widths, chosen, strict=True)])
        beyond = excess(plan, limits)
        if max(beyond) <= 0:
            return priced(plan, cost, solves)
        sums = [
            sum(o[i].costs[k] for o, i in zip(options, chosen, strict=True)) for k in _of(limits)
        ]
        # Below the plan's own sum too, or a loose table budget would give the same plan again.
        allowed = [
            min(most - over, total - 1) if over > 0 else most
            for most, over, total in zip(allowed, beyond, sums, strict=True)
        ]
    return fallback(gain, space, cost, budget)


def fallback(gain: Gain, space: PlanSpace, cost: CostModel, budget: Budget) -> Fitted:
    """The uniform or cheapest plan of greatest gain within the budget, or CapacityError."""
    limits = budget.limits(cost)
    candidates = [space.cheapest, *space.uniform()]
    fitting = [numbers for numbers in candidates if keeps(space.plan(numbers), limits)]
    if not fitting:
        raise too_small([space.plan(numbers) for numbers in candidates], limits)

    def worth(numbers: Numbers) -> tuple[float, int]:
        return total_gain(gain, space, numbers), -limits[0].of_plan(space.plan(numbers))

    return priced(space.plan(max(fitting, key=worth)), cost)


def first_within(
    candidates: Iterable[Numbers], space: PlanSpace, cost: CostModel, budget: Budget
) -> Fitted:
    """The first candidate that keeps the budget; where none does, what `fallback` finds."""
    limits = budget.limits(cost)
    for numbers in candidates:
        plan = space.plan(numbers)
        if keeps(plan, limits):
            return priced(plan, cost)
    return fallback(lambda _, width: float(width), space, cost, budget)


def total_gain(gain: Gain, space: PlanSpace, numbers: Sequence[int]) -> float:
    """The summed gain of all layers."""
    named = zip(space.groups, numbers, strict=True)
    return sum(gain(name, number) for group, number in named for name in group)


def priced(plan: PrecisionPlan, cost: CostModel, solves: int = 0) -> Fitted:
    """The plan with its table sum and its exact cost."""
    return Fitted(
        plan=plan,
        table_cycles=cost.table.cost(plan) if cost.table.prices(plan) else None,
        plan_cycles=cost.plan_cycles(plan),
        weight_bytes=None if cost.plan_bytes is None else cost.plan_bytes(plan),
        solves=solves,
    )


def _options(gain: Gain, space: PlanSpace, limits: Sequence[Limit]) -> list[list[Option]]:
    """Groups of linked layers are one item: their gains and costs are summed."""

    def option(group: Sequence[str], number: int) -> Option:
        return Option(
            gain=sum(gain(name, number) for name in group),
            costs=tuple(
                sum(limit.of_layer(name, space.layers[name][number]) for name in group)
                for limit in limits
            ),
        )

    pairs = zip(space.groups, space.widths, strict=True)
    return [[option(group, number) for number in numbers] for group, numbers in pairs]


def _of(limits: Sequence[Limit]) -> range:
    return range(len(limits))
