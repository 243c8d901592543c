"""BitPruning: the plan that learned bitlengths come to (Nikolic et al., arXiv 2002.03090).

One length for each group of linked layers, its weights and activations alike, learned with the
weights under a penalty on what the budget limits; `quant/bitlengths.py` learns other granularities.
The paper fixes gamma and takes what comes out. Ours must keep a budget: after every epoch gamma
grows where the lengths, rounded up, exceed the budget, and falls where they keep it. The knapsack
has the last word: it takes the plan that cuts least from the learned lengths, and spends what is
left on more bits.
"""

from dataclasses import replace

import torch
from torch import Tensor

from ir.plan import PrecisionPlan
from quant.allocator import Allocator, Problem
from quant.bitlengths import Bitlengths, Penalised, minmax_net
from quant.budget import Limit, keeps
from quant.fit import Fitted, fit_budget
from quant.penalty import Penalty, interpolated, straight_lines
from quant.recipe import Distillation, Schedule
from quant.train import fit

EPOCHS = 20
GAMMA = 1.0
FOLLOW = 1.5  # of gamma, each epoch
SPARE = 1e-3  # of a bit beyond the learned length, against one that is cut from it


class BitPruning(Allocator):
    """Bits that were learned, as gain."""

    def choose(self, problem: Problem) -> Fitted:
        """See `Allocator.choose`."""
        limits, space = problem.budget.limits(problem.cost), problem.space
        lengths = dict.fromkeys(space.table.layers, float(max(map(max, space.widths))))
        if keeps(space.plan(space.cheapest), limits):  # or the knapsack says that nothing does
            lengths = learned_lengths(problem, limits)

        def gain(layer: str, width: int) -> float:
            return min(width, lengths[layer]) + SPARE * width

        return fit_budget(gain, space, problem.cost, problem.budget)


def learned_lengths(problem: Problem, limits: list[Limit]) -> dict[str, float]:
    """{layer: its real bitlength}, around the budget."""
    recipe = problem.settings.recipe
    recipe = replace(
        recipe,
        epochs=min(EPOCHS, problem.settings.episodes),
        schedule=Schedule(final_share=0.1),
        frozen_norm_epochs=0,
        distillation=Distillation(),
        seed=problem.seed,
    )
    net = minmax_net(problem.model, problem.data, threads_used=recipe.threads)
    lengths = Bitlengths(net, "layer", problem.space.groups, tied=True)
    objective = Penalised(lengths, limits_penalty(problem, limits), GAMMA)

    def follow(done: int, total: int, loss: float) -> None:
        kept = keeps(rounded_up(problem, lengths), limits)
        objective.gamma *= 1 / FOLLOW if kept else FOLLOW

    fit(net, problem.data, recipe, objective=objective, progress=follow)
    problem.judge.images_seen += recipe.epochs * len(problem.data.train)
    return {name: lengths.weights(name).item() for name in problem.space.layers}


def limits_penalty(problem: Problem, limits: list[Limit]) -> Penalty:
    """The mean over the limits of what the lengths take by the table."""
    penalties = [
        interpolated(
            {
                name: straight_lines({n: limit.of_layer(name, pair) for n, pair in row.items()})
                for name, row in problem.space.layers.items()
            }
        )
        for limit in limits
    ]

    def mean(lengths: Bitlengths) -> Tensor:
        return torch.stack([penalty(lengths) for penalty in penalties]).mean()

    return mean


def rounded_up(problem: Problem, lengths: Bitlengths) -> PrecisionPlan:
    """The narrowest plan of the space that has no group below its length, or the group's widest."""
    space = problem.space
    numbers = []
    for group, widths in zip(space.groups, space.widths, strict=True):
        length = lengths.weights(group[0]).item()
        numbers.append(next((width for width in widths if width >= length), widths[-1]))
    return space.plan(numbers)
