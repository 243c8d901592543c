"""Bursts under way: addresses and lengths in order, each answer for the right word."""

from collections import deque

from hw.bus.ledger import MOST_BURSTS, Ledger
from tests.hw.streams import simulate


def test_every_answer_is_for_the_oldest_word_owed(rng) -> None:
    """Bursts begin and words are answered at random, often in the same cycle, up to all of them."""
    dut = Ledger(word_bits=12)
    owed: deque[tuple[int, int]] = deque()  # of each burst: the next word, and how many are left
    seen = {"empty": 0, "full": 0, "both": 0}

    async def bench(ctx) -> None:
        for cycle in range(4000):
            busy = (cycle // 500) % 2  # the list fills up, then empties
            assert ctx.get(dut.empty) == (not owed)
            assert ctx.get(dut.full) == (len(owed) == MOST_BURSTS)
            if owed:
                word, left = owed[0]
                assert (ctx.get(dut.word), ctx.get(dut.last)) == (word % (1 << 12), left == 1)
            step = bool(owed) and rng.random() < (0.3 if busy else 0.9)
            take = step and owed[0][1] == 1
            put = len(owed) < MOST_BURSTS and rng.random() < (0.7 if busy else 0.3)
            word, beats = rng.randrange(1 << 12), rng.choice((1, 1, 2, 3, 5))
            seen["empty"] += not owed
            seen["full"] += len(owed) == MOST_BURSTS
            seen["both"] += put and take
            for signal, value in ((dut.put, put), (dut.step, step), (dut.take, take)):
                ctx.set(signal, value)
            ctx.set(dut.put_word, word)
            ctx.set(dut.put_length, beats - 1)
            if step:
                first, left = owed.popleft()
                if not take:
                    owed.appendleft((first + 1, left - 1))
            if put:
                owed.append((word, beats))
            await ctx.tick()

    simulate(dut, bench, limit=4100)
    assert min(seen.values()) > 50, seen
