"""From gains per layer and width to a plan that keeps a budget of cycles.

The knapsack sees the cost table; the truth is the exact model of the whole plan. When a plan's
truth exceeds the budget, the table's budget is lowered by the excess and the knapsack solved
again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ir.cost import CostModel, CostTable, Widths
from ir.errors import CapacityError, ConfigError, shorten
from ir.plan import LayerBits, PrecisionPlan
from quant.knapsack import Option, solve

MAX_SOLVES = 8

Links = Sequence[tuple[str, ...]]
Gain = Callable[[str, int], float]  # (layer, width) -> gain, any unit


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A plan within the budget; solves: how many knapsacks it took (0: no solve gave it)."""

    plan: PrecisionPlan
    table_cycles: int
    plan_cycles: int
    solves: int


def layer_widths(table: CostTable, layer: str) -> dict[int, Widths]:
    """{one number per layer: (w_bits, a_bits)}: w = a, except where the input's width is fixed.

    A layer that the table prices at one a_bits alone reads an input of fixed width.
    """
    choices = table.choices(layer)
    fixed = len({a_bits for _, a_bits in choices}) == 1
    found = {w: (w, a) for w, a in choices if fixed or w == a}
    if not found:
        raise ConfigError(f"the cost table has no entry with w = a for layer {shorten(layer)}")
    return found


def group_widths(table: CostTable, links: Links) -> list[list[int]]:
    """The numbers that every layer of a group can have, ascending, for each group."""
    if sorted(name for group in links for name in group) != sorted(table.layers):
        raise ConfigError("the cost table's layers are not the network's")
    groups = []
    for group in links:
        shared = set.intersection(*(set(layer_widths(table, name)) for name in group))
        if not shared:
            raise ConfigError(f"linked layers {', '.join(group)} have no width in common")
        groups.append(sorted(shared))
    return groups


def plan_of(table: CostTable, links: Links, numbers: Sequence[int]) -> PrecisionPlan:
    """One number per group -> the plan, layers in the table's order."""
    number = {name: n for group, n in zip(links, numbers, strict=True) for name in group}
    pairs = {name: layer_widths(table, name)[number[name]] for name in table.layers}
    return PrecisionPlan({name: LayerBits(w_bits=w, a_bits=a) for name, (w, a) in pairs.items()})


def uniform_numbers(widths: Sequence[Sequence[int]]) -> list[list[int]]:
    """One number for every group, wherever all of them can have it, ascending."""
    shared = set.intersection(*(set(group) for group in widths))
    return [[number] * len(widths) for number in sorted(shared)]


def fit_budget(gain: Gain, cost: CostModel, links: Links, budget: int) -> Fitted:
    """The plan of greatest summed gain whose exact cycles keep the budget.

    After `MAX_SOLVES` knapsacks the best uniform or cheapest plan stands in. CapacityError when not
    even the cheapest plan fits.
    """
    table, widths = cost.table, group_widths(cost.table, links)
    options = [
        [
            Option(
                gain=sum(gain(name, number) for name in group),
                cycles=sum(table.cycles(name, layer_widths(table, name)[number]) for name in group),
            )
            for number in numbers
        ]
        for group, numbers in zip(links, widths, strict=True)
    ]
    table_budget = budget
    for solves in range(1, MAX_SOLVES + 1):
        chosen = solve(options, table_budget)
        if chosen is None:
            break
        numbers = [group[index] for group, index in zip(widths, chosen, strict=True)]
        fitted = measured(plan_of(table, links, numbers), cost, solves)
        excess = fitted.plan_cycles - budget
        if excess <= 0:
            return fitted
        # Below the plan's own sum too, or a loose table budget would give the same plan again.
        table_budget = min(table_budget - excess, fitted.table_cycles - 1)
    return fallback(gain, cost, links, budget)


def fallback(gain: Gain, cost: CostModel, links: Links, budget: int) -> Fitted:
    """The uniform or cheapest plan of greatest gain within the budget, or CapacityError."""
    widths = group_widths(cost.table, links)
    candidates = [[group[0] for group in widths], *uniform_numbers(widths)]
    plans = [(numbers, plan_of(cost.table, links, numbers)) for numbers in candidates]
    priced = [(numbers, measured(plan, cost, 0)) for numbers, plan in plans]
    fitting = [(numbers, fitted) for numbers, fitted in priced if fitted.plan_cycles <= budget]
    if not fitting:
        needs = min(fitted.plan_cycles for _, fitted in priced)
        raise CapacityError(
            f"no plan keeps the cycle budget: the cheapest needs {needs} cycles, the budget has "
            f"{budget}; raise cycle_budget, allow narrower widths, or take a larger overlay"
        )

    def total(numbers: Sequence[int]) -> float:
        named = zip(links, numbers, strict=True)
        return sum(gain(name, number) for group, number in named for name in group)

    return max(fitting, key=lambda pair: (total(pair[0]), -pair[1].plan_cycles))[1]


def measured(plan: PrecisionPlan, cost: CostModel, solves: int) -> Fitted:
    """The plan with its table sum and its exact cycles."""
    return Fitted(
        plan=plan,
        table_cycles=cost.table.cost(plan),
        plan_cycles=cost.plan_cycles(plan),
        solves=solves,
    )
