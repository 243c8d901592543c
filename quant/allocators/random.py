"""random: chance decides which layers the budget is spent on.

The gain of every step from a width to the next wider one is drawn from 0..1, and the same knapsack
as EAGL's and ALPS's maximises their sum: chance spends as much of the budget as a method does. The
draw follows from the seed and from the network's weights, so that repetitions of a study on other
folds are other draws.
"""

import numpy as np

from quant.allocator import Allocator, Problem
from quant.fit import Fitted, fit_budget
from quant.objective import weights_digest


class Random(Allocator):
    """The baseline that knows the costs and nothing else."""

    def choose(self, problem: Problem) -> Fitted:
        """See `Allocator.choose`."""
        network = int(weights_digest(problem.model)[:16], 16)
        generator = np.random.default_rng((problem.seed, network))
        gains = {
            layer: dict(zip(widths, np.cumsum(generator.random(len(widths))), strict=True))
            for layer, widths in problem.space.layers.items()
        }
        return fit_budget(
            lambda layer, width: float(gains[layer][width]),
            problem.space,
            problem.cost,
            problem.budget,
        )
