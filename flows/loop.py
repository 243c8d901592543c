"""The co-design loop: plan -> network and overlay -> measured cycles -> plan, until it repeats.

The problem that it solves: least validation loss subject to measured cycles <= budget, on the
fastest overlay that fits the budget of LUTs and block RAMs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from flows.networks import Networks
from flows.plan_price import PlanPrice
from flows.rounds import Round, play_round
from flows.workspace import Workspace
from ir.cost import CostModel
from ir.errors import CapacityError
from quant.allocator import Allocation, build_allocator
from quant.budget import Budget
from quant.search_settings import SearchSettings

LEAST_SHARE = 0.6  # below it, bits move too little for the loop to mean anything


@dataclass(frozen=True, kw_only=True)
class Loop:
    """All rounds. budget: cycles; byte_budget: of packed weights, None: no limit. share:
    bit_dependent_share of the first overlay.
    repeats: the round whose plan and overlay came again; None: the rounds ran out."""

    rounds: tuple[Round, ...]
    allocations: dict[int, Allocation]
    budget: int
    share: float
    repeats: int | None
    byte_budget: int | None = None

    def keeps(self, found: Round) -> bool:
        """Whether a round is within both budgets. Its plan kept them on the overlay of the round
        before: the new overlay takes other cycles, and packs weights for its own tiles."""
        within = self.byte_budget is None or found.weight_bytes <= self.byte_budget
        return within and found.measured.cycles <= self.budget

    @property
    def best(self) -> Round:
        """Of the rounds that keep the budget the one of least validation loss."""
        kept = [found for found in self.rounds if self.keeps(found)]
        if not kept:
            raise self._too_small()
        return min(kept, key=lambda found: (found.tuned.loss, found.measured.cycles))

    def _too_small(self) -> CapacityError:
        fewest = min(found.measured.cycles for found in self.rounds)
        if fewest > self.budget or self.byte_budget is None:
            return CapacityError(
                f"no round keeps the cycle budget: the fastest needs {fewest} cycles, the budget "
                f"has {self.budget}; raise cycle_budget, rounds, or the LUTs of the overlay"
            )
        smallest = min(found.weight_bytes for found in self.rounds)
        if smallest > self.byte_budget:
            return CapacityError(
                f"no round keeps the byte budget: the smallest needs {smallest} bytes of weights, "
                f"the budget has {self.byte_budget}; raise byte_budget or rounds"
            )
        return CapacityError(
            f"no round keeps both budgets, {self.budget} cycles and {self.byte_budget} bytes; "
            "raise one of them, or rounds"
        )


def run_loop(space: Workspace, networks: Networks, report: Callable[[Loop], None]) -> Loop:
    """Rounds until plan and overlay repeat an earlier one's, at most as many as the config says.

    The first plan is the widest uniform one. Gains are read from its network in every round: it
    is trained at the widest width under consideration, and what changes between rounds is the
    cost. `report` is told after every round.
    """
    project = space.project
    first = play_round(space, networks, networks.uniform(project.widest), 0)
    loop = Loop(
        rounds=(first,),
        allocations={},
        budget=cycle_budget(project.cycle_budget, first),
        byte_budget=project.byte_budget,
        share=bit_dependent_share(first),
        repeats=None,
    )
    report(loop)
    while len(loop.rounds) < project.rounds and loop.repeats is None:
        loop = _next(space, networks, loop)
        report(loop)
    return loop


def allocate(space: Workspace, networks: Networks, found: Round, budget: int) -> Allocation:
    """A plan for the cost that a round measured."""
    project = space.project
    price = PlanPrice(
        found.tuned.graph, found.overlay.config, latency=space.board.memory.latency_cycles
    )
    widest = networks.uniform(project.widest)
    settings = SearchSettings(
        recipe=project.training.of_plan(widest, project.seed), quantizer=project.weights_quantizer
    )
    return build_allocator(project.allocator, settings).allocate(
        networks.tuned(widest).model,
        space.data.search,
        CostModel(table=found.table, plan_cycles=price.cycles, plan_bytes=price.weight_bytes),
        Budget(cycles=budget, weight_bytes=project.byte_budget),
        project.seed,
    )


def cycle_budget(wanted: int | float, first: Round) -> int:
    """Cycles: a number as it is, a fraction f between all layers at 2 bits (0) and at 8 (1)."""
    if isinstance(wanted, int):
        return wanted
    narrow, wide = first.uniform[2], first.uniform[8]
    return int(narrow + wanted * (wide - narrow))


def bit_dependent_share(first: Round) -> float:
    """(c4 - c2) / (0.75 c4): the share of the cycles at 4 bits that follows the bits."""
    narrow, wide = first.uniform[2], first.uniform[4]
    return (wide - narrow) / (0.75 * wide)


def _next(space: Workspace, networks: Networks, loop: Loop) -> Loop:
    """The loop with one more round, or closed because the round would repeat an earlier one."""
    number = len(loop.rounds)
    allocation = allocate(space, networks, loop.rounds[-1], loop.budget)
    # An overlay follows from its network and a network from its plan: equal plans, equal overlays.
    for earlier in loop.rounds:
        if earlier.plan == allocation.plan:
            return replace(loop, repeats=earlier.number)
    found = play_round(space, networks, allocation.plan, number)
    return replace(
        loop,
        rounds=(*loop.rounds, found),
        allocations=loop.allocations | {number: allocation},
    )
