"""Bursts under way: addresses and lengths in order, each answer for the right word."""

from collections import deque

from hw.bus.ledger import MOST_BURSTS, Ledger
from tests.hw.streams import simulate


def test_every_answer_is_for_the_oldest_word_owed(rng) -> None:
    """Bursts begin and words are answered at random, often in the same cycle, up to all of them.

    A burst is shown for two cycles and noted in the second, in which it may be answered already.
    """
    dut = Ledger(word_bits=12)
    owed: deque[tuple[int, int]] = deque()  # of each burst: the next word, and how many are left
    seen = {"empty": 0, "full": 0, "both": 0, "at once": 0}

    async def bench(ctx) -> None:
        shown = None
        for cycle in range(6000):
            busy = (cycle // 500) % 2  # the list fills up, then empties
            assert ctx.get(dut.empty) == (not owed)
            assert ctx.get(dut.full) == (len(owed) == MOST_BURSTS)
            noted, shown = shown, None
            if not noted and len(owed) < MOST_BURSTS and rng.random() < (0.9 if busy else 0.4):
                shown = (rng.randrange(1 << 12), rng.choice((1, 1, 2, 3, 5)))
            word, beats = noted or shown or (rng.randrange(1 << 12), rng.randrange(1, 5))
            ctx.set(dut.put_word, word)
            ctx.set(dut.put_length, beats - 1)
            oldest = owed[0] if owed else noted
            if owed:
                assert ctx.get(dut.word) == owed[0][0] % (1 << 12)
            if oldest:
                assert ctx.get(dut.last) == (oldest[1] == 1)
            step = oldest is not None and rng.random() < (0.15 if busy else 0.9)
            take = step and oldest is not None and oldest[1] == 1
            seen["empty"] += not owed
            seen["full"] += len(owed) == MOST_BURSTS
            seen["both"] += bool(noted and take)
            seen["at once"] += bool(noted and step and not owed)
            for signal, value in ((dut.put, noted), (dut.step, step), (dut.take, take)):
                ctx.set(signal, bool(value))
            if noted:
                owed.append(noted)
            if step:
                first, left = owed.popleft()
                if not take:
                    owed.appendleft((first + 1, left - 1))
            await ctx.tick()

    simulate(dut, bench, limit=6100)
    assert min(seen.values()) > 50, seen
