"""Control and status: AXI4-Lite registers, START, irq and the event counters."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.bus.axi import lite_channels
from hw.config import OverlayConfig
from hw.csr import ADDRESS_BITS, COUNTERS, OFFSETS


class Control(wiring.Component):
    """The host's view. A write takes effect in the cycle in which its data is taken.

    Address and data of a write are taken together. CYCLES counts from the cycle after the START
    write to the first one with irq high, so that it equals what an observer of the two edges
    measures. START while busy is ignored.

    Members
    -------
    lite channels, start : Out(1), prog_address, prog_words : Out
    finished : In(1)                 the program's last layer is done
    events : In(one bit a counter)   in the order of hw.csr.COUNTERS; CYCLES counts by itself
    irq : Out(1)
    """

    awaddr: Signal
    awprot: Signal
    awvalid: Signal
    awready: Signal
    wdata: Signal
    wstrb: Signal
    wvalid: Signal
    wready: Signal
    bresp: Signal
    bvalid: Signal
    bready: Signal
    araddr: Signal
    arprot: Signal
    arvalid: Signal
    arready: Signal
    rdata: Signal
    rresp: Signal
    rvalid: Signal
    rready: Signal
    start: Signal
    prog_address: Signal
    prog_words: Signal
    finished: Signal
    events: Signal
    irq: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(
            {
                **lite_channels(ADDRESS_BITS),
                "start": Out(1),
                "prog_address": Out(32),
                "prog_words": Out(16),
                "finished": In(1),
                "events": In(len(COUNTERS)),
                "irq": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        busy = Signal()
        write, address = Signal(), Signal(ADDRESS_BITS)
        m.d.comb += [
            write.eq(self.awvalid & self.wvalid & ~self.bvalid),
            address.eq(self.awaddr),
            self.awready.eq(write),
            self.wready.eq(write),
            self.start.eq(
                write & (address == OFFSETS["CONTROL"]) & self.wdata[0] & self.wstrb[0] & ~busy
            ),
        ]
        with m.If(write):
            m.d.sync += self.bvalid.eq(1)
        with m.Elif(self.bready):
            m.d.sync += self.bvalid.eq(0)
        for name, register in (("PROG_ADDR", self.prog_address), ("PROG_WORDS", self.prog_words)):
            with m.If(write & (address == OFFSETS[name]) & ~busy):
                for byte in range(len(register) // 8):
                    with m.If(self.wstrb[byte]):
                        m.d.sync += register.word_select(byte, 8).eq(
                            self.wdata.word_select(byte, 8)
                        )
        with m.If(write & (address == OFFSETS["IRQ_CLEAR"]) & self.wdata[0] & self.wstrb[0]):
            m.d.sync += self.irq.eq(0)
        with m.If(self.start):
            m.d.sync += [busy.eq(1), self.irq.eq(0)]
        with m.If(self.finished):
            m.d.sync += [busy.eq(0), self.irq.eq(1)]
        self._read(m, busy, self._count(m, busy))
        return m

    def _count(self, m: Module, busy: Signal) -> dict[str, Signal]:
        """The event counters by register name."""
        values = {}
        for index, name in enumerate(COUNTERS):
            counter = Signal(64, name=name.lower())
            event = busy if name == "CYCLES" else self.events[index] & busy
            # START's own edge is the first of the cycles between the two edges
            m.d.sync += counter.eq(Mux(self.start, int(name == "CYCLES"), counter + event))
            values[name], values[f"{name}_HI"] = counter[:32], counter[32:]
        return values

    def _read(self, m: Module, busy: Signal, counters: dict[str, Signal]) -> None:
        """The read channel. Reading a counter's low half latches its high half."""
        values = {
            "ID": self.config.hash,
            "STATUS": busy | (self.irq << 1),
            "PROG_ADDR": self.prog_address,
            "PROG_WORDS": self.prog_words,
        }
        high = Signal(32)
        m.d.comb += self.arready.eq(~self.rvalid)
        with m.If(self.arvalid & self.arready):
            m.d.sync += [self.rvalid.eq(1), self.rdata.eq(0)]
            with m.Switch(self.araddr[2:]):
                for name, value in values.items():
                    with m.Case(OFFSETS[name] >> 2):
                        m.d.sync += self.rdata.eq(value)
                for name, value in counters.items():
                    with m.Case(OFFSETS[name] >> 2):
                        if name.endswith("_HI"):
                            m.d.sync += self.rdata.eq(high)
                        else:
                            m.d.sync += [self.rdata.eq(value), high.eq(counters[f"{name}_HI"])]
        with m.Elif(self.rready):
            m.d.sync += self.rvalid.eq(0)
