"""ALPS: accuracy-aware layer precision selection (Bablani et al., arXiv 2301.13330).

From the network at its widest plan, each group of linked layers alone is narrowed and the network
fine-tuned for one epoch, the images in the same order; the gain of a width is minus the loss that
is left. The sum of gains is maximised under the budget, an exact knapsack.

The paper chooses between two widths; ours takes any set, one epoch for each, and a wider layer
never gains less than a narrower one. Loss on the validation images, on which nothing is trained.
"""

from quant.allocator import Allocator, Problem
from quant.fit import Fitted, fit_budget

EPOCHS = 1


class Alps(Allocator):
    """Loss after one epoch as gain."""

    def choose(self, problem: Problem) -> Fitted:
        """See `Allocator.choose`."""
        gains = epoch_gains(problem)
        return fit_budget(
            lambda layer, width: gains[layer][width], problem.space, problem.cost, problem.budget
        )


def epoch_gains(problem: Problem) -> dict[str, dict[int, float]]:
    """{layer: {width: minus the loss beyond that of the widest plan}}, shared within a group."""
    space, widest = problem.space, problem.space.widest
    base = problem.judge(space.plan(widest), epochs=EPOCHS).nll
    gains: dict[str, dict[int, float]] = {}
    for place, (group, widths) in enumerate(zip(space.groups, space.widths, strict=True)):
        row, best = {}, -float("inf")
        for width in widths[:-1]:
            numbers = (*widest[:place], width, *widest[place + 1 :])
            best = max(best, base - problem.judge(space.plan(numbers), epochs=EPOCHS).nll)
            row[width] = best / len(group)
        row[widths[-1]] = max(best, 0.0) / len(group)
        gains |= dict.fromkeys(group, row)
    return gains
