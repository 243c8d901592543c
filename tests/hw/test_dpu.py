"""The dot-product unit of every pair of digit widths against one line of Python."""

from __future__ import annotations

import pytest

from hw.dpu import DPU, latency, step_delay
from hw.fabric import PORTABLE
from sim_tests.dpu_model import Word, model, packed, random_word
from tests.hw.streams import simulate

DIGITS = [(p, q) for p in (1, 2, 4) for q in (1, 2, 4)] + [(8, 8)]
BEHAVIOURAL = [PORTABLE, "ice40"]
"""Fabrics whose units hold no cells: those with cells are simulated in tests/sim_tests."""


def run(words: list[Word], p: int, q: int, acc_bits: int, *, fabric: str = PORTABLE) -> list[int]:
    """The accumulator latency cycles after each word; steps[i] is the step i cycles later."""
    lanes = len(words[0].lhs)
    dut = DPU(lanes=lanes, p=p, q=q, acc_bits=acc_bits, fabric=fabric)
    delay, late = step_delay(lanes, p, q, fabric), latency(lanes, p, q, fabric)
    idle = Word(lhs=[0] * lanes, rhs=[0] * lanes, valid=0)

    async def drive(ctx) -> None:
        for index in range(len(words) + late):
            word = words[index] if index < len(words) else idle
            ctx.set(dut.lhs, packed(word.lhs, p))
            ctx.set(dut.rhs, packed(word.rhs, q))
            for place in range(delay + 1):
                known = 0 <= index - place < len(words)
                ctx.set(dut.steps[place], (words[index - place] if known else idle).step)
            await ctx.tick()

    cycles = simulate(dut, drive, trace={"acc": dut.acc})
    return [cycle["acc"] for cycle in cycles[late:]][: len(words)]


@pytest.mark.parametrize(("p", "q"), DIGITS)
@pytest.mark.parametrize(("lanes", "acc_bits"), [(1, 32), (5, 12), (16, 24)])
@pytest.mark.parametrize("fabric", BEHAVIOURAL)
def test_random_steps(rng, p: int, q: int, lanes: int, acc_bits: int, fabric: str) -> None:
    words = [random_word(rng, lanes, p, q) for _ in range(80)]
    assert run(words, p, q, acc_bits, fabric=fabric) == model(words, p, q, acc_bits)


@pytest.mark.parametrize(("p", "q"), DIGITS)
def test_largest_sums_of_every_sign(p: int, q: int) -> None:
    """All lanes at each pair of ends, whose sums are the largest that a word can have."""
    lanes = 7
    words = [
        Word(lhs=[x] * lanes, rhs=[y] * lanes, clear=1, lhs_signed=left, rhs_signed=right)
        for x in {0, 1 << (p - 1), (1 << p) - 1}
        for y in {0, 1 << (q - 1), (1 << q) - 1}
        for left in (0, 1)
        for right in (0, 1)
    ]
    got = run(words, p, q, 32)
    assert got == model(words, p, q, 32)
    assert max(got) == lanes * ((1 << p) - 1) * ((1 << q) - 1)
    low = (1 << (p - 1)) * ((1 << q) - 1), (1 << (q - 1)) * ((1 << p) - 1)
    assert min(got) == -lanes * max(low)


def test_sixty_four_lanes(rng) -> None:
    words = [random_word(rng, 64, 1, 1) for _ in range(40)]
    assert run(words, 1, 1, 32) == model(words, 1, 1, 32)


@pytest.mark.parametrize("negative", [0, 1])
def test_accumulator_reaches_its_ends_and_wraps_beyond(negative: int) -> None:
    """Thirty-one fours are 124; then ones up to 127, or down to -128, and one more."""
    words = [
        Word(lhs=[1] * 4, rhs=[1] * 4, clear=int(i == 0), lhs_signed=negative) for i in range(31)
    ]
    words += [Word(lhs=[1, 0, 0, 0], rhs=[1] * 4, lhs_signed=negative)] * (5 if negative else 4)
    got = run(words, 1, 1, 8)
    assert got[30] == (-124 if negative else 124)
    assert got[-2] == (-128 if negative else 127)
    assert got[-1] == (127 if negative else -128)


@pytest.mark.parametrize(("p", "q"), [(1, 1), (2, 2), (4, 1)])
def test_only_the_last_sum_must_fit(p: int, q: int) -> None:
    """Sums on the way that wrap do no harm: ten times 14 minus 9 times 14 fits 5 bits."""
    words = [Word(lhs=[1] * 14, rhs=[1] * 14, clear=int(i == 0)) for i in range(10)]
    minus = (1 << p) - 1  # -1 as a signed digit
    words += [Word(lhs=[minus] * 14, rhs=[1] * 14, lhs_signed=1) for _ in range(9)]
    assert run(words, p, q, 5)[-1] == 14


@pytest.mark.parametrize(
    ("lanes", "p", "q", "cycles"),
    [(4, 1, 1, 2), (64, 1, 1, 4), (64, 1, 4, 5), (64, 2, 2, 5), (64, 4, 4, 6), (16, 8, 8, 5)],
)
def test_latency(lanes: int, p: int, q: int, cycles: int) -> None:
    assert latency(lanes, p, q) == cycles


@pytest.mark.parametrize(
    ("fabric", "lanes", "p", "q", "cycles"),
    [
        ("xc7", 64, 1, 1, 6),
        ("xc7", 64, 2, 2, 8),
        ("xcup", 64, 1, 1, 6),
        ("ecp5", 64, 1, 1, 8),
        ("ecp5", 64, 2, 2, 9),
        ("ecp5", 16, 8, 8, 10),
        ("ice40", 16, 1, 1, 6),
    ],
)
def test_latency_of_other_fabrics(fabric: str, lanes: int, p: int, q: int, cycles: int) -> None:
    assert latency(lanes, p, q, fabric) == cycles
