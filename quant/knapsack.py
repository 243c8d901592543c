"""The multiple-choice knapsack, solved exactly: one option a group, most gain within a budget."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

GAIN_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Option:
    """gain: of any unit; cycles: what it costs."""

    gain: float
    cycles: int


def solve(groups: Sequence[Sequence[Option]], budget: int) -> list[int] | None:
    """The index of the chosen option in each group, or None when no choice fits.

    Among choices of equal gain (to 1e-9) the cheapest wins. Integer programming with no gap; the
    sum of cycles is checked in integers, whatever the solver's tolerance.
    """
    problem = _Problem(groups)
    spare = budget - problem.floor
    while spare >= 0:
        best = problem.maximise(problem.gains, spare)
        if best is None:
            return None
        least = problem.gain_of(best) - GAIN_TOLERANCE
        cheapest = problem.maximise(-problem.cycles, spare, least_gain=least)
        chosen = best if cheapest is None else cheapest
        excess = problem.cycles_of(chosen) - (budget - problem.floor)
        if excess <= 0:
            return chosen
        spare -= excess  # the solver used its tolerance
    return None


class _Problem:
    """One row of variables, an option each; cycles are counted above each group's cheapest option,
    which keeps the numbers small."""

    def __init__(self, groups: Sequence[Sequence[Option]]) -> None:
        lows = [min(option.cycles for option in group) for group in groups]
        self.floor = sum(lows)
        self.starts = np.cumsum([0, *(len(group) for group in groups)], dtype=np.int64)
        self.gains = np.array([option.gain for group in groups for option in group])
        self.cycles = np.array(
            [o.cycles - low for group, low in zip(groups, lows, strict=True) for o in group],
            dtype=np.float64,
        )
        owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        columns = np.arange(len(owner))
        self.membership = csr_array((np.ones(len(owner)), (owner, columns)))

    def maximise(
        self, objective: np.ndarray, spare: int, least_gain: float | None = None
    ) -> list[int] | None:
        """The best choice with cycles above the floor <= spare, or None."""
        constraints = [
            LinearConstraint(self.membership, 1, 1),
            LinearConstraint(self.cycles[np.newaxis], -np.inf, spare),
        ]
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
        """The sum of the chosen options' gains."""
        return float(self.gains[self.starts[:-1] + np.array(chosen)].sum())

    def cycles_of(self, chosen: list[int]) -> int:
        """The chosen options' cycles above the floor."""
        return int(self.cycles[self.starts[:-1] + np.array(chosen)].sum())
