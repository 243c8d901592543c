"""The AXI4 write master: whole words of the result ring go to memory."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.bus.burst import burst_length
from hw.bus.ledger import MOST_BURSTS
from hw.config import OverlayConfig
from hw.counted import under_way


class Writer(wiring.Component):
    """Writes ring words to consecutive addresses, as many as there are whenever it is idle.

    Cycles, when nothing holds it: words below `limit` in cycle c are cut into a burst in c+1, the
    address is offered in c+2, word k in c+3+k, and after the last word one idle cycle follows.

    Members
    -------
    load : In(1), address : In(32)     a new output tensor begins here
    limit : In                         ring words below it are complete
    position : Out                     the next ring word to write: those below it are free
    idle : Out(1)                      everything up to `limit`, as it was two cycles before, is
                                       written and answered
    ring_address, ring_enable, ring_word   the ring's read port: while words pass, the address is
                                       one ahead of the bus; a word stays until it is taken
    aw*, w*, b*                        the channels
    """

    load: Signal
    address: Signal
    limit: Signal
    position: Signal
    idle: Signal
    ring_address: Signal
    ring_enable: Signal
    ring_word: Signal
    awaddr: Signal
    awlen: Signal
    awvalid: Signal
    awready: Signal
    wdata: Signal
    wlast: Signal
    wvalid: Signal
    wready: Signal
    bvalid: Signal
    bready: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        depth = config.ring_depth
        super().__init__(
            {
                "load": In(1),
                "address": In(32),
                "limit": In(range(depth)),
                "position": Out(range(depth)),
                "idle": Out(1),
                "ring_address": Out(range(depth)),
                "ring_enable": Out(1),
                "ring_word": In(config.memory_bits),
                "awaddr": Out(32),
                "awlen": Out(8),
                "awvalid": Out(1),
                "awready": In(1),
                "wdata": Out(config.memory_bits),
                "wlast": Out(1),
                "wvalid": Out(1),
                "wready": In(1),
                "bvalid": In(1),
                "bready": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        waits, rest = Signal(), Signal(range(self.config.ring_depth))
        address = Signal(32)
        following = Signal.like(self.position, init=1)
        left, last = Signal(8), Signal()
        went = Signal(name="went")  # a burst began a cycle ago: whether one does comes late
        taken, begun = self.wvalid & self.wready, self.awvalid & self.awready
        position = Mux(taken, following, self.position)  # in the next cycle
        m.d.sync += [
            waits.eq((self.limit ^ position).any()),
            rest.eq(self.limit + ~position),  # words that wait, less one
        ]
        length, _ = burst_length(m, address=address, rest=rest, memory_bits=self.config.memory_bits)
        bus_address = address[self.config.bus_bytes.bit_length() - 1 :]
        less = ~Cat(self.awlen, Const(0, 1)).as_signed()  # the burst's beats, negative
        m.d.comb += [
            self.awaddr.eq(address),
            self.bready.eq(1),
            self.wdata.eq(self.ring_word),
            self.wlast.eq(last),
            self.ring_enable.eq(~self.wvalid | self.wready),
        ]
        with m.If(begun | (taken & ~last)):  # a register: a ring of tables is a long way off
            m.d.sync += self.ring_address.eq(self.ring_address + 1)
        m.d.sync += [
            self.idle.eq(~self.awvalid & ~self.wvalid & ~waits & self._answered(m, went)),
            self.awvalid.eq(Mux(self.awvalid, ~self.awready, ~self.wvalid & waits)),
            self.wvalid.eq(Mux(self.wvalid, ~(self.wready & last), begun)),
            went.eq(begun),
        ]
        with m.If(~self.awvalid):
            m.d.sync += self.awlen.eq(length)
        with m.If(~self.wvalid):
            m.d.sync += [left.eq(self.awlen), last.eq(self.awlen == 0)]
        with m.If(taken):
            m.d.sync += [left.eq(left - 1), last.eq(left == 1)]
            m.d.sync += [self.position.eq(following), following.eq(following + 1)]
        with m.If(self.load):
            m.d.sync += address.eq(self.address)
        with m.If(went):  # the burst's length stands yet
            m.d.sync += bus_address.eq(bus_address - less)
        return m

    def _answered(self, m: Module, went: Signal) -> Value:
        """Whether every burst that has begun is answered, this cycle's answer included: asked when
        no words pass, by which time the last one is counted.
        """
        answer = self.bvalid & self.bready
        pending = under_way(m, most=MOST_BURSTS, begins=went, ends=answer, name="pending")
        return ~pending[0] | (~pending[1] & answer)
