"""The host's view: AXI4-Lite registers and event counters. What a job's end is, says hw/job.py."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.bus.axi import lite_channels
from hw.config import OverlayConfig
from hw.csr import ADDRESS_BITS, CONTROL_BITS, COUNTERS, REGISTERS, VERSION, Code, Register
from hw.fault import FAULT, INDEX_BITS, first_fault, report
from hw.job import Job

OKAY, SLVERR = 0, 2

KEPT = tuple(r for r in REGISTERS if r.access == "rw")
"""Registers that hold what was written."""


class Control(wiring.Component):
    """The registers of hw.csr. A write takes effect in the cycle in which its data is taken.

    Address and data of a write are taken together, at once unless the core is being cleared, and
    answered in the next cycle. An access that the table does not allow (unmapped, misaligned, the
    wrong direction, a job's registers while BUSY) is answered SLVERR and has no effect.

    CYCLES counts from the cycle after the START write to the first one with irq high, so that it
    equals what an observer of the two edges measures.

    Members
    -------
    lite channels
    values : Out                     {register: what it holds}, those of KEPT
    start, finished, leftover, index, bus_idle, stopping, busy, clear, irq : as of hw.job.Job
    fault : In(FAULT), timed_out : In(1)     as of hw.job.Job
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
    fault: data.View
    timed_out: Signal
    index: Signal
    bus_idle: Signal
    busy: Signal
    stopping: Signal
    clear: Signal
    events: Signal
    irq: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(
            {
                **lite_channels(ADDRESS_BITS),
                "values": Out(data.StructLayout({r.name: r.bits for r in KEPT})),
                "start": Out(1),
                "finished": In(1),
                "leftover": In(1),
                "fault": In(FAULT),
                "timed_out": In(1),
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
        gives = ("start", "busy", "stopping", "clear", "irq")
        m.d.comb += [inner.eq(getattr(self, name)) for name, inner in takes.items()]
        m.d.comb += [getattr(self, name).eq(getattr(job, name)) for name in gives]
        m.d.comb += job.timed_out.eq(self.timed_out)
        self._write(m, job)
        counters = self._count(m)
        late = Signal(FAULT)
        cycles, limit = counters["CYCLES"], self.values["CYCLE_LIMIT"]
        over = (cycles == limit) & (limit != 0)
        report(m, late, when=self.busy & over, code=Code.CYCLES)
        first_fault(m, job.fault, [self.fault, late])
        self._read(m, job, counters)
        return m

    def _write(self, m: Module, job: Job) -> None:
        """The write channels: one access, one answer."""
        write = Signal()
        m.d.comb += [
            write.eq(self.awvalid & self.wvalid & ~self.bvalid & ~self.clear),
            self.awready.eq(write),
            self.wready.eq(write),
        ]
        with m.If(write):
            m.d.sync += [self.bvalid.eq(1), self.bresp.eq(SLVERR)]
        with m.Elif(self.bready):
            m.d.sync += self.bvalid.eq(0)
        with m.If(write), m.Switch(self.awaddr):
            for register in REGISTERS:
                if register.access == "ro":
                    continue
                with m.Case(register.offset):
                    allowed = ~self.busy if register.locked else Const(1)
                    with m.If(allowed):
                        m.d.sync += self.bresp.eq(OKAY)
                        self._store(m, job, register)

    def _store(self, m: Module, job: Job, register: Register) -> None:
        """What a write to the register does."""
        if register.access == "rw":
            kept = self.values[register.name]
            for bit in range(0, register.bits, 8):
                with m.If(self.wstrb[bit // 8]):
                    m.d.sync += kept[bit : bit + 8].eq(self.wdata[bit : bit + 8])
            return
        wishes = {"IRQ_CLEAR": {"clear": 0}, "CONTROL": CONTROL_BITS}[register.name]
        targets = {
            "clear": job.clear_write,
            "START": job.start_write,
            "ABORT": job.abort_write,
            "SOFT_RESET": job.soft_write,
        }
        m.d.comb += [
            targets[wish].eq(self.wstrb[0] & self.wdata[bit]) for wish, bit in wishes.items()
        ]

    def _count(self, m: Module) -> dict[str, Value]:
        """The event counters by register name."""
        values: dict[str, Value] = {}
        for index, name in enumerate(COUNTERS):
            counter = Signal(64, name=name.lower())
            event = self.busy if name == "CYCLES" else self.events[index] & self.busy
            # START's own edge is the first of the cycles between the two edges
            m.d.sync += counter.eq(Mux(self.start, int(name == "CYCLES"), counter + event))
            values[name], values[f"{name}_HI"] = counter[:32], counter[32:]
        return values

    def _read(self, m: Module, job: Job, counters: dict[str, Value]) -> None:
        """The read channel. Reading a counter's low half keeps its high half."""
        high = Signal(32)
        values: dict[str, Value | int] = {
            "ID": self.config.hash,
            "VERSION": VERSION,
            "STATUS": job.status,
            "ERROR_ADDR": job.address,
            "ERROR_INFO": job.info,
            **{r.name: self.values[r.name] for r in KEPT},
            **{n: high if n.endswith("_HI") else value for n, value in counters.items()},
        }
        m.d.comb += self.arready.eq(~self.rvalid)
        with m.If(self.arvalid & self.arready):
            m.d.sync += [self.rvalid.eq(1), self.rdata.eq(0), self.rresp.eq(SLVERR)]
            with m.Switch(self.araddr):
                for register in REGISTERS:
                    if register.access == "wo":
                        continue
                    with m.Case(register.offset):
                        m.d.sync += [self.rdata.eq(values[register.name]), self.rresp.eq(OKAY)]
                        if f"{register.name}_HI" in counters:
                            m.d.sync += high.eq(counters[f"{register.name}_HI"])
        with m.Elif(self.rready):
            m.d.sync += self.rvalid.eq(0)
