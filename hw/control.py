"""The host's view: AXI4-Lite registers and event counters. What a job's end is, says hw/job.py."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.bus.axi import lite_channels
from hw.config import OverlayConfig
from hw.counters import Counters
from hw.csr import (
    ADDRESS_BITS,
    CONTROL_BITS,
    COUNTERS,
    OFFSETS,
    REGISTERS,
    VERSION,
    Code,
)
from hw.fault import FAULT, INDEX_BITS, first_fault, report
from hw.job import Job

OKAY, SLVERR = 0, 2

KEPT = tuple(r for r in REGISTERS if r.access == "rw")
"""Registers that hold what was written."""


WRITABLE = tuple(r for r in REGISTERS if r.access != "ro")

CYCLES_BEFORE = 2
"""Of a job before it is BUSY: START is taken, and takes effect."""


class Control(wiring.Component):
    """The registers of hw.csr.

    Address and data of a write are taken together, not while the core is cleared; it takes effect
    in the cycle after, or once the core is cleared where that begins, and is answered behind it. An
    access that the table does not allow (unmapped, misaligned, the wrong direction, a job's
    registers while BUSY) is answered SLVERR and has no effect.

    CYCLES counts from the cycle after the START write was taken to the first one with irq high, so
    that it equals what an observer of the two edges measures.

    Members
    -------
    lite channels
    values : Out                     {register: what it holds}, those of KEPT
    start, finished, leftover, bus_idle, stopping, busy, clear, irq : as of hw.job.Job
    memory_fault, program_fault : In(FAULT)    of those and the cycle budget's the first counts
    timed_out : In(1), blamed, index : as of hw.job.Job
    events : In(one bit a counter)   in the order of hw.csr.COUNTERS; CYCLES counts by itself
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
    values: data.View
    start: Signal
    finished: Signal
    leftover: Signal
    memory_fault: data.View
    program_fault: data.View
    timed_out: Signal
    blamed: Signal
    index: Signal
    bus_idle: Signal
    busy: Signal
    stopping: Signal
    clear: Signal
    events: Signal
    irq: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        self.counters = Counters(
            count=len(COUNTERS), first={list(COUNTERS).index("CYCLES"): CYCLES_BEFORE}
        )
        super().__init__(
            {
                **lite_channels(ADDRESS_BITS),
                "values": Out(data.StructLayout({r.name: r.bits for r in KEPT})),
                "start": Out(1),
                "finished": In(1),
                "leftover": In(1),
                "memory_fault": In(FAULT),
                "program_fault": In(FAULT),
                "timed_out": In(1),
                "blamed": Out(2),
                "index": In(INDEX_BITS),
                "bus_idle": In(1),
                "busy": Out(1),
                "stopping": Out(1),
                "clear": Out(1),
                "events": In(len(COUNTERS)),
                "irq": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.job = job = Job()
        takes = {name: getattr(job, name) for name in ("finished", "leftover", "index", "bus_idle")}
        gives = ("start", "blamed", "busy", "stopping", "clear", "irq")
        m.d.comb += [inner.eq(getattr(self, name)) for name, inner in takes.items()]
        m.d.comb += [getattr(self, name).eq(getattr(job, name)) for name in gives]
        m.d.comb += job.timed_out.eq(self.timed_out)
        self._write(m, job)
        late = Signal(FAULT)
        report(m, late, when=self._over(m), code=Code.CYCLES)
        # all in one: what a late one says, no address, must not hold back what an early one says
        first_fault(m, job.fault, [self.memory_fault, self.program_fault, late])
        self._read(m, job)
        return m

    def _write(self, m: Module, job: Job) -> None:
        """The write channels: one access is kept, done a cycle later, answered behind that.

        Nothing is decided on the host's wires but what is meant, which is kept one-hot.
        """
        taken, kept = Signal(), Signal(name="kept")
        wanted, word, strobe = Signal(len(WRITABLE)), Signal.like(self.wdata), Signal(4)
        meant = {r.name: self.awaddr == r.offset for r in WRITABLE}
        m.d.comb += [
            taken.eq(self.awvalid & self.wvalid & ~self.bvalid & ~kept & ~job.holds),
            self.awready.eq(taken),
            self.wready.eq(taken),
        ]
        with m.If(~kept):  # whether anything is offered or not
            m.d.sync += [
                kept.eq(taken),
                wanted.eq(Cat(meant.values())),
                word.eq(self.wdata),
                strobe.eq(self.wstrb),
            ]
        with m.If(self.bready):
            m.d.sync += self.bvalid.eq(0)
        does = kept & ~job.holds
        allowed = wanted & ~Cat(self.busy & Const(r.locked) for r in WRITABLE)
        with m.If(does):
            m.d.sync += [
                kept.eq(0),
                self.bvalid.eq(1),
                self.bresp.eq(Mux(allowed.any(), OKAY, SLVERR)),
            ]
        for register, wants in zip(WRITABLE, allowed, strict=True):
            if register.access == "rw":
                self._store(m, self.values[register.name], does & wants, word, strobe)
        self._wishes(m, job, kept, {n: taken & is_meant for n, is_meant in meant.items()})

    def _store(self, m: Module, value: Signal, wants: Value, word: Signal, strobe: Signal) -> None:
        """A register takes the bytes of a word that are strobed."""
        for bit in range(0, len(value), 8):
            with m.If(wants & strobe[bit // 8]):
                m.d.sync += value[bit : bit + 8].eq(word[bit : bit + 8])

    def _wishes(self, m: Module, job: Job, kept: Signal, taken: dict[str, Value]) -> None:
        """What a write asks of the job, which hears of it when the write is done."""
        asks = [
            *(taken["CONTROL"] & self.wdata[CONTROL_BITS[n]] for n in CONTROL_BITS),
            taken["IRQ_CLEAR"] & self.wdata[0],
        ]
        hears = Cat(job.start_write, job.abort_write, job.soft_write, job.clear_write)
        wishes = Signal(len(hears), name="wishes")
        m.d.comb += hears.eq(Mux(job.holds, 0, wishes))
        with m.If(~kept):
            m.d.sync += wishes.eq(Mux(self.wstrb[0], Cat(asks), 0))
        with m.Elif(~job.holds):
            m.d.sync += wishes.eq(0)

    def _over(self, m: Module) -> Signal:
        """The job's cycles are CYCLE_LIMIT, which is not 0, or more: they begin with START's write.

        `left` is one more than are left.
        """
        limit = self.values["CYCLE_LIMIT"]
        left, limited, last = Signal(32), Signal(), Signal()
        m.d.sync += [left.eq(left - 1), last.eq(limited & (left == CYCLES_BEFORE + 1))]
        with m.If(self.start):
            m.d.sync += [
                left.eq(limit),
                limited.eq(limit != 0),
                last.eq((limit != 0) & (limit <= CYCLES_BEFORE)),
            ]
        return last

    def _count(self, m: Module) -> Counters:
        """The event counters.

        Events are late in their cycle: they are counted in the next one, as START is.
        """
        m.submodules.counters = counters = self.counters
        events = Cat(
            self.busy & (name == "CYCLES" or event)
            for name, event in zip(COUNTERS, self.events, strict=True)
        )
        m.d.sync += [counters.events.eq(events), counters.clear.eq(self.start)]
        return counters

    def _read(self, m: Module, job: Job) -> None:
        """The read channel.

        The address is kept, then looked up: a register is answered in the second cycle, a counter's
        low half within nine, once its high half is kept.
        """
        counters = self._count(m)
        looks, waits, has_low, high = Signal(), Signal(), Signal(), Signal(32)
        values: dict[str, Value | int] = {
            "ID": self.config.hash,
            "VERSION": VERSION,
            "STATUS": job.status,
            "ERROR_ADDR": job.address,
            "ERROR_INFO": job.info,
            **{r.name: self.values[r.name] for r in KEPT},
            **{f"{name}_HI": high for name in COUNTERS},
        }
        readable = [register for register in REGISTERS if register.access != "wo"]
        asked, counter = Signal(len(readable)), Signal()  # one-hot; it is a counter
        m.d.comb += [
            self.arready.eq(~self.rvalid & ~looks & ~waits),
            counters.wanted.eq((waits | (looks & counter)) & ~has_low),
        ]
        m.d.sync += looks.eq(self.arvalid & self.arready)
        with m.If(self.arready):
            m.d.sync += counters.asked.eq(self.araddr[3:])
            m.d.sync += asked.eq(Cat(self.araddr == register.offset for register in readable))
            m.d.sync += counter.eq(Cat(self.araddr == OFFSETS[name] for name in COUNTERS).any())
        shown = [
            Mux(a, values[register.name], 0)
            for a, register in zip(asked, readable, strict=True)
            if register.name not in COUNTERS
        ]
        with m.If(looks):
            m.d.sync += [
                self.rvalid.eq(~counter),
                waits.eq(counter),
                self.rresp.eq(Mux(asked.any(), OKAY, SLVERR)),
                self.rdata.eq(reduce(or_, shown)),
            ]
        with m.Elif(self.rvalid):
            m.d.sync += self.rvalid.eq(~self.rready)
        with m.Elif(waits & (counters.index == counters.asked)):
            with m.If(~counters.high):
                m.d.sync += [self.rdata.eq(counters.value), has_low.eq(1)]
            with m.Elif(has_low):
                m.d.sync += [high.eq(counters.value), has_low.eq(0)]
                m.d.sync += [self.rvalid.eq(1), waits.eq(0)]
