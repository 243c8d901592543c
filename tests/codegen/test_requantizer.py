"""Rules on the device equal golden, on every sum."""

from dataclasses import replace

import numpy as np
import pytest

from codegen.requantizer import DeviceRule, check_elements, device_rule
from ir.errors import UnsupportedModelError
from ir.golden import pieces, requantize, threshold
from ir.graph import Conv, Layer, Pieces, Requantize, Rule, Threshold
from ir.precision import Precision, weight_precision

SUMS = Precision(20, True)
BIPOLAR, CODES = weight_precision(1), Precision(3, False)
CHANNELS = 5


def layer(rule: Rule) -> Layer:
    return Layer(Conv("c", "x", "s", np.ones((1, 1, 1, 1), np.int64), CODES), rule)


def on_the_device(rule: DeviceRule, acc: np.ndarray) -> np.ndarray:
    node = Requantize("r", "s", "y", rule.multiplier, rule.offset, rule.shift, rule.lo, rule.hi)
    return requantize(acc, node)


@pytest.mark.parametrize("shift", [1, 2, 9, 30])
def test_sums_of_bipolar_codes(shift: int) -> None:
    rng = np.random.default_rng(shift)
    node = Requantize(
        "r",
        "s",
        "y",
        rng.integers(-(1 << 15), 1 << 15, CHANNELS),
        rng.integers(-(1 << 40), 1 << 40, CHANNELS),
        shift,
        -100,
        100,
    )
    taken = rng.integers(-500, 500, CHANNELS)
    bits = rng.integers(-300, 300, (4, CHANNELS, 3, 3))
    found = on_the_device(device_rule(layer(node), SUMS, taken, BIPOLAR), bits)
    acc = 2 * bits - taken.reshape(-1, 1, 1)
    assert np.array_equal(found, requantize(acc, node))
    plain = device_rule(layer(node), SUMS, taken, CODES)
    assert np.array_equal(on_the_device(plain, acc), requantize(acc, node))


def test_raw_sums_of_bipolar_codes() -> None:
    ones, taken = np.ones(2, np.int64), np.array([3, -4])
    node = Requantize("r", "s", "y", ones, 5 * ones, 0, -(1 << 31), (1 << 31) - 1)
    bits = np.arange(-8, 8).reshape(4, 2, 2, 1)
    rule = device_rule(layer(node), SUMS, taken, BIPOLAR)
    assert np.array_equal(on_the_device(rule, bits), 2 * bits - taken.reshape(2, 1, 1) + 5)
    steep = Requantize("r", "s", "y", (1 << 14) * ones, ones, 0, 0, 7)
    with pytest.raises(
        UnsupportedModelError, match="'c': its requantizer does not fit the sums of"
    ):
        device_rule(layer(steep), SUMS, taken, BIPOLAR)


@pytest.mark.parametrize("bipolar", [False, True])
@pytest.mark.parametrize(("base", "step"), [(-1, 2), (0, 1), (-1, 1), (-8, 1), (6, 1)])
def test_one_threshold(base: int, step: int, bipolar: bool) -> None:
    rng = np.random.default_rng(base + 10)
    limits = rng.integers(-40, 40, (CHANNELS, 1))
    limits[0], limits[1] = (1 << 47) - 1, -(1 << 47)  # never reached, always reached
    sign = np.array([1, 1, -1, 1, -1])
    node = Threshold("t", "s", "y", limits, sign, base, step)
    taken = rng.integers(-20, 20, CHANNELS)
    sums = rng.integers(-60, 60, (6, CHANNELS, 5, 5))
    acc = 2 * sums - taken.reshape(-1, 1, 1) if bipolar else sums
    rule = device_rule(layer(node), SUMS, taken, BIPOLAR if bipolar else CODES)
    found = on_the_device(rule, sums)
    assert np.array_equal(2 * found - 1 if step == 2 else found, threshold(acc, node))


