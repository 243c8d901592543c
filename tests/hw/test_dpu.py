"""The dot-product unit against one line of Python, and its accumulator at both ends."""

import pytest

from hw.dpu import DPU, STEP_DELAY, latency
from tests.hw.streams import simulate

Word = tuple[int, int, int, int, int, int]  # lhs, rhs, valid, clear, shift, negate


def wrap(value: int, bits: int) -> int:
    """Two's complement of `bits` bits."""
    return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


def model(words: list[Word], acc_bits: int) -> list[int]:
    """The accumulator after each word."""
    acc, values = 0, []
    for lhs, rhs, valid, clear, shift, negate in words:
        if valid:
            count = (lhs & rhs).bit_count()
            acc = wrap((0 if clear else acc << shift) + (-count if negate else count), acc_bits)
        values.append(acc)
    return values


def run(words: list[Word], lanes: int, acc_bits: int) -> list[int]:
    """The accumulator latency(lanes) cycles after each word, with the step STEP_DELAY later."""
    dut, delay = DPU(lanes=lanes, acc_bits=acc_bits), STEP_DELAY(lanes)

    async def drive(ctx) -> None:
        for index in range(len(words) + latency(lanes)):
            lhs, rhs = words[index][:2] if index < len(words) else (0, 0)
            ctx.set(dut.lhs, lhs)
            ctx.set(dut.rhs, rhs)
            step = words[index - delay][2:] if 0 <= index - delay < len(words) else (0, 0, 0, 0)
            ctx.set(dut.step, dict(zip(("valid", "clear", "shift", "negate"), step, strict=True)))
            await ctx.tick()

    cycles = simulate(dut, drive, trace={"acc": dut.acc})
    return [cycle["acc"] for cycle in cycles[latency(lanes) :]][: len(words)]


@pytest.mark.parametrize(("lanes", "acc_bits"), [(1, 4), (5, 12), (16, 8), (64, 32)])
def test_random_steps(rng, lanes: int, acc_bits: int) -> None:
    words = [
        (rng.getrandbits(lanes), rng.getrandbits(lanes), *(rng.randrange(2) for _ in range(4)))
        for _ in range(100)
    ]
    got = run([(1, 1, 1, 1, 0, 0), *words], lanes, acc_bits)
    assert got == model([(1, 1, 1, 1, 0, 0), *words], acc_bits)


@pytest.mark.parametrize("negate", [0, 1])
def test_accumulator_reaches_its_ends_and_wraps_beyond(negate: int) -> None:
    """Fifteen fours are 60; then ones up to 127, or down to -128, and one more."""
    words = [(15, 15, 1, int(i == 0), 0, negate) for i in range(31)]
    words += [(1, 1, 1, 0, 0, negate)] * (5 if negate else 4)
    got = run(words, 4, 8)
    assert got[30] == (-124 if negate else 124)
    assert got[-2] == (-128 if negate else 127)
    assert got[-1] == (127 if negate else -128)
