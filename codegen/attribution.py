"""Where the cycles of a job went: the array at work, waiting for whom, or between two layers.

The overlay's counters and the cycle model's stalls have the same names, and must be equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

RUN = "EXEC_RUN"
WAITS = ("EXEC_WAIT_LHS", "EXEC_WAIT_RHS", "EXEC_WAIT_RESULT")
"""What the execute stage waits for, by the names of the counters that count it."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Cycles of a job or a layer.

    exec      the array got a word
    weights   it waited for weights            activations   it waited for activations
    result    it waited for the drain chain or for room in the result ring
    idle      none of these: the pipeline fills, the last results leave, nothing is decoded yet
    """

    exec: int
    weights: int
    activations: int
    result: int
    idle: int

    @classmethod
    def of(cls, counters: Mapping[str, int], cycles: int) -> Attribution:
        """From the counters RUN and WAITS of something that took `cycles`."""
        spent = [counters[name] for name in (RUN, *WAITS)]
        run, weights, activations, result = spent
        return cls(
            exec=run,
            weights=weights,
            activations=activations,
            result=result,
            idle=cycles - sum(spent),
        )

    @property
    def limited_by(self) -> str:
        """The stage that took most of the cycles: exec, fetch, result, or none of them: idle."""
        shares = {
            "exec": self.exec,
            "fetch": self.weights + self.activations,
            "result": self.result,
            "idle": self.idle,
        }
        return max(shares, key=lambda name: shares[name])
