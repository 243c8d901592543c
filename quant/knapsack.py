"""The multiple-choice knapsack, solved exactly: one option a group, most gain within the budgets.

One budget or several at once (cycles, bytes): every option has a cost in each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

GAIN_SPAN = 1e4
"""What the widest group's gains are scaled to: the solver's tolerances are absolute, about 1e-6."""

EQUAL_GAIN = 1e-9
"""Gains that differ by less, as a share of the widest group's span, count as equal."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """gain: of any unit; costs: what it takes of each budget."""

    gain: float
    costs: tuple[int, ...]


def solve(groups: Sequence[Sequence[Option]], budgets: Sequence[int]) -> list[int] | None:
    """The index of the chosen option in each group, or None when no choice fits.

    Among choices of equal gain (EQUAL_GAIN) the cheapest wins, by the first budget, then the next.
    Integer programming with no gap; the sums of costs are checked in integers, whatever the
    solver's tolerance.
    """
    problem = _Problem(groups)
    spare = np.array(budgets) - problem.floor
    while (spare >= 0).all():
        chosen = _cheapest_best(problem, spare)
        if chosen is None:
            return None
        excess = problem.costs_of(chosen) - (np.array(budgets) - problem.floor)
        if (excess <= 0).all():
            return chosen
        spare = spare - np.maximum(excess, 0)  # the solver used its tolerance
    return None


def _cheapest_best(problem: "_Problem", spare: np.ndarray) -> list[int] | None:
    """The most gain, then the least of each cost in turn."""
    chosen = problem.maximise(problem.gains, spare)
    if chosen is None:
        return None
    least = problem.gain_of(chosen) - EQUAL_GAIN * GAIN_SPAN
    limits = spare.copy()
    for index in range(len(spare)):
        cheaper = problem.maximise(-problem.costs[index], limits, least_gain=least)
        if cheaper is None:
            break
        chosen = cheaper
        limits[index] = problem.costs_of(chosen)[index]
    return chosen


class _Problem:
    """One row of variables, an option each; costs and gains are counted above each group's least,
    which keeps the numbers small, and gains scaled to GAIN_SPAN."""

    def __init__(self, groups: Sequence[Sequence[Option]]) -> None:
        sizes = [len(group) for group in groups]
        costs = np.array([option.costs for group in groups for option in group], dtype=np.int64).T
        self.starts = np.cumsum([0, *sizes], dtype=np.int64)
        lows = np.minimum.reduceat(costs, self.starts[:-1], axis=1)  # (budgets, groups)
        self.floor = lows.sum(axis=1)
        self.costs = costs - np.repeat(lows, sizes, axis=1)  # (budgets, options)
        gains = np.array([option.gain for group in groups for option in group])
        gains -= np.repeat(np.minimum.reduceat(gains, self.starts[:-1]), sizes)
        self.gains = gains * (GAIN_SPAN / (float(gains.max()) or 1.0))
        owner = np.repeat(np.arange(len(groups)), sizes)
        self.membership = csr_array((np.ones(len(owner)), (owner, np.arange(len(owner)))))

    def maximise(
        self, objective: np.ndarray, spare: np.ndarray, least_gain: float | None = None
    ) -> list[int] | None:
        """The best choice with costs above the floor <= spare, or None."""
        constraints = [LinearConstraint(self.membership, 1, 1)]
        for costs, most in zip(self.costs, spare.tolist(), strict=True):
            constraints.append(LinearConstraint(costs[np.newaxis].astype(float), -np.inf, most))
        if least_gain is not None:
            constraints.append(LinearConstraint(self.gains[np.newaxis], least_gain, np.inf))
        result = milp(
            -objective,
            constraints=constraints,
            integrality=np.ones(len(objective)),
            bounds=Bounds(0, 1),
            options={"mip_rel_gap": 0},
        )
        if result.x is None:
            return None
        pairs = zip(self.starts[:-1], self.starts[1:], strict=True)
        return [int(np.argmax(result.x[start:end])) for start, end in pairs]

    def gain_of(self, chosen: list[int]) -> float:
        """The sum of the chosen options' scaled gains."""
        return float(self.gains[self.starts[:-1] + np.array(chosen)].sum())

    def costs_of(self, chosen: list[int]) -> np.ndarray:
        """(budgets,) int64: the chosen options' costs above the floor."""
        return self.costs[:, self.starts[:-1] + np.array(chosen)].sum(axis=1)
