"""The budget wall: a plan that is too dear is narrowed, layer by layer, until the budget is kept
(Wang et al., arXiv 1811.08886, section 3.2)."""

from collections.abc import Iterator, Sequence

from ir.plan import PrecisionPlan
from quant.budget import Limit, keeps
from quant.plan_space import Numbers, PlanSpace


def first_kept(path: Sequence[PrecisionPlan], limits: Sequence[Limit]) -> PrecisionPlan:
    """The first plan of an ever cheaper path that keeps the limits; its last one must.

    Found by bisection: each plan asked costs a whole network's model. Where the truth does not fall
    along the path, a plan that keeps the limits and whose predecessor does not.
    """
    below, kept = -1, len(path) - 1
    while kept - below > 1:
        middle = (below + kept) // 2
        if keeps(path[middle], limits):
            kept = middle
        else:
            below = middle
    return path[kept]


def sequential_narrowing(space: PlanSpace, numbers: Numbers) -> Iterator[Numbers]:
    """From ``numbers`` to the cheapest: a step for each group in turn, the last group first."""
    yield numbers
    while numbers != space.cheapest:
        for group in reversed(range(len(space.groups))):
            step = space.narrower(numbers, group)
            if step is not None:
                numbers = step
                yield numbers
