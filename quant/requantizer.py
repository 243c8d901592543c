"""Real-valued gain and offset per channel, snapped to the integers of the device's requantizer.

    y = clip((acc * M_c + B_c) >> n, lo, hi)
    M = round(m * 2^n) (16 bits),  B = round(c * 2^n) + 2^(n-1) (48 bits),  n as large as fits the
    layer

so that y = round_half_up(m * acc + c), clipped, up to the rounding of M and B. After snapping these
integers *are* the network: nothing refers to m and c any more.
"""

from dataclasses import dataclass

import numpy as np

from ir.errors import UnsupportedModelError, shorten
from ir.nodes import MAX_SHIFT, MULTIPLIER, OFFSET

SUM_LIMIT = 1 << 47  # |acc * M + B| stays below it: exact in float64, and 48 bits in hardware


@dataclass(frozen=True, kw_only=True, eq=False)
class Requantizer:
    """multiplier, offset: (C,) int64; shift 0..47; lo, hi: clip range, codes."""

    multiplier: np.ndarray
    offset: np.ndarray
    shift: int
    lo: int
    hi: int


def snap_requantizer(
    layer: str, gain: np.ndarray, offset: np.ndarray, *, reach: int, lo: int, hi: int
) -> Requantizer:
    """The integers for y = clip(round(gain * acc + offset), lo, hi) with the largest n that fits.

    gain, offset: (C,) float64; reach: greatest |acc|. UnsupportedModelError names the layer when
    not even n = 0 fits, or a value is no number.
    """
    if not (np.isfinite(gain).all() and np.isfinite(offset).all()):
        raise UnsupportedModelError(
            f"layer {shorten(layer)}: a weight, scale or batch norm value is not finite; retrain"
        )
    # An offset beyond what the clip can show changes no output, but would cost bits of n.
    swing = np.abs(gain) * reach
    bounded = np.clip(offset, lo - 1 - swing, hi + 1 + swing)
    for shift in range(MAX_SHIFT, -1, -1):
        multiplier, rounding = _at_shift(gain, bounded, shift)
        if _fits(multiplier, rounding, reach):
            return Requantizer(
                multiplier=multiplier.astype(np.int64),
                offset=rounding.astype(np.int64),
                shift=shift,
                lo=lo,
                hi=hi,
            )
    raise UnsupportedModelError(
        f"layer {shorten(layer)}: gain {np.abs(gain).max():.3g} does not fit a 16-bit multiplier; "
        "its batch norm or step sizes have diverged"
    )


def identity_requantizer(bias: np.ndarray, *, lo: int, hi: int) -> Requantizer:
    """Raw sums plus an integer bias, for the network's output. bias: (C,) int64."""
    return Requantizer(
        multiplier=np.ones(len(bias), dtype=np.int64), offset=bias, shift=0, lo=lo, hi=hi
    )


def _at_shift(gain: np.ndarray, offset: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """M and B at one n, still float64 so that what does not fit does not wrap."""
    half = 2.0 ** (shift - 1) if shift else 0.0
    unit = 2.0**shift
    return np.floor(gain * unit + 0.5), np.floor(offset * unit + 0.5) + half


def _fits(multiplier: np.ndarray, offset: np.ndarray, reach: int) -> bool:
    return bool(
        (multiplier >= MULTIPLIER.min).all()
        and (multiplier <= MULTIPLIER.max).all()
        and (offset >= OFFSET.min).all()
        and (offset <= OFFSET.max).all()
        and (np.abs(multiplier) * reach + np.abs(offset) < SUM_LIMIT).all()
    )
