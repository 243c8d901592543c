"""uniform: the same number for every layer, the largest that keeps the budget."""

import time

from ir.cost import CostModel
from quant.allocator import Allocation, Allocator, Provenance
from quant.budget import fallback
from quant.data import SearchData
from quant.layers import QuantNet


class Uniform(Allocator):
    """The baseline: looks at neither weights nor data."""

    def allocate(
        self, model: QuantNet, data: SearchData, cost: CostModel, budget: int, seed: int
    ) -> Allocation:
        """See `Allocator.allocate`."""
        start = time.perf_counter()
        found = fallback(lambda _, width: float(width), cost, model.links, budget)
        return Allocation(
            plan=found.plan,
            provenance=Provenance(
                allocator="uniform",
                seed=seed,
                seconds=time.perf_counter() - start,
                evaluations=0,
                images_seen=0,
                solves=found.solves,
                budget_cycles=budget,
                table_cycles=found.table_cycles,
                plan_cycles=found.plan_cycles,
            ),
        )
