"""Rules as the device's requantizer computes them, exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ir.errors import UnsupportedModelError
from ir.graph import Layer, Pieces, Requantize, Threshold
from ir.nodes import INT32, MULTIPLIER, OFFSET
from ir.precision import MAX_OPERAND_BITS, Precision

SIGN_SHIFT = 40
"""Shifts a sum and its threshold out, so that only which of them is larger remains."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceRule:
    """y = clip((acc * M + B) >> shift, lo, hi), or the sum of several such.

    multiplier, offset: (M,) int64, or (terms, M).
    """

    multiplier: np.ndarray
    offset: np.ndarray
    shift: int
    lo: int
    hi: int

    def ordered(self, order: np.ndarray) -> DeviceRule:
        """Row i is channel order[i]'s."""
        multiplier, offset = self.multiplier[..., order], self.offset[..., order]
        return replace(self, multiplier=multiplier, offset=offset)

    @property
    def passes(self) -> int:
        """Terms of the sum."""
        return len(np.atleast_2d(self.multiplier))

    @property
    def fields(self) -> dict[str, int]:
        """Those of the result instruction."""
        return {"shift": self.shift, "lo": self.lo, "hi": self.hi}


def code_rule(rows: int, codes: Precision) -> DeviceRule:
    """The rule that keeps codes as they are; bipolar ones are bits on the device."""
    lo, hi = (0, 1) if codes.bipolar else (codes.min, codes.max)
    ones = np.ones(rows, np.int64)
    return DeviceRule(multiplier=ones, offset=0 * ones, shift=0, lo=lo, hi=hi)


def device_rule(
    layer: Layer, sums: Precision, taken: np.ndarray, activations: Precision
) -> DeviceRule:
    """The rule of a layer, channels in the graph's order.

    sums: precision of the layer's sums; taken: (M,) sum of each channel's weights; activations: of
    its input on the device. UnsupportedModelError when the requantizer cannot compute it.
    """
    node = layer.requantize
    match node:
        case Requantize():
            rule = _requantizer(node)
        case Pieces():
            rule = _straight_pieces(node)
        case Threshold():
            rule = _comparison(node, sums)
    return _folded(layer.name, rule, taken) if activations.bipolar else rule


def check_elements(layer: str, rule: DeviceRule, sums: tuple[int, int]) -> None:
    """UnsupportedModelError unless acc * M + B are 32-bit outputs as they are.

    sums: least and greatest. The device neither shifts nor clips such outputs.
    """
    ends = np.outer(sums, rule.multiplier) + rule.offset.ravel()
    limits = (INT32.min, INT32.max)
    if rule.shift or (rule.lo, rule.hi) != limits or not INT32.contains(ends).all():
        raise UnsupportedModelError(
            f"layer {layer!r}: 32-bit outputs are written as acc * M + B, which must fit 32 bits, "
            "without a shift or limits of their own; use a shift of 0 and smaller multipliers, or "
            "quantize the output to 8 bits or fewer"
        )


def _requantizer(node: Requantize) -> DeviceRule:
    return DeviceRule(
        multiplier=node.multiplier, offset=node.offset, shift=node.shift, lo=node.lo, hi=node.hi
    )


def _straight_pieces(node: Pieces) -> DeviceRule:
    """A requantizer for each piece, all with the limits a..a + span.

    The device adds codes in 8 bits, so that a need only fulfil pieces * a = base modulo 2^8.
    """
    count, period = len(node.multiplier), 1 << MAX_OPERAND_BITS
    lows = [
        low for low in range(-period // 2, period // 2) if (count * low - node.base) % period == 0
    ]
    if not lows:
        raise UnsupportedModelError(
            f"{node.name}: {count} pieces cannot begin at code {node.base}; an odd number of them "
            "can, or one that divides it"
        )
    low = min(lows, key=abs)
    return DeviceRule(
        multiplier=node.multiplier,
        offset=node.offset + (low << node.shift),
        shift=node.shift,
        lo=low,
        hi=low + node.span,
    )


def _comparison(node: Threshold, sums: Precision) -> DeviceRule:
    """One comparison for each threshold t: 0 where s * acc - t is negative, 1 elsewhere.

    (s * acc - t) >> n is -1 or 0 as long as both ends lie within 2^n. The first comparison adds the
    base. A bipolar output is the bit of its sign.
    """
    low = 0 if node.step == 2 else node.base
    reach = max(-sums.min, sums.max) + 1
    limits = np.clip(node.thresholds.T, -reach, reach)  # (terms, M)
    first = np.zeros((len(limits), 1), np.int64)
    first[0] = low
    return DeviceRule(
        multiplier=np.broadcast_to(node.sign, limits.shape),
        offset=((first + 1) << SIGN_SHIFT) - limits,
        shift=SIGN_SHIFT,
        lo=min(low, 0),
        hi=max(low + 1, 1),
    )


def _folded(name: str, rule: DeviceRule, taken: np.ndarray) -> DeviceRule:
    """The rule of 2 * S - taken, for sums S of the bits of bipolar activations.

    floor((2 S M + B) / 2^n) = floor((S M + floor(B / 2)) / 2^(n - 1)).
    """
    offset = rule.offset - taken * rule.multiplier
    if rule.shift:
        folded = replace(rule, offset=offset >> 1, shift=rule.shift - 1)
    else:
        folded = replace(rule, offset=offset, multiplier=2 * rule.multiplier)
    fits = MULTIPLIER.contains(folded.multiplier) & OFFSET.contains(folded.offset)
    if not fits.all():
        raise UnsupportedModelError(
            f"layer {name!r}: its requantizer does not fit the sums of bipolar activations; use a "
            "shift of 1 or more, and smaller multipliers"
        )
    return folded
