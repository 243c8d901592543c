"""Snapped requantizers against exact rational arithmetic."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from ir.errors import UnsupportedModelError
from ir.golden import requantize
from ir.nodes import MULTIPLIER, OFFSET, Requantize
from quant.requantizer import SUM_LIMIT, Requantizer, snap_requantizer


def apply(rule: Requantizer, acc: np.ndarray) -> np.ndarray:
    """acc: (N, C) -> (N, C), through the golden model."""
    node = Requantize("r", "s", "y", rule.multiplier, rule.offset, rule.shift, rule.lo, rule.hi)
    return requantize(acc[:, :, np.newaxis, np.newaxis], node)[:, :, 0, 0]


@pytest.mark.parametrize("seed", range(6))
def test_close_to_exact_arithmetic(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reach = int(rng.integers(50, 200_000))
    gain = rng.uniform(0.2, 1.0, 8) * 255 / reach * rng.choice([-1, 1], 8)
    offset = rng.uniform(-40, 40, 8)
    rule = snap_requantizer("conv", gain, offset, reach=reach, lo=0, hi=255)
    acc = rng.integers(-reach, reach + 1, (2000, 8))
    found = apply(rule, acc)
    wrong = 0
    for row, channel in np.ndindex(*acc.shape):
        m, c = Fraction(float(gain[channel])), Fraction(float(offset[channel]))
        exact = int(acc[row, channel]) * m + c
        wanted = min(max(floor(exact + Fraction(1, 2)), 0), 255)
        assert abs(found[row, channel] - wanted) <= 1
        wrong += found[row, channel] != wanted
    assert wrong / acc.size < 0.02  # M has 15 bits, and 8-bit results sit near a tie now and then


def test_shift_is_the_largest_that_fits() -> None:
    rule = snap_requantizer("conv", np.array([0.3, -0.001]), np.zeros(2), reach=1000, lo=0, hi=15)
    assert rule.shift == 16  # 0.3 * 2^16 = 19661 fits 16 bits, 0.3 * 2^17 does not
    assert rule.multiplier.tolist() == [19661, -66]
    assert rule.offset.tolist() == [1 << 15, 1 << 15]


def test_rounding_is_half_up_at_shift_zero_too() -> None:
    rule = snap_requantizer("conv", np.array([20000.0]), np.array([2.5]), reach=3, lo=-9, hi=99999)
    assert (rule.shift, rule.offset.tolist()) == (0, [3])


@pytest.mark.parametrize("reach", [1, 1 << 10, 1 << 25, 1 << 31])
def test_everything_fits_its_field(reach: int) -> None:
    rng = np.random.default_rng(reach)
    gain = rng.uniform(-1, 1, 16) * 10.0 ** rng.uniform(-9, 2, 16)
    offset = rng.uniform(-1, 1, 16) * 10.0 ** rng.uniform(-3, 12, 16)
    rule = snap_requantizer("conv", gain, offset, reach=reach, lo=-128, hi=127)
    assert MULTIPLIER.contains(rule.multiplier).all() and OFFSET.contains(rule.offset).all()
    assert (np.abs(rule.multiplier) * reach + np.abs(rule.offset)).max() < SUM_LIMIT


def test_a_huge_offset_saturates_without_costing_precision() -> None:
    rule = snap_requantizer(
        "conv", np.array([0.01, 0.01]), np.array([1e15, 3.0]), reach=100, lo=0, hi=15
    )
    assert rule.shift == 21
    found = apply(rule, np.array([[-100, -100], [100, 100]]))
    assert found.tolist() == [[15, 2], [15, 4]]


def test_gain_that_does_not_fit() -> None:
    with pytest.raises(UnsupportedModelError, match="layer 'conv1': gain 4e.04 does not fit a 16-"):
        snap_requantizer("conv1", np.array([4e4]), np.zeros(1), reach=1, lo=0, hi=1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(value: float) -> None:
    with pytest.raises(UnsupportedModelError, match="layer 'conv1': .* not finite"):
        snap_requantizer("conv1", np.array([value]), np.zeros(1), reach=1, lo=0, hi=1)
    with pytest.raises(UnsupportedModelError, match="layer 'conv1': .* not finite"):
        snap_requantizer("conv1", np.ones(1), np.array([value]), reach=1, lo=0, hi=1)
