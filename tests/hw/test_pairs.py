"""Digit pairs: each once, distances rising, shifts that make up the difference."""

from itertools import product

import pytest

from hw.config import OverlayConfig
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from hw.pairs import PairWalk
from tests.hw.streams import simulate

SIZES = {"dm": 1, "dk": 4, "dn": 1, "memory_bits": 64}
CONFIGS = [
    BitSerial(**SIZES),
    *(BitSlice(p=p, q=q, **SIZES) for p, q in product((1, 2, 4), repeat=2) if (p, q) != (1, 1)),
]


async def settle(ctx, dut: PairWalk) -> None:
    """The instruction has come to stand; its first word is the next one."""
    for strobe in (dut.begin, dut.settle):
        ctx.set(strobe, 1)
        await ctx.tick()
        ctx.set(strobe, 0)


def pairs_seen(config: OverlayConfig, w_digits: int, a_digits: int) -> list[tuple[int, int, int]]:
    """(weight plane, activation plane, shift) of every pair, for a layer of one word a pair."""
    dut = PairWalk(config=config)
    seen = []

    async def drive(ctx) -> None:
        now = {"taps": 1, "chunks": 1, "k_words": 1, "plane_words": 1, "a_digits": a_digits}
        ctx.set(dut.now, now)
        ctx.set(dut.digits, w_digits)
        ctx.set(dut.following, w_digits)
        await settle(ctx, dut)
        ctx.set(dut.issue, 1)
        for tile in range(2):
            for pair in range(w_digits * a_digits):
                await ctx.delay(0.1e-6)
                last = pair + 1 == w_digits * a_digits
                assert ctx.get(dut.turn_end) == last and ctx.get(dut.clear) == (pair == 0)
                place = (ctx.get(dut.lhs), ctx.get(dut.rhs), ctx.get(dut.shift))
                assert ctx.get(dut.lhs_top) == (place[0] == 0)
                assert ctx.get(dut.rhs_top) == (place[1] == 0)
                if tile == 1:
                    seen.append(place)
                await ctx.tick()

    simulate(dut, drive)
    return seen


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.p}x{c.q}")
def test_every_number_of_digits(config: OverlayConfig) -> None:
    unit = min(config.p, config.q)
    for w_digits, a_digits in product(range(1, 8 // config.p + 1), range(1, 8 // config.q + 1)):
        seen = pairs_seen(config, w_digits, a_digits)
        assert {(i, j) for i, j, _ in seen} == set(product(range(w_digits), range(a_digits)))
        distance = 0
        for i, j, shift in seen:
            distance += shift * unit
            assert i * config.p + j * config.q == distance
            assert shift * unit <= max(config.p, config.q)


def test_words_of_a_pair_with_pauses(rng) -> None:
    taps, chunks = 3, 2
    dut = PairWalk(config=CONFIGS[0])
    words = [(tap, chunk) for tap in range(taps) for chunk in range(chunks)]
    planes = [(0, 0), (0, 1), (1, 0), (1, 1)]
    ends = [(c + 1 == chunks, (t + 1, c + 1) == (taps, chunks)) for t, c in words]
    places = [(6 * i + t * chunks + c, 9 * j + c) for i, j in planes for t, c in words]
    expected = [(*end, *place) for end, place in zip(4 * ends, places, strict=True)]
    seen = []

    async def drive(ctx) -> None:
        now = {"taps": taps, "chunks": chunks, "k_words": 6, "plane_words": 9, "a_digits": 2}
        ctx.set(dut.now, now)
        ctx.set(dut.digits, 2)
        ctx.set(dut.following, 2)
        await settle(ctx, dut)
        while len(seen) < 2 * len(expected):
            issue = rng.randrange(3) > 0
            ctx.set(dut.issue, issue)
            await ctx.delay(0.1e-6)
            end = len(seen) % len(expected) + 1 == len(expected)
            assert ctx.get(dut.turn_end) == end
            if issue:
                seen.append(
                    tuple(ctx.get(s) for s in (dut.chunk_end, dut.pair_end, dut.lhs, dut.rhs))
                )
            await ctx.tick()

    simulate(dut, drive)
    assert seen == 2 * expected
