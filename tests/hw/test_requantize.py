"""The requantizer against Python's unbounded integers, at every extreme."""

from itertools import pairwise, product

import pytest

from hw.fabric import FABRICS
from hw.requantize import REQUANTIZE_LATENCY, Requantizer
from ir.isa import PARAM
from tests.hw.streams import simulate

CODES = (-(1 << 8), (1 << 8) - 1)
ELEMENTS = {"elements": 1, "lo": 0, "hi": 0}


def model(acc: int, column_sum: int, param: dict[str, int], settings: dict[str, int]) -> int:
    """clip((acc * M + B) >> n, lo, hi), or the low bits of acc * M + B."""
    value = 2 * acc - column_sum if settings["bipolar"] else acc
    total = value * param["multiplier"] + param["offset"]
    if settings["elements"]:
        return (total + (1 << 31)) % (1 << 32) - (1 << 31)
    code = total >> settings["shift"]
    return max(settings["lo"], min(settings["hi"], code))


def check(
    acc_bits: int,
    inputs: list[tuple[int, int, dict[str, int]]],
    settings: dict,
    *,
    column_sums: bool = True,
    multiplier_bits: int = 25,
) -> None:
    """One input a cycle, its parameters a cycle ahead, its code REQUANTIZE_LATENCY behind."""
    dut = Requantizer(acc_bits=acc_bits, column_sums=column_sums, multiplier_bits=multiplier_bits)

    async def drive(ctx) -> None:
        for name, value in settings.items():
            ctx.set(getattr(dut, name), value)
        ctx.set(dut.param, inputs[0][2])
        await ctx.tick()
        stream = [*inputs, *inputs[:1] * (REQUANTIZE_LATENCY + 1)]
        for (acc, column_sum, _), (_, _, param) in pairwise(stream):
            ctx.set(dut.acc, acc)
            ctx.set(dut.column_sum, column_sum)
            ctx.set(dut.param, param)
            await ctx.tick()

    cycles = simulate(dut, drive, trace={"code": dut.code})
    codes = [cycle["code"] for cycle in cycles[1 + REQUANTIZE_LATENCY :]][: len(inputs)]
    expected = settings if column_sums else settings | {"bipolar": 0}
    assert codes == [model(*one, expected) for one in inputs]


@pytest.mark.parametrize(("acc_bits", "multiplier_bits"), [(4, 25), (16, 18), (17, 18), (32, 25)])
@pytest.mark.parametrize("bipolar", [0, 1])
@pytest.mark.parametrize("shift", [0, 1, 17, 47])
def test_extremes(acc_bits: int, multiplier_bits: int, bipolar: int, shift: int) -> None:
    ends = [-(1 << (acc_bits - 1)), -1, 0, 1, (1 << (acc_bits - 1)) - 1]
    sums = ends if bipolar else [0]
    multipliers = [*PARAM["multiplier"].range, 0, 1, -1]
    offsets = [*PARAM["offset"].range, 0]
    inputs = [
        (acc, column_sum, {"multiplier": m, "offset": b})
        for acc, column_sum, m, b in product(ends, sums, multipliers, offsets)
    ]
    settings = {"bipolar": bipolar, "shift": shift, "elements": 0, "lo": CODES[0], "hi": CODES[1]}
    check(acc_bits, inputs, settings, multiplier_bits=multiplier_bits)
    check(acc_bits, inputs, settings | ELEMENTS, multiplier_bits=multiplier_bits)


@pytest.mark.parametrize("limits", [(0, 255), (-128, 127), (0, 0), (-1, 0), CODES, (5, 6)])
def test_random_values_and_limits(rng, limits: tuple[int, int]) -> None:
    shift = rng.randrange(48)
    inputs = [
        (
            rng.randrange(-(1 << 23), 1 << 23),
            rng.randrange(-(1 << 23), 1 << 23),
            {name: rng.randint(*field.range) for name, field in PARAM.items()},
        )
        for _ in range(150)
    ]
    settings = {"bipolar": rng.randrange(2), "elements": 0, "shift": shift}
    check(24, inputs, settings | {"lo": limits[0], "hi": limits[1]})


@pytest.mark.parametrize("multiplier_bits", sorted({f.multiplier_bits for f in FABRICS.values()}))
@pytest.mark.parametrize("acc_bits", [12, 18, 19, 24, 25, 26, 32])
def test_without_column_sums_no_sum_is_bipolar(rng, acc_bits: int, multiplier_bits: int) -> None:
    """Two bits fewer: so much longer are the sums that the lower product takes all of."""
    inputs = [
        (
            rng.choice([-(1 << (acc_bits - 1)), (1 << (acc_bits - 1)) - 1, rng.randrange(-99, 99)]),
            rng.randrange(-99, 99),
            {name: rng.randint(*field.range) for name, field in PARAM.items()},
        )
        for _ in range(100)
    ]
    settings = {"bipolar": 1, "shift": rng.randrange(24), "lo": CODES[0], "hi": CODES[1]}
    settings["elements"] = 0
    check(acc_bits, inputs, settings, column_sums=False, multiplier_bits=multiplier_bits)


@pytest.mark.parametrize("shift", range(48))
def test_values_around_the_limits_at_every_shift(rng, shift: int) -> None:
    inputs = []
    for code in (-257, -256, -129, -1, 0, 127, 255, 256, 1 << 12, -(1 << 12), 1 << 20, -(1 << 30)):
        for off in (-1, 0, 1, (1 << shift) - 1):
            acc, multiplier = rng.randrange(-999, 999), rng.randrange(-9, 9)
            offset = (code << shift) + off - acc * multiplier
            if PARAM["offset"].range[0] <= offset <= PARAM["offset"].range[1]:
                inputs.append((acc, 0, {"multiplier": multiplier, "offset": offset}))
    settings = {"bipolar": 0, "elements": 0, "shift": shift, "lo": CODES[0], "hi": CODES[1]}
    check(24, inputs, settings)
    check(24, inputs, settings | {"lo": -128, "hi": 127})


@pytest.mark.parametrize(("acc", "code"), [(5, 1), (6, 2), (-5, -1), (-6, -1), (-7, -2)])
def test_half_an_lsb_in_the_offset_rounds_half_up(acc: int, code: int) -> None:
    """acc / 4 with B = 2: 5/4 -> 1, 6/4 -> 2, -6/4 -> -1."""
    settings = {"bipolar": 0, "elements": 0, "shift": 2, "lo": -8, "hi": 7}
    param = {"multiplier": 1, "offset": 2}
    assert model(acc, 0, param, settings) == code
    check(8, [(acc, 0, param)], settings)
