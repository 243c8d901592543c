"""The gearbox: a string of bits in bus words, out in pieces, each in the earliest cycle."""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from hw.gearbox import Gearbox, shifted_down
from tests.hw.streams import Handshake, put, simulate, when

SIZES = [(32, 40, 8), (64, 64, 8), (64, 256, 8), (32, 45, 1), (64, 71, 1)]


def random_lengths(rng, memory_bits: int, piece_bits: int, grain: int) -> list[int]:
    """Pieces of any length of the grain; with whole bytes also strings of 1, 2 or 4 bits.

    Here and there a piece of no bits, which takes a cycle and nothing from the bus.
    """
    if grain == 8 and rng.randrange(2):
        short = rng.choice([1, 2, 4])
        return [short * (rng.randrange(8) > 0) for _ in range(200)]
    return [rng.randrange(0, piece_bits + 1, grain) for _ in range(60)]


def cut(lengths: list[int], flushes: list[bool], memory_bits: int, rng):
    """(words, pieces, words used up when each piece leaves) for random bits."""
    words: list[int] = []
    pieces, used, place = [], [], 0
    for length, flush in zip(lengths, flushes, strict=True):
        while len(words) * memory_bits < place + length:
            words.append(rng.getrandbits(memory_bits))
        string = sum(word << (index * memory_bits) for index, word in enumerate(words))
        pieces.append((string >> place) & ((1 << length) - 1))
        place += length
        used.append(-(-place // memory_bits))
        if flush:
            place = used[-1] * memory_bits
    return words, pieces, used


@pytest.mark.parametrize(("memory_bits", "piece_bits", "grain"), SIZES)
@pytest.mark.parametrize("stalls", [False, True])
def test_random_pieces(rng, memory_bits: int, piece_bits: int, grain: int, stalls: bool) -> None:
    lengths = random_lengths(rng, memory_bits, piece_bits, grain)
    flushes = [length > 0 and rng.randrange(10) == 0 for length in lengths]
    words, pieces, used = cut(lengths, flushes, memory_bits, rng)
    dut = Gearbox(memory_bits=memory_bits, piece_bits=piece_bits, grain=grain)
    bus = Handshake(payload=dut.word, valid=dut.word_valid, ready=dut.word_ready)
    stall = rng if stalls else None

    async def feed(ctx) -> None:
        for word in words:
            await put(ctx, bus, word, stall)

    async def consume(ctx) -> None:
        later = [length for length in lengths if length]
        ctx.set(dut.first, later.pop(0))
        ctx.set(dut.skips, lengths[0] == 0)
        ctx.set(dut.more, 1)
        ctx.set(dut.anew, 1)
        await ctx.tick()
        assert ctx.get(dut.busy)
        following = lengths[1:] + [1]
        for number, (length, flush) in enumerate(zip(lengths, flushes, strict=True)):
            ends = flush and rng.randrange(2)  # of a string: the next piece begins another
            final = number + 1 == len(lengths)
            if length:
                coming, other = (later.pop(0) if later else 1), rng.randrange(1, piece_bits)
                tails = rng.randrange(2)
                ctx.set(dut.tails, tails)
                ctx.set(dut.tail, coming if tails and not ends else other)
                ctx.set(dut.whole, other if tails or ends else coming)
                ctx.set(dut.first, coming if ends else rng.randrange(piece_bits))
            ctx.set(dut.anew, ends or final)
            ctx.set(dut.more, not final if ends or final else rng.randrange(2))
            ctx.set(dut.skips, following[number] == 0)
            ctx.set(dut.flush, flush and not ends)
            await ctx.tick().until(dut.emit)
            assert ctx.get(dut.piece) == pieces[number]
        assert not ctx.get(dut.busy)

    trace = {"emit": dut.emit, "take": dut.word_valid & dut.word_ready}
    cycles = simulate(dut, feed, consume, trace=trace)
    emits, takes = when(cycles, "emit"), when(cycles, "take")
    for emit, needed in zip(emits, used, strict=True):
        assert sum(take <= emit for take in takes) == needed, "a word was taken too early or late"
    if not stalls:  # a piece a cycle, or as many as it needs words
        before = [0, *used[:-1]]
        gaps = [max(1, now - last) for now, last in zip(used, before, strict=True)]
        assert emits == [sum(gaps[: index + 1]) for index in range(len(gaps))]


@pytest.mark.parametrize("grain", [1, 4])
def test_shifted_down(rng, grain: int) -> None:
    value, amount, seen = Signal(24), Signal(3), Signal(16)
    m = Module()
    moved = shifted_down(m, value, amount, width=9, grain=grain, name="moved")
    m.d.comb += seen.eq(moved)
    assert len(moved) == 9

    async def check(ctx) -> None:
        for places in range(8):
            bits = rng.getrandbits(24)
            ctx.set(value, bits)
            ctx.set(amount, places)
            assert ctx.get(seen) == (bits >> places * grain) & 0x1FF

    simulator = Simulator(m)
    simulator.add_testbench(check)
    simulator.run()
