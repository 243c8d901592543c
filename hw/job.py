"""The job's state: running, stopping, ended; and how it ended."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.csr import CODE_SHIFT, STAGE_SHIFT, STATUS_BITS, Code
from hw.fault import FAULT, INDEX_BITS, NO_STAGE


class Job(wiring.Component):
    """START to the end, whichever it is. Every job finds the core as after reset.

    A job ends by itself (`finished`), by a fault, or because the host asks. In the first case irq
    rises in the next cycle. In the others the guards drain what is under way; then the core is
    cleared for one cycle and irq rises after it. When the memory gives no answer at all, irq rises
    at once and the job stays BUSY and DRAINING until the answers come, or reset.

    Members
    -------
    start_write, abort_write, soft_write, clear_write : In(1)    the host's wishes
    start : Out(1)              a job begins in this cycle
    finished : In(1)            the program's last layer is done
    leftover : In(1)            something else is not
    fault : In(FAULT)           a reason to stop
    timed_out : In(1)           it is that the memory does not answer
    index : In                  place in the program of the instruction at fault
    bus_idle : In(1)            nothing is under way at the memory port
    busy, stopping : Out(1)
    clear : Out(1)              the core's reset; the host's writes must wait
    irq : Out(1), status, address, info : Out(32)    as the registers show them
    """

    start_write: Signal
    abort_write: Signal
    soft_write: Signal
    clear_write: Signal
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
    irq: Signal
    status: Signal
    address: Signal
    info: Signal

    def __init__(self) -> None:
        wishes = ("start", "abort", "soft", "clear")
        super().__init__(
            {
                **{f"{name}_write": In(1) for name in wishes},
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
                "irq": Out(1),
                "status": Out(32),
                "address": Out(32),
                "info": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        done, error, aborted, ignored = Signal(), Signal(), Signal(), Signal()
        code, soft = Signal(Code), Signal()
        told = Signal()  # the outcome is known before the end: the memory does not answer
        flags = (done, error, aborted, ignored)
        m.d.comb += [
            self.start.eq(self.start_write & ~self.busy),
            self.irq.eq(done | error | aborted),
        ]
        m.d.sync += self.clear.eq(0)
        wishes = self._wishes(m)
        with m.If((wishes.clear & (~self.stopping | told)) | self.start):
            m.d.sync += [*(flag.eq(0) for flag in flags), code.eq(Code.NONE)]
        with m.If(self.start):
            m.d.sync += [self.busy.eq(1), soft.eq(0), told.eq(0)]
        with m.Elif(self.start_write):
            m.d.sync += ignored.eq(1)
        self._stop(m, wishes, done, code, soft)
        with m.If(self.timed_out & self.busy):
            with m.If(code == Code.NONE):
                self._note(m, code, self.fault.code)
            m.d.sync += [error.eq(1), told.eq(1), self.stopping.eq(1)]
        self._drain(m, flags, code, soft, told)
        self._status(m, flags, code)
        return m

    def _note(self, m: Module, code: Signal, reason: Code) -> None:
        """Keep the first reason, and where it was seen."""
        stage = Mux(self.fault.valid, self.fault.stage, NO_STAGE)
        m.d.sync += [
            code.eq(reason),
            self.address.eq(self.fault.address),
            self.info.eq(stage << STAGE_SHIFT | self.index),
        ]

    def _wishes(self, m: Module) -> data.View:
        """What the host asks for, but START, a cycle later: they come straight from its channel."""
        wishes = Signal(data.StructLayout({"abort": 1, "soft": 1, "clear": 1}))
        m.d.sync += [
            wishes.abort.eq(self.abort_write & self.busy),
            wishes.soft.eq(self.soft_write),
            wishes.clear.eq(self.clear_write),
        ]
        return wishes

    def _stop(self, m: Module, wishes: data.View, done: Signal, code: Signal, soft: Signal) -> None:
        """What ends a running job, the most serious first."""
        with m.If(wishes.soft):
            m.d.sync += [self.busy.eq(1), self.stopping.eq(1), soft.eq(1)]
        with m.Elif(self.busy & ~self.stopping):
            with m.If(self.fault.valid):
                self._note(m, code, self.fault.code)
                m.d.sync += self.stopping.eq(1)
            with m.Elif(wishes.abort):
                m.d.sync += self.stopping.eq(1)
            with m.Elif(self.finished & self.leftover):
                self._note(m, code, Code.LEFTOVER)
                m.d.sync += self.stopping.eq(1)
            with m.Elif(self.finished):
                m.d.sync += [self.busy.eq(0), done.eq(1), self.clear.eq(1)]

    def _drain(
        self, m: Module, flags: tuple[Signal, ...], code: Signal, soft: Signal, told: Signal
    ) -> None:
        """Once the bus is idle: clear the core, then say how the job ended."""
        _, error, aborted, _ = flags
        with m.If(self.stopping & self.bus_idle & ~self.clear):
            m.d.sync += self.clear.eq(1)
        with m.If(self.stopping & self.clear):
            m.d.sync += [self.stopping.eq(0), self.busy.eq(0)]
            with m.If(soft):
                m.d.sync += [*(flag.eq(0) for flag in flags), code.eq(Code.NONE)]
            with m.Elif(~told):
                m.d.sync += [error.eq(code != Code.NONE), aborted.eq(code == Code.NONE)]

    def _status(self, m: Module, flags: tuple[Signal, ...], code: Signal) -> None:
        """The STATUS register."""
        done, error, aborted, ignored = flags
        values = {
            "BUSY": self.busy,
            "DONE": done,
            "ERROR": error,
            "ABORTED": aborted,
            "START_IGNORED": ignored,
            "DRAINING": self.stopping,
        }
        word = Signal(CODE_SHIFT)
        m.d.comb += [word[bit].eq(values[name]) for name, bit in STATUS_BITS.items()]
        m.d.comb += self.status.eq(Cat(word, code, Const(0, 32 - CODE_SHIFT - len(code))))
