"""profiled: each layer as narrow as a tolerance allows (Judd et al., arXiv 1511.05236).

A profile is the loss with one group of linked layers at a width and all others at their widest,
without training. Every group takes the narrowest width from which on no wider one loses more than
the tolerance. The paper fixes the tolerance; ours takes the smallest one whose plan keeps the
budget. The paper judges by accuracy; ours by loss, which a few hundred images resolve better.
"""

from collections.abc import Iterator

from quant.allocator import Allocator, Problem
from quant.fit import Fitted, first_within
from quant.plan_space import Numbers


class Profiled(Allocator):
    """Tolerance of loss, layer by layer."""

    def choose(self, problem: Problem) -> Fitted:
        """See `Allocator.choose`."""
        losses = profile(problem)
        return first_within(_by_tolerance(losses), problem.space, problem.cost, problem.budget)


def profile(problem: Problem) -> list[dict[int, float]]:
    """For each group {width: loss beyond that of the widest plan}, never rising with the width."""
    space, widest = problem.space, problem.space.widest
    base = problem.judge(space.plan(widest), epochs=0).nll
    rows = []
    for group, widths in enumerate(space.widths):
        row, worst = {}, 0.0
        for width in reversed(widths):
            numbers = (*widest[:group], width, *widest[group + 1 :])
            worst = max(worst, problem.judge(space.plan(numbers), epochs=0).nll - base)
            row[width] = worst
        rows.append(row)
    return rows


def _by_tolerance(rows: list[dict[int, float]]) -> Iterator[Numbers]:
    """The plans of all tolerances, from the smallest."""
    for tolerance in sorted({loss for row in rows for loss in row.values()}):
        yield tuple(min(w for w, loss in row.items() if loss <= tolerance) for row in rows)
