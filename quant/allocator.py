"""What every allocator is: it gives each layer its bits, under a budget.

A file in `quant/allocators/` with one public subclass of `Allocator` *is* the registration.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property

from ir import plugins
from ir.cost import CostModel
from ir.plan import PrecisionPlan
from quant.budget import Budget
from quant.data import SearchData
from quant.evaluations import Evaluations, Store
from quant.fit import Fitted
from quant.layers import QuantNet
from quant.plan_space import PlanSpace
from quant.search_settings import SearchSettings

FOLDER = "quant/allocators"


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a plan comes from and what finding it took, as if nobody had searched before.

    evaluations: networks asked for, trainings: different ones among them; images_seen: training
    images, counted once per pass; solves: how often the table's budget was set; table_cycles: the
    table's sum, None where it lacks an entry; plan_cycles, plan_bytes: the exact models, bytes of
    packed weights.
    """

    allocator: str
    seed: int
    seconds: float
    evaluations: int
    trainings: int
    images_seen: int
    solves: int
    budget_cycles: int | None
    budget_bytes: int | None
    table_cycles: int | None
    plan_cycles: int
    plan_bytes: int | None

    def to_dict(self) -> dict[str, str | int | float | None]:
        """JSON form."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """A plan and its provenance; the plan's exact cost never exceeds the budget."""

    plan: PrecisionPlan
    provenance: Provenance


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """What an allocator is asked. model: trained and quantized, not to be changed."""

    model: QuantNet
    data: SearchData
    cost: CostModel
    budget: Budget
    seed: int
    settings: SearchSettings
    judge: Evaluations

    @cached_property
    def space(self) -> PlanSpace:
        """The plans of one number per group of linked layers."""
        return PlanSpace(self.cost.table, self.model.links)


class Allocator(ABC):
    """Chooses a plan. Deterministic by seed; linked layers agree; the budget is kept.

    settings: how plans are judged, for allocators that do. store: evaluations that are known
    already, shared with other allocators for the same network and data.
    """

    def __init__(self, settings: SearchSettings | None = None, store: Store | None = None) -> None:
        self.settings = settings or SearchSettings()
        self.store = store

    @abstractmethod
    def choose(self, problem: Problem) -> Fitted:
        """A plan that keeps the problem's budget; CapacityError (needs / has) when none does."""

    def allocate(
        self, model: QuantNet, data: SearchData, cost: CostModel, budget: Budget, seed: int
    ) -> Allocation:
        """The best plan within the budget, by the exact models of ``cost``.

        model: trained and quantized, not changed. The table of ``cost`` says which widths each
        layer may have. CapacityError (needs / has) when no plan fits.
        """
        start = time.perf_counter()
        judge = Evaluations(model, data, self.settings, seed, self.store)
        found = self.choose(
            Problem(
                model=model,
                data=data,
                cost=cost,
                budget=budget,
                seed=seed,
                settings=self.settings,
                judge=judge,
            )
        )
        provenance = Provenance(
            allocator=type(self).__module__.rpartition(".")[2],
            seed=seed,
            seconds=time.perf_counter() - start + judge.seconds_kept,
            evaluations=judge.asked,
            trainings=judge.trainings,
            images_seen=judge.images_seen,
            solves=found.solves,
            budget_cycles=budget.cycles,
            budget_bytes=budget.weight_bytes,
            table_cycles=found.table_cycles,
            plan_cycles=found.plan_cycles,
            plan_bytes=found.weight_bytes,
        )
        return Allocation(plan=found.plan, provenance=provenance)


def build_allocator(
    name: str, settings: SearchSettings | None = None, store: Store | None = None
) -> Allocator:
    """The allocator of that name; UnknownPluginError lists what there is."""
    return _kind(name)(settings, store)


def _kind(name: str) -> Callable[[SearchSettings | None, Store | None], Allocator]:
    return plugins.load(FOLDER, name, Allocator)
