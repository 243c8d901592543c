"""Lines with 16-bit slopes that pass through staircases, exactly.

A line y = (M u + B) >> n gives code q from the least sum of q on, and not before, when

    M T_q + B >= q 2^n   and   M (T_q - 1) + B < q 2^n   for each threshold T_q,

linear conditions on M and B whose solutions are those of a digital line; they are checked in
integers. n is one for all channels, so a channel with a small slope has few bits of M. Where no
line follows a whole staircase, several take a part of its thresholds each, and their codes add up.
A channel's parts are runs of neighbours, which shortens what a small slope has to follow; or every
k-th threshold of a run, whose line has a k-th of the slope, so that large slopes fit a larger n.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ir.nodes import MAX_SHIFT, MULTIPLIER

SUM_LIMIT = 1 << 47
"""|u M + B| stays below it: the device's requantizer has 48 bits."""

ROOM = 256
"""Codes that the device may add to a line, for which there must be room as well."""

SHIFTS_TRIED = 4
NEIGHBOURS = (0, 1, -1, 2, -2)
"""Of a slope's nearest multiplier."""

Line = tuple[int, int]
"""(M, B)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lines:
    """multiplier, offset: (pieces, C) int64, of rising channels; span: codes of a piece."""

    multiplier: np.ndarray
    offset: np.ndarray
    shift: int
    span: int


def fit_lines(thresholds: np.ndarray, ends: np.ndarray, *, pieces: int, base: int) -> Lines | None:
    """`pieces` lines a channel that together give exactly its staircase; None: none were found.

    thresholds: (C, T) int64, ascending; ends: (C, 2) least and greatest u. Codes begin at `base`.
    """
    channels = [
        _Channel(edges=edges, low=int(low), high=int(high), pieces=pieces, base=base)
        for edges, (low, high) in zip(thresholds, ends, strict=True)
    ]
    reach = max(1, int(np.abs(ends).max()))
    first = greatest_shift(max(c.slope for c in channels) / pieces, reach)
    for shift in range(first, max(first - SHIFTS_TRIED - pieces.bit_length(), -1), -1):
        found = _all_lines(channels, shift, reach)
        if found is not None:
            pairs = np.array(found, np.int64)  # (C, pieces, 2)
            multiplier, offset = pairs[..., 0].T, pairs[..., 1].T
            span = channels[0].span
            return Lines(multiplier=multiplier, offset=offset, shift=shift, span=span)
    return None


def _all_lines(channels: list[_Channel], shift: int, reach: int) -> list[list[Line]] | None:
    """The lines of every channel at one n; None as soon as one has none.

    Those of small slopes are asked first: they have the fewest bits of M.
    """
    found: dict[int, list[Line]] = {}
    for index in sorted(range(len(channels)), key=lambda i: channels[i].slope):
        lines = channels[index].lines(shift, reach)
        if lines is None:
            return None
        found[index] = lines
    return [found[index] for index in range(len(channels))]


def greatest_shift(slope: float, reach: int) -> int:
    """The greatest n at which round(slope 2^n) is a multiplier, and its products fit."""
    for shift in range(MAX_SHIFT, 0, -1):
        factor = slope * 2.0**shift
        if factor <= MULTIPLIER.max and factor * reach + ROOM * 2.0**shift < SUM_LIMIT:
            return shift
    return 0


def mean_slope(edges: np.ndarray, low: int, high: int) -> float:
    """Codes for one step of u, between the thresholds that are reached; 0: fewer than two are."""
    inside = edges[(edges > low) & (edges <= high)]
    if len(inside) < 2:
        return 0.0
    return (len(inside) - 1) / max(int(inside[-1] - inside[0]), 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Channel:
    """One staircase. edges: (T,) int64 thresholds of u in low..high."""

    edges: np.ndarray
    low: int
    high: int
    pieces: int
    base: int

    @property
    def span(self) -> int:
        """Codes of a piece."""
        return -(-len(self.edges) // self.pieces)

    @cached_property
    def slope(self) -> float:
        """Codes for one step of u."""
        return mean_slope(self.edges, self.low, self.high)

    def lines(self, shift: int, reach: int) -> list[Line] | None:
        """A line for each piece at one n; None: not with any number of interleaved thresholds."""
        for stride in range(1, self.pieces + 1):
            if self.pieces % stride:
                continue
            if self.slope / stride * 2.0**shift > 2 * MULTIPLIER.max:
                continue
            found = [part.line(shift, reach) for part in self._parts(stride)]
            if all(line is not None for line in found):
                return [line for line in found if line is not None]
        return None

    def _parts(self, stride: int) -> list[_Part]:
        """The pieces where runs of stride * span thresholds are dealt out to `stride` lines."""
        if stride not in self._dealt:
            whole = np.full(self.pieces * self.span, self.high + 1)
            whole[: len(self.edges)] = self.edges
            runs = whole.reshape(-1, self.span, stride).transpose(0, 2, 1).reshape(-1, self.span)
            self._dealt[stride] = [_Part.of(run, self.low, self.high, self.base) for run in runs]
        return self._dealt[stride]

    @cached_property
    def _dealt(self) -> dict[int, list[_Part]]:
        return {}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """What a line has to keep. at_least: (points, 2) of (u, code): y >= code there.
    below: (points, 2): y < code there.
    """

    at_least: np.ndarray
    below: np.ndarray

    @classmethod
    def of(cls, edges: np.ndarray, low: int, high: int, base: int) -> _Part:
        points = np.stack([edges, base + 1 + np.arange(len(edges))], axis=1)
        reached, missed = points[edges <= high], points[edges > low] - (1, 0)
        always = int((edges <= low).sum())  # of these only the highest code says anything
        never = int((edges > high).sum())  # and of these the lowest
        reached = reached[max(0, always - 1) :]
        missed = missed[: len(missed) - max(0, never - 1)]
        reached[:, 0] = np.maximum(reached[:, 0], low)
        missed[:, 0] = np.minimum(missed[:, 0], high)
        return cls(at_least=reached, below=missed)

    @cached_property
    def slope(self) -> float | None:
        """One from the middle of those that are possible; None: there are none."""
        if not len(self.at_least) or not len(self.below):
            return 0.0
        du = self.at_least[:, :1] - self.below[:, 0]
        rise = self.at_least[:, 1:] - self.below[:, 1]
        ratio = rise / np.where(du == 0, 1, du)
        low = float(ratio[du > 0].max(initial=0.0))
        high = float(ratio[du < 0].min(initial=np.inf))
        if not low < high:
            return None
        return (low + high) / 2 if low and np.isfinite(high) else 2 * low

    def line(self, shift: int, reach: int) -> Line | None:
        """(M, B) near the slope that keep every condition, exactly; None: there are none there."""
        if self.slope is None:
            return None
        unit = 1 << shift
        for neighbour in NEIGHBOURS:
            multiplier = round(self.slope * unit) + neighbour
            if not 0 <= multiplier <= MULTIPLIER.max:
                continue
            room = SUM_LIMIT - multiplier * reach - ROOM * unit
            needs = self.at_least[:, 1] * unit - multiplier * self.at_least[:, 0]
            allows = self.below[:, 1] * unit - 1 - multiplier * self.below[:, 0]
            low, high = int(needs.max(initial=-room)), int(allows.min(initial=room))
            offset = low + (high - low) // 2
            if low <= high and abs(offset) < room:
                return multiplier, offset
        return None
