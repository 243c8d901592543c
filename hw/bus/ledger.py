"""The bursts of one direction that are under way, oldest first."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

MOST_BURSTS = 16
"""Bursts under way in each direction, as many as the reference memory takes."""


class Ledger(wiring.Component):
    """A list of bus addresses and lengths, kept apart from the data, to say what an answer is for.

    Members
    -------
    put : In(1), put_word : In, put_length : In(8)    a burst begins: its bus word, beats - 1
    step : In(1)                                      the oldest burst's current beat is answered
    take : In(1)                                      the oldest burst is answered whole
    word : Out                                        the oldest burst's current bus word
    last : Out(1)                                     and it is its last one
    empty, full : Out(1)
    """

    put: Signal
    put_word: Signal
    put_length: Signal
    step: Signal
    take: Signal
    word: Signal
    last: Signal
    empty: Signal
    full: Signal

    def __init__(self, *, word_bits: int) -> None:
        self.word_bits = word_bits
        super().__init__(
            {
                "put": In(1),
                "put_word": In(word_bits),
                "put_length": In(8),
                "step": In(1),
                "take": In(1),
                "word": Out(word_bits),
                "last": Out(1),
                "empty": Out(1),
                "full": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bursts = bursts = memory.Memory(
            shape=self.word_bits + 8, depth=MOST_BURSTS, init=[]
        )
        write, read = bursts.write_port(), bursts.read_port(domain="comb")
        begun, ended = Signal(range(MOST_BURSTS)), Signal(range(MOST_BURSTS))
        count = Signal(range(MOST_BURSTS + 1))
        beat = Signal(8)
        m.d.comb += [
            write.en.eq(self.put),
            write.addr.eq(begun),
            write.data.eq(Cat(self.put_word, self.put_length)),
            read.addr.eq(ended),
            self.word.eq(read.data[: self.word_bits] + beat),
            self.last.eq(read.data[self.word_bits :] == beat),
            self.empty.eq(count == 0),
            self.full.eq(count == MOST_BURSTS),
        ]
        m.d.sync += count.eq(Mux(self.take, count - 1 + self.put, count + self.put))  # take is late
        with m.If(self.put):
            m.d.sync += begun.eq(begun + 1)
        with m.If(self.step):
            m.d.sync += beat.eq(beat + 1)
        with m.If(self.take):
            m.d.sync += [ended.eq(ended + 1), beat.eq(0)]
        return m
