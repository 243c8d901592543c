"""The bursts of one direction that are under way, oldest first."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.counted import under_way

MOST_BURSTS = 16
"""Bursts under way in each direction, as many as the reference memory takes."""


class Ledger(wiring.Component):
    """A list of bus addresses and lengths, kept apart from the data, to say what an answer is for.

    `step` and `take` may come late in their cycle: what they lead to is told from registers, for
    which the oldest burst's beats are counted down. A burst is noted a cycle after it began, and
    may be answered in that cycle; its word and length are shown in both.

    Members
    -------
    put : In(1), put_word : In, put_length : In(8)    a burst began in the cycle before, in which
                                                      none did: its bus word, beats - 1
    step : In(1)                                      the oldest burst's current beat is answered
    take : In(1)                                      the oldest burst is answered whole
    word : Out                                        the oldest burst's current bus word, unless
                                                      it is noted in this very cycle
    last : Out(1)                                     and it is its last one
    empty, full : Out(1)                              of those that are noted
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
        more = under_way(m, most=MOST_BURSTS, begins=self.put, ends=self.take, name="more")
        begun, ended = Signal(range(MOST_BURSTS)), Signal(range(MOST_BURSTS))
        following = Signal(range(MOST_BURSTS), init=1)  # the burst behind the oldest
        beat, left, last = Signal(8), Signal(8), Signal()
        word = self._kept(m, self.put_word, begun, ended, name="words")
        length = self._kept(m, self.put_length, begun, following, name="lengths")
        m.d.comb += [
            self.word.eq(word + beat),
            self.last.eq(last),
            self.empty.eq(~more[0]),
            self.full.eq(more[-1]),
        ]
        with m.If(self.put):
            m.d.sync += begun.eq(begun + 1)
        with m.If(self.step):
            m.d.sync += [beat.eq(beat + 1), left.eq(left - 1), last.eq(left == 1)]
        with m.If(self.take | (self.empty & ~self.put)):  # another is the oldest, or may be
            coming = Mux(more[1], length, self.put_length)
            m.d.sync += [beat.eq(0), left.eq(coming), last.eq(coming == 0)]
        with m.If(self.take):
            m.d.sync += [ended.eq(ended + 1), following.eq(following + 1)]
        return m

    def _kept(self, m: Module, value: Signal, begun: Signal, of: Signal, *, name: str) -> Value:
        """`value` of a burst that has begun, as it was then."""
        m.submodules[name] = kept = memory.Memory(shape=len(value), depth=MOST_BURSTS, init=[])
        write, read = kept.write_port(), kept.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(self.put),
            write.addr.eq(begun),
            write.data.eq(value),
            read.addr.eq(of),
        ]
        return read.data
