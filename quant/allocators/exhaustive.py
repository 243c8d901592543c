"""exhaustive: every plan that keeps the budget is evaluated, the best one taken. The oracle.

For small networks: CapacityError beyond `MOST_PLANS` plans.
"""

from itertools import product

from ir.errors import CapacityError
from quant.allocator import Allocator, Problem
from quant.budget import keeps
from quant.fit import Fitted, fallback, priced

MOST_PLANS = 4096


class Exhaustive(Allocator):
    """Least validation loss of all plans; of equal ones the one of fewest cycles."""

    def choose(self, problem: Problem) -> Fitted:
        """See `Allocator.choose`."""
        space, limits = problem.space, problem.budget.limits(problem.cost)
        if space.size > MOST_PLANS:
            raise CapacityError(
                f"exhaustive search needs {space.size} plans, at most {MOST_PLANS} are evaluated; "
                "allow fewer widths or take another allocator"
            )
        plans = [space.plan(numbers) for numbers in product(*space.widths)]
        fitting = [priced(plan, problem.cost) for plan in plans if keeps(plan, limits)]
        if not fitting:
            return fallback(lambda _, width: float(width), space, problem.cost, problem.budget)
        return min(fitting, key=lambda found: (problem.judge(found.plan).nll, found.plan_cycles))
