"""Bit-slice overlay: a lane multiplies digits of several bits, so a word takes fewer cycles."""

from __future__ import annotations

from dataclasses import dataclass

from hw.config import Latencies, OverlayConfig
from hw.overlay import Overlay, latencies
from ir.errors import ConfigError

DIGIT_BITS = (1, 2, 4)
BIT_PARALLEL = (8, 8)


@dataclass(frozen=True, kw_only=True)
class BitSlice(OverlayConfig):
    """Weights in digits of `p` bits, activations in digits of `q`: 1, 2 or 4 each, or both 8.

    A word takes ceil(w / p) * ceil(a / q) cycles: widths that are no multiple pay for whole digits.
    8x8 is the bit-parallel reference: every operand is one digit.

    Source: Bit Fusion (Sharma et al., ISCA 2018) joins 2x2 bricks to the operands' width; here a
    lane is one brick, its size chosen with the overlay, and wider operands take more cycles.
    """

    p: int = 2
    q: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.p, self.q) not in self.digit_choices():
            raise ConfigError(
                f"digits must be 1, 2 or 4 bits each, or 8x8, not {self.p}x{self.q} (p, q)"
            )

    @classmethod
    def digit_choices(cls) -> tuple[tuple[int, int], ...]:
        return (*((p, q) for p in DIGIT_BITS for q in DIGIT_BITS), BIT_PARALLEL)

    def build(self) -> Overlay:
        return Overlay(config=self)

    def latencies(self) -> Latencies:
        return latencies(self)
