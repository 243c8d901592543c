"""uniform: the same number for every layer, the largest that keeps the budget."""

from quant.allocator import Allocator, Problem
from quant.fit import Fitted, fallback


class Uniform(Allocator):
    """The baseline: looks at neither weights nor data."""

    def choose(self, problem: Problem) -> Fitted:
        """See `Allocator.choose`."""
        return fallback(lambda _, width: float(width), problem.space, problem.cost, problem.budget)
