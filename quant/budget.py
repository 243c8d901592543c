"""A budget of cycles, of bytes of packed weights, or of both, and what a plan takes of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ir.cost import CostModel, Widths
from ir.errors import CapacityError, ConfigError, shorten
from ir.plan import PrecisionPlan


@dataclass(frozen=True, kw_only=True)
class Budget:
    """At most so many cycles an image, and so many bytes of packed weights; None: no limit."""

    cycles: int | None = None
    weight_bytes: int | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise ConfigError(f"budget: {name} must be an integer, not {shorten(value)}")
        if self.cycles is None and self.weight_bytes is None:
            raise ConfigError("a budget needs cycles, weight_bytes, or both")

    def limits(self, cost: CostModel) -> "list[Limit]":
        """What must be kept; ConfigError when bytes are limited and nothing prices them."""
        found = []
        if self.cycles is not None:
            found.append(
                Limit(
                    unit="cycles",
                    most=self.cycles,
                    of_layer=cost.table.cycles,
                    of_plan=cost.plan_cycles,
                    remedy="raise cycle_budget, allow narrower widths, or take a larger overlay",
                )
            )
        if self.weight_bytes is not None:
            if cost.plan_bytes is None:
                raise ConfigError("a budget of weight_bytes needs a cost model with plan_bytes")
            found.append(
                Limit(
                    unit="bytes",
                    most=self.weight_bytes,
                    of_layer=cost.table.weight_bytes,
                    of_plan=cost.plan_bytes,
                    remedy="raise byte_budget or allow narrower widths",
                )
            )
        return found


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One of a budget's limits: what a layer takes by the table, and a whole plan in truth."""

    unit: str
    most: int
    of_layer: Callable[[str, Widths], int]
    of_plan: Callable[[PrecisionPlan], int]
    remedy: str


def excess(plan: PrecisionPlan, limits: Sequence[Limit]) -> list[int]:
    """What the plan takes of each limit beyond it; negative: what is left."""
    return [limit.of_plan(plan) - limit.most for limit in limits]


def keeps(plan: PrecisionPlan, limits: Sequence[Limit]) -> bool:
    """Whether the plan is within every limit."""
    return all(limit.of_plan(plan) <= limit.most for limit in limits)


def too_small(cheapest: Sequence[PrecisionPlan], limits: Sequence[Limit]) -> CapacityError:
    """The error that no plan keeps the budget; cheapest: plans that were tried."""
    lines = []
    for limit in limits:
        needs = min(limit.of_plan(plan) for plan in cheapest)
        if needs > limit.most or len(limits) == 1:
            lines.append(
                f"no plan keeps the budget of {limit.unit}: the cheapest needs {needs} "
                f"{limit.unit}, the budget has {limit.most}; {limit.remedy}"
            )
    return CapacityError("; ".join(lines) or "no plan keeps all limits of the budget at once")
