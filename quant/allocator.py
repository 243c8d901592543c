"""What every allocator is: it gives each layer its bits, under a budget of cycles.

A file in `quant/allocators/` with one public subclass of `Allocator` *is* the registration.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass

from ir import plugins
from ir.cost import CostModel
from ir.plan import PrecisionPlan
from quant.data import SearchData
from quant.layers import QuantNet

FOLDER = "quant/allocators"


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a plan comes from and what finding it took.

    evaluations: networks evaluated; images_seen: training images, counted once per pass; solves:
    how often the table's budget was set; table_cycles: the table's sum; plan_cycles: the exact
    model.
    """

    allocator: str
    seed: int
    seconds: float
    evaluations: int
    images_seen: int
    solves: int
    budget_cycles: int
    table_cycles: int
    plan_cycles: int

    def to_dict(self) -> dict[str, str | int | float]:
        """JSON form."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """A plan and its provenance; the plan's exact cycles never exceed the budget."""

    plan: PrecisionPlan
    provenance: Provenance


class Allocator(ABC):
    """Chooses a plan. Deterministic by seed; linked layers agree; the budget is kept."""

    @abstractmethod
    def allocate(
        self, model: QuantNet, data: SearchData, cost: CostModel, budget: int, seed: int
    ) -> Allocation:
        """The best plan within ``budget`` cycles of ``cost.plan_cycles``.

        model: trained and quantized, not changed. The table of ``cost`` says which widths each
        layer may have. CapacityError (needs / has) when no plan fits.
        """


def build_allocator(name: str) -> Allocator:
    """The allocator of that name; UnknownPluginError lists what there is."""
    return _kind(name)()


def _kind(name: str) -> Callable[[], Allocator]:
    return plugins.load(FOLDER, name, Allocator)
