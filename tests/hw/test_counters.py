"""Counters that share an adder: every event counted, halves of one instant, starts at any time."""

from __future__ import annotations

import pytest

from hw.counters import Counters
from tests.hw.streams import simulate


@pytest.mark.parametrize("count", [2, 4, 8, 16])
def test_every_event_counts(rng, count: int) -> None:
    """Random events, dense and sparse, against integers; the counters start again now and then."""
    first = {0: 1, count - 1: 63}
    dut = Counters(count=count, first=first)
    model = [0] * count
    busy = rng.randrange(2)  # a counter is asked for as often as may be
    seen: dict[int, int] = {}

    async def drive(ctx) -> None:
        nonlocal model
        low, taken, earlier = 0, False, [model, model]
        density, started = 0, 0
        for cycle in range(6000):
            if cycle % 200 == 0:
                density = rng.choice([0, 1, 6, 10])
            clear = rng.randrange(300) == 0 or cycle == 3
            word = sum((rng.randrange(10) < density) << n for n in range(count))
            ctx.set(dut.events, word)
            ctx.set(dut.clear, clear)
            asks = busy and cycle % 4 == 3
            ctx.set(dut.wanted, asks)
            ctx.set(dut.asked, rng.randrange(count))
            index = ctx.get(dut.index)
            if not ctx.get(dut.high):
                low, taken, wanted = ctx.get(dut.value), True, earlier[0][index]
            elif taken and started < cycle - 3:
                assert ctx.get(dut.value) << 32 | low == wanted, (cycle, index)
                seen[index] = max(seen.get(index, 0), wanted)
            await ctx.tick()
            earlier = [earlier[1], model]
            model = [value + (word >> n & 1) for n, value in enumerate(model)]
            if clear:
                model, started = [first.get(n, 0) for n in range(count)], cycle

    simulate(dut, drive, limit=7000)
    assert min(seen.values()) > 128, "carries were seen"


def test_carries_reach_the_highest_bit(rng) -> None:
    dut = Counters(count=2)

    async def drive(ctx) -> None:
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        await ctx.tick().repeat(8)
        await ctx.tick().until((dut.index == 0) & dut.high)  # and counter 1 is half done
        for half, word in enumerate((0xFFFFFFFF, 0x7FFFFFFF)):  # of counter 0
            ctx.set(dut.words.data[half], word)
        ctx.set(dut.events, 1)
        await ctx.tick().repeat(64)
        ctx.set(dut.events, 0)
        await ctx.tick().repeat(8)
        await ctx.tick().until((dut.index == 1) & dut.high)
        low = ctx.get(dut.value)
        await ctx.tick()
        assert (ctx.get(dut.value), low) == (1 << 31, 0)

    simulate(dut, drive)


@pytest.mark.parametrize("count", [0, 1, 3, 32])
def test_how_many_there_may_be(count: int) -> None:
    with pytest.raises(ValueError, match=f"count must be a power of two, 2 to 16: {count}"):
        Counters(count=count)
