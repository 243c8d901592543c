"""The job's state: running, stopping, ended; and how it ended."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.csr import CODE_SHIFT, STAGE_SHIFT, STATUS_BITS, Code
from hw.fault import FAULT, INDEX_BITS, NO_STAGE


class Job(wiring.Component):
    """START to the end, whichever it is. Every job finds the core as after reset.

    A job ends by itself (`finished`), by a fault, or because the host asks. In the first case irq
    rises in the next cycle. In the others the guards drain what is under way first; irq rises two
    cycles behind that. The core is cleared in the cycle in which irq rises or the one behind it.
    When the memory gives no answer at all, irq rises at once and the job stays BUSY and DRAINING
    until the answers come, or reset.

    A fault comes late in its cycle: it stops the job there, and what it was is noted in the next.

    Members
    -------
    start_write, abort_write, soft_write, clear_write : In(1)    the host's wishes
    start : Out(1)              a job begins in this cycle
    finished : In(1)            the program's last layer is done
    leftover : In(1)            something else is not
    fault : In(FAULT)           a reason to stop
    timed_out : In(1)           it is that the memory does not answer
    blamed : Out(2)             the stage at fault, NO_STAGE for none, in the cycle after the fault
    index : In                  place in the program of that stage's instruction
    bus_idle : In(1)            nothing is under way at the memory port
    busy, stopping : Out(1)
    clear : Out(1)              the core's reset, 1 from the host's on
    holds : Out(1)              with it and in the cycle before: the host's writes must wait
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
    blamed: Signal
    index: Signal
    bus_idle: Signal
    busy: Signal
    stopping: Signal
    clear: Signal
    holds: Signal
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
                "blamed": Out(2),
                "index": In(INDEX_BITS),
                "bus_idle": In(1),
                "busy": Out(1),
                "stopping": Out(1),
                "clear": Out(1, init=1),  # type: ignore[call-arg]
                "holds": Out(1),
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
        wishes = self._wishes(m)
        with m.If((wishes.clear & (~self.stopping | told)) | self.start):
            m.d.sync += [*(flag.eq(0) for flag in flags), code.eq(Code.NONE)]
        with m.If(self.start):
            m.d.sync += [soft.eq(0), told.eq(0)]
        with m.Elif(self.start_write):
            m.d.sync += ignored.eq(1)
        silent, was_silent = self.timed_out & self.busy, Signal()
        m.d.sync += was_silent.eq(silent)
        with m.If(silent):
            m.d.sync += told.eq(1)
        with m.If(was_silent):
            m.d.sync += error.eq(1)
        reasoned, drained = self._stop(m, wishes, done, soft, silent)
        self._note(m, reasoned, code)
        self._drain(m, drained, flags, code, soft, told)
        self._status(m, flags, code)
        return m

    def _note(self, m: Module, reasoned: Signal, code: Signal) -> None:
        """Keep the first reason, and where it was seen, a cycle after it."""
        found = Signal(FAULT)
        m.d.sync += found.eq(self.fault)
        m.d.comb += self.blamed.eq(Mux(found.valid, found.stage, NO_STAGE))
        with m.If(reasoned & (code == Code.NONE)):
            m.d.sync += [
                code.eq(Mux(found.valid, found.code, Code.LEFTOVER)),
                self.address.eq(found.address),
                self.info.eq(self.blamed << STAGE_SHIFT | self.index),
            ]

    def _wishes(self, m: Module) -> data.View:
        """What the host asks for, but START, a cycle later."""
        wishes = Signal(data.StructLayout({"abort": 1, "soft": 1, "clear": 1}))
        m.d.sync += [
            wishes.abort.eq(self.abort_write & self.busy),
            wishes.soft.eq(self.soft_write),
            wishes.clear.eq(self.clear_write),
        ]
        return wishes

    def _stop(
        self, m: Module, wishes: data.View, done: Signal, soft: Signal, silent: Value
    ) -> tuple[Signal, Value]:
        """What ends a running job, the most serious first: (whether for a reason, a cycle later;
        whether it is stopped and cleared).
        """
        reasoned, leaves = Signal(), self.finished & self.leftover
        runs = self.busy & ~self.stopping & ~wishes.soft
        finishes = runs & self.finished & ~self.leftover & ~wishes.abort
        succeeds = finishes & ~self.fault.valid
        ends = self.busy & (self.fault.valid | wishes.abort | leaves)
        clears = Signal(init=1, name="clears")  # a cycle ahead: `clear` lies amid all it reaches
        drained = self.stopping & clears & ~reasoned
        m.d.comb += self.holds.eq(clears | self.clear)
        m.d.sync += [  # without enables: what ends a job comes late
            self.busy.eq(Mux(self.busy, ~(drained | succeeds), self.start | wishes.soft)),
            self.stopping.eq(Mux(self.stopping, ~drained, wishes.soft | silent | ends)),
            # also where a fault comes with the end: then the core is cleared once more behind it
            clears.eq(finishes | (self.stopping & self.bus_idle & ~drained)),
            self.clear.eq(clears),
            reasoned.eq(silent | (runs & (self.fault.valid | (leaves & ~wishes.abort)))),
        ]
        with m.If(wishes.soft):
            m.d.sync += soft.eq(1)
        with m.If(succeeds):
            m.d.sync += done.eq(1)
        return reasoned, drained

    def _drain(
        self,
        m: Module,
        drained: Value,
        flags: tuple[Signal, ...],
        code: Signal,
        soft: Signal,
        told: Signal,
    ) -> None:
        """Once the bus is idle and the core is being cleared: say how the job ended."""
        _, error, aborted, _ = flags
        with m.If(drained):
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
