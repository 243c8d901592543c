"""A monotone function of a layer's sums as the rule that computes exactly it.

The function is only asked, never taken apart: each threshold is the least sum that reaches a code,
found by bisection over every sum that the layer can have. From the thresholds follows either

    Requantize   clip((acc M_c + B_c) >> n, lo, hi), where some M, B, n pass between all thresholds
                 and the sums below them: a digital line, found by exact integer conditions
    Pieces       the same piece by piece: 16 bits of slope follow fewer codes more exactly
    Threshold    the staircase itself, for codes of up to 4 bits

or nothing: a rule that would differ in a single sum is never given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from codegen.lines import fit_lines, greatest_shift, mean_slope
from ir.nodes import MAX_PIECES, MAX_THRESHOLD_BITS, Pieces, Requantize, Rule, Threshold
from ir.precision import Precision

Levels = Callable[[np.ndarray], np.ndarray]
"""(C, T) int64 sums -> (C, T) int64 codes, monotone in each channel."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Staircase:
    """code = lo + step * #{t : thresholds[c, t] <= sign[c] * acc}, for acc in low..high.

    thresholds: (C, T) int64, ascending; one above the greatest sum says never.
    """

    thresholds: np.ndarray
    sign: np.ndarray
    low: int
    high: int
    lo: int
    step: int

    @property
    def hi(self) -> int:
        """The greatest code."""
        return self.lo + self.step * self.thresholds.shape[1]

    @property
    def ends(self) -> tuple[int, int]:
        """(lo, hi)."""
        return self.lo, self.hi


def find_staircase(
    levels: Levels, sign: np.ndarray, *, low: int, high: int, lo: int, hi: int, step: int = 1
) -> Staircase:
    """The staircase of `levels` over the sums low..high.

    sign: (C,) -1 where codes fall as sums grow, +1 elsewhere. lo, hi: least and greatest code.
    """
    codes = np.arange(lo + step, hi + 1, step)
    direction = np.where(sign < 0, -1, 1).astype(np.int64)[:, np.newaxis]
    least = np.where(direction > 0, low, -high) + np.zeros((1, len(codes)), np.int64)
    never = np.where(direction > 0, high, -low) + 1
    most = np.broadcast_to(never, least.shape).copy()
    while (least < most).any():
        middle = (least + most) >> 1
        reached = levels(direction * np.minimum(middle, never - 1)) >= codes
        reached &= middle < never
        open_yet = least < most
        most = np.where(open_yet & reached, middle, most)
        least = np.where(open_yet & ~reached, middle + 1, least)
    found = Staircase(thresholds=least, sign=direction[:, 0], low=low, high=high, lo=lo, step=step)
    return _without_idle_codes(found) if step == 1 else found


PIECE_COUNTS = (2, 3, 4, 5, 7, 8, 11, 13, 15)
"""Tried from the cheapest on."""


def exact_rule(stairs: Staircase, output: Precision, *, names: tuple[str, str, str]) -> Rule | None:
    """The rule that gives the staircase's code for every sum of its range; None: there is none.

    The cheapest of them on the device, which takes a turn for each piece or threshold. names: of
    the rule, of the tensor of sums, of the tensor of codes.
    """
    steps = stairs.thresholds.shape[1]
    if stairs.step == 1:
        rising = _rising(stairs)
        line = fit_lines(*rising, pieces=1, base=stairs.lo)
        if line is not None:
            parts = stairs.sign * line.multiplier[0], line.offset[0], line.shift
            return Requantize(*names, *parts, stairs.lo, stairs.hi)
        for count in _piece_counts(steps, stairs.lo):
            line = fit_lines(*rising, pieces=count, base=0)
            if line is not None:
                parts = stairs.sign * line.multiplier, line.offset, line.shift
                return Pieces(*names, *parts, line.span, stairs.lo)
    if output.bits > MAX_THRESHOLD_BITS:
        return None
    return Threshold(*names, stairs.thresholds, stairs.sign, stairs.lo, stairs.step)


def _without_idle_codes(stairs: Staircase) -> Staircase:
    """Without codes that no channel ever has, at either end (below a ReLU, say): clipping at what
    is left asks less of a line. One threshold stays.
    """
    thresholds, ends = _rising(stairs)
    always = int((thresholds <= ends[:, :1]).sum(axis=1).min())
    never = int((thresholds > ends[:, 1:]).sum(axis=1).min())
    count = thresholds.shape[1]
    first = min(always, count - 1)
    last = max(count - never, first + 1)
    return replace(stairs, thresholds=thresholds[:, first:last], lo=stairs.lo + first)


def _rising(stairs: Staircase) -> tuple[np.ndarray, np.ndarray]:
    """(thresholds, (C, 2) the least and the greatest value) of sign * acc."""
    falling = stairs.sign[:, np.newaxis] < 0
    ends = np.where(falling, (-stairs.high, -stairs.low), (stairs.low, stairs.high))
    return stairs.thresholds, ends


def _piece_counts(steps: int, base: int) -> list[int]:
    """Fewer than steps, and such that the device can begin with `base`."""
    most = min(MAX_PIECES, steps - 1)
    return [c for c in PIECE_COUNTS if c <= most and (c % 2 or base % c == 0)]


def nearest_rule(stairs: Staircase, *, names: tuple[str, str, str]) -> tuple[Requantize, int, int]:
    """(a requantizer close to the staircase, for how many sums its code differs, by how much).

    Each channel's line goes from its first threshold that is reached to its last.
    """
    thresholds, ends = _rising(stairs)
    slopes = [
        mean_slope(edges, int(low), int(high))
        for edges, (low, high) in zip(thresholds, ends, strict=True)
    ]
    shift = greatest_shift(max(slopes), max(1, int(np.abs(ends).max())))
    multiplier = np.round(np.array(slopes) * 2.0**shift).astype(np.int64)
    codes = stairs.lo + 1 + np.arange(thresholds.shape[1])
    inside = (thresholds > ends[:, :1]) & (thresholds <= ends[:, 1:])
    gap = codes * (1 << shift) - multiplier[:, np.newaxis] * (2 * thresholds - 1) // 2
    counts = np.maximum(inside.sum(axis=1), 1)
    offset = np.where(inside, gap, 0).sum(axis=1) // counts
    constant = stairs.lo + (thresholds <= ends[:, :1]).sum(axis=1)  # where no threshold is inside
    offset = np.where(inside.any(axis=1), offset, constant << shift)
    rule = Requantize(*names, stairs.sign * multiplier, offset, shift, stairs.lo, stairs.hi)
    u = np.linspace(ends[:, 0], ends[:, 1], 1 << 14, axis=1).astype(np.int64)
    exact = stairs.lo + (u[:, :, np.newaxis] >= thresholds[:, np.newaxis]).sum(axis=2)
    found = np.clip(
        (u * multiplier[:, np.newaxis] + offset[:, np.newaxis]) >> shift, stairs.lo, stairs.hi
    )
    return rule, int((exact != found).sum()), int(np.abs(exact - found).max())
