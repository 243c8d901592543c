"""Rules that compute a function of the sums exactly, on every sum."""

from collections.abc import Callable

import numpy as np
import pytest

from codegen.staircase import Staircase, exact_rule, find_staircase, nearest_rule
from ir.golden import run_node
from ir.nodes import Pieces, Requantize, Rule, Threshold
from ir.precision import Precision

NAMES = ("r", "s", "y")
Levels = Callable[[np.ndarray], np.ndarray]


def codes_of(rule: Rule, acc: np.ndarray) -> np.ndarray:
    """acc: (C, sums) -> (C, sums)."""
    return run_node(rule, acc.T[:, :, np.newaxis, np.newaxis])[:, :, 0, 0].T


def stairs_of(
    levels: Levels, sign: np.ndarray, reach: tuple[int, int], limits: Precision
) -> Staircase:
    low, high = reach
    return find_staircase(levels, sign, low=low, high=high, lo=limits.min, hi=limits.max)


def affine(gain: np.ndarray, offset: np.ndarray, limits: Precision) -> Levels:
    """round-half-even(gain * acc + offset), clipped, in float32."""

    def levels(acc: np.ndarray) -> np.ndarray:
        x = acc.astype(np.float32) * gain[:, np.newaxis] + offset[:, np.newaxis]
        return np.rint(np.clip(x, limits.min, limits.max)).astype(np.int64)

    return levels


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("signed", [False, True])
def test_exact_on_every_sum(bits: int, signed: bool) -> None:
    """Gains of both signs; sums from a few to thousands."""
    rng = np.random.default_rng(bits)
    limits, reach = Precision(bits + signed * (bits == 1), signed), (-3000, 2000)
    for spread in (0.5, 0.05):
        gain = rng.uniform(0.3, 1.0, 6) * rng.choice([-1, 1], 6) * spread
        levels = affine(gain.astype(np.float32), rng.normal(size=6).astype(np.float32), limits)
        stairs = stairs_of(levels, np.sign(gain), reach, limits)
        rule = exact_rule(stairs, limits, names=NAMES)
        assert rule is not None
        acc = np.tile(np.arange(reach[0], reach[1] + 1), (6, 1))
        assert np.array_equal(codes_of(rule, acc), levels(acc))


def test_ties_of_half_even_need_more_than_a_line() -> None:
    """acc / 4: 2 rounds down, 6 rounds up. No line does both, pieces or thresholds do."""
    limits = Precision(3, True)
    levels = affine(np.array([0.25], np.float32), np.zeros(1, np.float32), limits)
    stairs = stairs_of(levels, np.ones(1), (-20, 20), limits)
    assert stairs.thresholds.tolist() == [[-13, -10, -5, -2, 3, 6, 11]]
    rule = exact_rule(stairs, limits, names=NAMES)
    assert isinstance(rule, Pieces | Threshold)
    acc = np.arange(-20, 21)[np.newaxis]
    assert np.array_equal(codes_of(rule, acc), np.clip(np.rint(acc / 4), -4, 3))


def test_half_up_is_one_line() -> None:
    limits = Precision(4, True)

    def levels(acc: np.ndarray) -> np.ndarray:
        return np.clip(np.floor(acc / 4 + 0.5), limits.min, limits.max).astype(np.int64)

    rule = exact_rule(stairs_of(levels, np.ones(1), (-99, 99), limits), limits, names=NAMES)
    assert isinstance(rule, Requantize)
    acc = np.arange(-99, 100)[np.newaxis]
    assert np.array_equal(codes_of(rule, acc), levels(acc))


def test_any_monotone_function_of_few_bits() -> None:
    rng = np.random.default_rng(2)
    limits = Precision(4, False)
    edges = np.sort(rng.integers(-500, 500, (5, 15)), axis=1)

    def levels(acc: np.ndarray) -> np.ndarray:
        return (acc[:, :, np.newaxis] >= edges[:, np.newaxis]).sum(axis=2)

    stairs = stairs_of(levels, np.ones(5), (-300, 300), limits)
    rule = exact_rule(stairs, limits, names=NAMES)
    assert rule is not None
    acc = np.tile(np.arange(-300, 301), (5, 1))
    assert np.array_equal(codes_of(rule, acc), levels(acc))


def test_channels_that_are_constant() -> None:
    limits = Precision(8, True)
    levels = affine(np.zeros(2, np.float32), np.array([-5, 300], np.float32), limits)
    rule = exact_rule(stairs_of(levels, np.zeros(2), (-9, 9), limits), limits, names=NAMES)
    assert isinstance(rule, Requantize)
    acc = np.tile(np.arange(-9, 10), (2, 1))
    assert (codes_of(rule, acc) == [[-5], [127]]).all()


def test_no_rule_rather_than_one_that_differs() -> None:
    rng = np.random.default_rng(3)
    limits, reach = Precision(8, True), (-2_000_000, 2_000_000)
    gain = rng.uniform(1e-5, 1e-4, 4).astype(np.float32)
    levels = affine(gain, rng.normal(size=4).astype(np.float32), limits)
    stairs = stairs_of(levels, np.ones(4), reach, limits)
    assert exact_rule(stairs, limits, names=NAMES) is None
    rule, off, most = nearest_rule(stairs, names=NAMES)
    acc = np.linspace(*reach, 1 << 14, axis=0).astype(np.int64) * np.ones((4, 1), np.int64)
    wrong = codes_of(rule, acc) != levels(acc)
    assert most == 1 and 0 < wrong.sum() == off < 0.02 * wrong.size
