"""Where the cycles of a job went: the array at work, or waiting, and for whom.

The overlay counts these cycles, and the cycle model predicts them layer by layer under the
counters' names; the sums must be equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COUNTED = {
    "exec": "EXEC_RUN",
    "weights": "EXEC_WAIT_LHS",
    "activations": "EXEC_WAIT_RHS",
    "result": "EXEC_WAIT_RESULT",
}
"""The counter behind each share."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Cycles of a job, or of one of its layers.

    exec      the array got a word
    weights   it waited for weights            activations   it waited for activations
    result    it waited for the drain chain or for room in the result ring

    What is left of a job's cycles is idle: the pipeline fills, the last results leave. A layer's
    waiting begins when the layer before it has issued its last word, before that one is done.
    """

    exec: int
    weights: int
    activations: int
    result: int

    @classmethod
    def of(cls, counters: Mapping[str, int]) -> Attribution:
        """From the overlay's counters, or from what the cycle model says of a layer."""
        return cls(**{share: counters[name] for share, name in COUNTED.items()})

    @property
    def limited_by(self) -> str:
        """The stage that took most of the cycles: exec, fetch or result."""
        shares = {
            "exec": self.exec,
            "fetch": self.weights + self.activations,
            "result": self.result,
        }
        return max(shares, key=lambda name: shares[name])

    def idle(self, cycles: int) -> int:
        """What is left of `cycles`."""
        return cycles - self.exec - self.weights - self.activations - self.result


def total(parts: Sequence[Attribution]) -> Attribution:
    """The sum over layers: what the counters show after the job."""
    return Attribution(**{share: sum(getattr(p, share) for p in parts) for share in COUNTED})
