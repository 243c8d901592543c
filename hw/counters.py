"""Event counters of 64 bits that share one adder."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

LOW_BITS = 6
HALF_BITS = 32
MOST = 1 << (LOW_BITS - 2)
"""Counters: two cycles each, and each time two more for one that is asked for."""


class Counters(wiring.Component):
    """A number of 64-bit counters, each of which takes an event a cycle.

    Each counts LOW_BITS bits by itself, and a carry out of them waits. The other bits lie in a
    small memory, half a counter a word; an adder goes round the counters, a half a cycle, and adds
    what waits. A counter that is asked for comes next, out of turn; even if one is asked for every
    time, a round takes less than 2^LOW_BITS cycles, so that one bit for the carry is enough.

    In one cycle `value` is the low half of a counter, in the next one its high half, both without
    the events of these two cycles and the two before.

    Parameters
    ----------
    count : number of counters, 2 to 2^(LOW_BITS - 2), a power of two
    first : what the counters start from, {number: value}, at most 2^LOW_BITS - 1; others from 0

    Members
    -------
    clear : In(1)        all start again; events of this cycle are lost
    events : In(count)   one bit a counter
    wanted : In(1), asked : In   the counter that is to come next; until its low half is seen
    index : Out          the counter whose half `value` is
    high : Out(1)        which half
    value : Out(32)      all three registered

    Counters with an adder each would take 64 LUTs a counter.
    """

    clear: Signal
    events: Signal
    wanted: Signal
    asked: Signal
    index: Signal
    high: Signal
    value: Signal

    def __init__(self, *, count: int, first: dict[int, int] | None = None) -> None:
        if count < 2 or count & (count - 1) or count > MOST:
            raise ValueError(f"count must be a power of two, 2 to {MOST}: {count}")
        self.count, self.first = count, first or {}
        self.words = memory.Memory(shape=HALF_BITS, depth=2 * count, init=[])
        super().__init__(
            {
                "clear": In(1),
                "events": In(count),
                "wanted": In(1),
                "asked": In(range(count)),
                "index": Out(range(count)),
                "high": Out(1),
                "value": Out(HALF_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total, between, turn = Signal(HALF_BITS + 1), Signal(), Signal(range(self.count))
        at, following, high = Signal(range(self.count)), Signal.like(turn), Signal(name="at_high")
        m.d.sync += high.eq(~high)
        with m.If(high):
            m.d.sync += at.eq(following)
        with m.Elif(self.wanted & (at != self.asked)):
            m.d.sync += following.eq(self.asked)
        with m.Else():
            m.d.sync += [following.eq(turn), turn.eq(turn + 1)]
        low, carry = self._low_bits(m, following, high)
        kept = self._kept(m, at, following, high, total)
        # ones below a low half's bits, so that its carry ripples into them
        below = (~high).replicate(LOW_BITS)
        m.d.comb += total.eq((kept | below) + Mux(high, between, carry))
        m.d.sync += [
            between.eq(total[HALF_BITS] & ~self.clear),
            self.index.eq(at),
            self.high.eq(high),
            self.value.eq(Mux(high, total, Cat(low, total[LOW_BITS:HALF_BITS]))),
        ]
        return m

    def _low_bits(self, m: Module, following: Signal, high: Signal) -> tuple[Signal, Signal]:
        """Lowest bits of the counter whose turn it is, and whether a carry out of them waited.

        Both were picked a cycle ahead, in the high half of the counter before.
        """
        lows, carries = [], []
        for number in range(self.count):
            low = Signal(LOW_BITS, name=f"low_{number}")
            waits = Signal(name=f"carry_{number}")
            after = low + self.events[number]
            taken = (following == number) & high
            with m.If(self.clear):
                m.d.sync += [low.eq(self.first.get(number, 0)), waits.eq(0)]
            with m.Else():
                m.d.sync += [low.eq(after), waits.eq(after[LOW_BITS] | waits & ~taken)]
            lows.append(low)
            carries.append(waits)
        picked, carry = Signal(LOW_BITS, name="picked"), Signal(name="picked_carry")
        with m.If(high):
            m.d.sync += [picked.eq(Array(lows)[following]), carry.eq(Array(carries)[following])]
        with m.If(self.clear):
            m.d.sync += [picked.eq(0), carry.eq(0)]
        return picked, carry

    def _kept(self, m: Module, at: Signal, following: Signal, high: Signal, total: Value) -> Value:
        """The word under way, which `total` replaces. It was read a cycle ahead, while the word
        before it was written.

        fresh: of a counter whose words are of before the start, and count as 0 once more.
        """
        m.submodules.words = self.words
        read, write = self.words.read_port(domain="comb"), self.words.write_port()
        fresh, low_done = Signal(self.count, init=(1 << self.count) - 1), Signal()
        is_fresh = Signal(init=1)
        word = Signal(HALF_BITS, name="word")
        m.d.sync += word.eq(read.data)
        m.d.comb += [
            read.addr.eq(Cat(~high, Mux(high, following, at))),
            write.addr.eq(Cat(high, at)),
            write.data.eq(total),
            write.en.eq(1),
        ]
        with m.If(high):
            again = low_done & (following == at)  # whose bit is taken back in this cycle
            m.d.sync += is_fresh.eq(fresh.bit_select(following, 1) & ~again)
        with m.If(self.clear):
            m.d.sync += [fresh.eq(-1), low_done.eq(0), is_fresh.eq(1)]
        with m.Elif(~high):
            m.d.sync += low_done.eq(is_fresh)
        with m.Elif(low_done):
            m.d.sync += fresh.bit_select(at, 1).eq(0)
        return Mux(is_fresh, 0, word)