@pytest.mark.parametrize("bipolar", [False, True])
@pytest.mark.parametrize(("base", "steps"), [(0, 3), (-4, 7), (-1, 2), (3, 12), (-8, 15)])
def test_several_thresholds_are_added_up(base: int, steps: int, bipolar: bool) -> None:
    rng = np.random.default_rng(steps)
    limits = np.sort(rng.integers(-40, 40, (CHANNELS, steps)), axis=1)
    limits[0, -1], limits[1, 0] = (1 << 47) - 1, -(1 << 47)  # never reached, always reached
    sign = np.array([1, 1, -1, 1, -1])
    node = Threshold("t", "s", "y", limits, sign, base)
    taken = rng.integers(-20, 20, CHANNELS)
    sums = rng.integers(-60, 60, (6, CHANNELS, 5, 5))
    acc = 2 * sums - taken.reshape(-1, 1, 1) if bipolar else sums
    rule = device_rule(layer(node), SUMS, taken, BIPOLAR if bipolar else CODES)
    assert rule.passes == steps
    terms = [
        replace(rule, multiplier=rule.multiplier[i], offset=rule.offset[i]) for i in range(steps)
    ]
    found = sum(on_the_device(term, sums) for term in terms)
    assert np.array_equal(found, threshold(acc, node))
    order = np.array([4, 2, 0, 1, 3])
    assert np.array_equal(rule.ordered(order).offset, rule.offset[:, order])


def test_elements_are_sums_that_fit() -> None:
    ones = np.ones(2, np.int64)
    rule = DeviceRule(
        multiplier=np.array([1, -2]),
        offset=np.array([5, -6]),
        shift=0,
        lo=-(1 << 31),
        hi=(1 << 31) - 1,
    )
    check_elements("c", rule, (-100, 100))
    check_elements("c", rule, (-(1 << 30) + 3, (1 << 30) - 3))
    for wrong, sums in (
        (replace(rule, shift=1), (-100, 100)),
        (replace(rule, lo=0), (-100, 100)),
        (replace(rule, offset=ones << 31), (0, 0)),
        (rule, (0, 1 << 30)),
    ):
        with pytest.raises(UnsupportedModelError, match="'c': 32-bit outputs are written as acc"):
            check_elements("c", wrong, sums)


@pytest.mark.parametrize("bipolar", [False, True])
@pytest.mark.parametrize(("count", "span", "base"), [(3, 85, 0), (4, 4, -8), (15, 17, -128)])
def test_pieces_are_added_up_in_eight_bits(count: int, span: int, base: int, bipolar: bool) -> None:
    rng = np.random.default_rng(count)
    multiplier = rng.integers(1, 1 << 15, (count, CHANNELS)) * rng.choice([-1, 1], CHANNELS)
    offset = rng.integers(-(1 << 30), 1 << 30, (count, CHANNELS))
    node = Pieces("p", "s", "y", multiplier, offset, 20, span, base)
    taken = rng.integers(-20, 20, CHANNELS)
    sums = rng.integers(-6000, 6000, (6, CHANNELS, 5, 5))
    acc = 2 * sums - taken.reshape(-1, 1, 1) if bipolar else sums
    rule = device_rule(layer(node), SUMS, taken, BIPOLAR if bipolar else CODES)
    assert -256 <= rule.lo < rule.hi <= 255  # of nine bits, signed
    terms = [
        replace(rule, multiplier=rule.multiplier[i], offset=rule.offset[i]) for i in range(count)
    ]
    found = sum(on_the_device(term, sums) for term in terms)
    assert np.array_equal(found % 256, pieces(acc, node) % 256)


def test_pieces_that_cannot_begin_where_they_should() -> None:
    ones = np.ones((2, CHANNELS), np.int64)
    node = Pieces("p", "s", "y", ones, ones, 3, 4, -7)
    with pytest.raises(UnsupportedModelError, match="p: 2 pieces cannot begin at code -7"):
        device_rule(layer(node), SUMS, ones[0], CODES)
