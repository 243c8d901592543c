"""An allocator's search in a study's cell: kept as a step, and what searches cost beside others."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flows.study.cell import SOURCES, Cell
from flows.study.hypotheses import Judged, judged
from flows.study.prices import Prices
from flows.study.statistics import HELD, NOT_HELD
from ir.config import plain
from ir.plan import PrecisionPlan, plan_from_dict
from quant.allocator import Allocation, build_allocator
from quant.budget import Budget
from quant.evaluations import Store
from quant.search_settings import SearchSettings

COST_SOURCES = (*SOURCES, "hw", "codegen", "flows")  # of what a plan costs by the models
CHEAPER = (("eagl", "alps"), ("alps", "haq"))
ORDER_OF_MAGNITUDE = 10


@dataclass(frozen=True, kw_only=True)
class Took:
    """What a search took, as if nobody had searched before; the plan's packed weight_bytes."""

    seconds: float
    evaluations: int
    trainings: int
    weight_bytes: int | None

    @staticmethod
    def of(found: Allocation) -> "Took":
        """From an allocation's provenance."""
        told = found.provenance
        return Took(
            seconds=told.seconds,
            evaluations=told.evaluations,
            trainings=told.trainings,
            weight_bytes=told.plan_bytes,
        )


def allocate(
    cell: Cell,
    prices: Prices,
    allocator: str,
    budget: int,
    settings: SearchSettings,
    store: Store | None = None,
) -> Allocation:
    """An allocator's plan for a budget of cycles, from the cell's base network."""
    return build_allocator(allocator, settings, store).allocate(
        cell.base, cell.data.search, prices.cost, Budget(cycles=budget), cell.seed
    )


def searched(
    cell: Cell,
    prices: Prices,
    allocator: str,
    budget: int,
    settings: SearchSettings,
    store: Store | None = None,
) -> tuple[PrecisionPlan, Took]:
    """The same, kept as a step of the cell; with a store of what others found it is another one."""
    shared = store is not None

    def work() -> dict[str, Any]:
        found = allocate(cell, prices, allocator, budget, settings, store)
        return {"plan": found.plan.to_dict(), "took": asdict(Took.of(found))}

    result = cell.steps.do(
        "search",
        f"{allocator}, {budget} cycles{', shared' if shared else ''}",
        cell.inputs
        | {
            "name": allocator,
            "budget": budget,
            "shared": shared,
            "settings": plain(settings),
            "overlay": plain(prices.overlay),
        },
        work,
        sources=COST_SOURCES,
    )
    return plan_from_dict(result["plan"]), Took(**result["took"])


def cost_hypotheses(seconds: Mapping[str, float], pairs: Sequence[tuple[str, str]]) -> list[Judged]:
    """{allocator: seconds of a search with nothing known before}: whether each pair's first is
    cheaper than its second by an order of magnitude."""
    found = []
    for first, second in pairs:
        if seconds.get(first) and seconds.get(second):
            times = seconds[second] / seconds[first]
            said = f"{first}'s search is orders of magnitude cheaper than {second}'s"
            held = HELD if times >= ORDER_OF_MAGNITUDE else NOT_HELD
            found.append(judged(said, held, f"{times:.3g} times, cache off"))
    return found
