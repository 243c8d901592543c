"""The overlay: fetch, execute and result stages around one array, between two AXI ports."""

from __future__ import annotations

from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    DomainRenamer,
    Module,
    ResetSignal,
    Signal,
    Value,
)
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from hw.array import Array, drain_latency
from hw.bus.axi import lite_channels
from hw.check import Check, Judge
from hw.config import Latencies, OverlayConfig
from hw.control import Control
from hw.csr import ADDRESS_BITS, COUNTERS
from hw.delay import delayed, delayed_view
from hw.emit import READY_TO_STEP
from hw.execute import ISSUE_TO_READ, Execute
from hw.fetch import ReadIssuer
from hw.kept import hand_over
from hw.operands import READ_LATENCY, Operands
from hw.port import Port, axi_members, connect_core
from hw.queue import InstructionQueue
from hw.result import SELECT_TO_CODE, Result
from hw.ring import Ring
from hw.unpack import Unpacker
from hw.writer import Writer
from ir.isa import Stage

TOP = "bitwright_overlay"
"""Module name in the emitted Verilog."""


def latencies(config: OverlayConfig) -> Latencies:
    """The pipeline's constants, from the components that make them."""
    return Latencies(
        issue_to_drain=ISSUE_TO_READ + READ_LATENCY + drain_latency(config),
        requantize=SELECT_TO_CODE + READY_TO_STEP - 1,
    )


def overlay_members(config: OverlayConfig) -> dict[str, wiring.Member]:
    """Every port of the overlay."""
    memory = axi_members(config.memory_bits)
    return {
        "aclk": In(1),
        "aresetn": In(1),
        "irq": Out(1),
        **{f"s_axil_{name}": member for name, member in lite_channels(ADDRESS_BITS).items()},
        **{f"m_axi_{name}": member for name, member in memory.items()},
    }


class Overlay(wiring.Component):
    """One accelerator: runs programs of any number of layers, at run-time widths of 1 to 8 bits.

    Ports: aclk, aresetn (synchronous, active low), s_axil_* (control), m_axi_* (memory), irq.

    Everything between START and irq is deterministic given a memory of fixed latency: no decision
    depends on data.

    Parameters
    ----------
    config : sizes
    """

    aclk: Signal
    aresetn: Signal
    irq: Signal
    m_axi_rvalid: Signal
    m_axi_rready: Signal
    m_axi_wvalid: Signal
    m_axi_wready: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(overlay_members(config))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        control = self._domains(m)
        m.submodules.issuer = issuer = ReadIssuer(config=config)
        m.submodules.unpacker = unpacker = Unpacker(config=config)
        m.submodules.execute = execute = Execute(config=config)
        m.submodules.result = result = Result(config=config)
        judge = self._queues(
            m,
            control,
            unpacker,
            {Stage.FETCH: issuer, Stage.EXECUTE: execute, Stage.RESULT: result},
        )
        connect(m, issuer.job, unpacker.job)
        m.d.comb += [
            issuer.start.eq(control.start),
            issuer.prog_address.eq(control.values["PROG_ADDR"]),
            issuer.prog_words.eq(control.values["PROG_WORDS"]),
            issuer.done_token.eq(result.done),
            issuer.lhs_freed.eq(execute.lhs_freed),
            execute.table_token.eq(unpacker.table_token),
            execute.lhs_token.eq(unpacker.lhs_token),
            execute.rhs_token.eq(unpacker.rhs_token),
            execute.write.eq(unpacker.write),
            judge.wrong_row.eq(execute.illegal),
            result.write.eq(unpacker.write),
            execute.ring_room.eq(result.ring_room),
            result.ring_take.eq(execute.ring_take),
            result.ring_words.eq(execute.ring_words),
            control.finished.eq(result.finished),
            self.irq.eq(control.irq),
        ]
        self._datapath(m, unpacker, execute, result)
        m.submodules.writer = writer = self._writer(m, result)
        port = self._ports(m, control, issuer, unpacker, writer)
        self._faults(m, control, port, judge, issued=execute.issued | result.advance)
        self._events(m, control, execute, result)
        return m

    def _domains(self, m: Module) -> Control:
        """`host` lives from reset to reset; `sync`, all that a job uses, is cleared after it.

        The reset of `sync` is one register: it reaches thousands of others.
        """
        m.domains += [ClockDomain("sync"), ClockDomain("host")]
        control = Control(config=self.config)
        m.submodules.control = DomainRenamer("host")(control)
        m.d.comb += [
            ClockSignal().eq(self.aclk),
            ClockSignal("host").eq(self.aclk),
            ResetSignal().eq(control.clear),
            ResetSignal("host").eq(~self.aresetn),
        ]
        for name, member in lite_channels(ADDRESS_BITS).items():
            inner, outer = getattr(control, name), getattr(self, f"s_axil_{name}")
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        return control

    def _queues(
        self,
        m: Module,
        control: Control,
        unpacker: Unpacker,
        stages: dict[Stage, ReadIssuer | Execute | Result],
    ) -> Judge:
        """An instruction queue before each stage, all fed by program fetches; who judges them."""
        m.submodules.judge = judge = Judge(config=self.config)
        waiting = []
        for stage, unit in stages.items():
            queue = InstructionQueue(stage=stage, memory_bits=self.config.memory_bits)
            check = Check(config=self.config, stage=stage)
            m.submodules[f"queue_{stage.name.lower()}"] = queue
            m.submodules[f"check_{stage.name.lower()}"] = check
            hand_over(m, queue.out, unit.instructions)
            m.d.comb += [
                queue.word.eq(unpacker.word),
                queue.write.eq(unpacker.queue_write[stage]),
                queue.place.eq(judge.place),
                check.now.eq(queue.out.payload),
                check.spare.eq(queue.spare),
                check.index.eq(queue.index),
                check.taken.eq(queue.out.valid & queue.out.ready),
                judge.overflow[stage].eq(queue.overflow),
                judge.stages[stage].eq(check.fault),
                judge.at[stage].eq(check.at),
            ]
            waiting.append(~queue.empty)
        m.d.comb += [
            judge.written.eq(unpacker.queue_write.any()),
            judge.lost.eq(unpacker.lost),
            control.leftover.eq(Cat(waiting).any() | ~control.bus_idle),
        ]
        return judge

    def _datapath(self, m: Module, unpacker: Unpacker, execute: Execute, result: Result) -> None:
        """Buffers, array and drain chain; the step travels with the data."""
        config = self.config
        m.submodules.operands = operands = Operands(config=config)
        m.submodules.array = array = Array(config=config)
        m.d.comb += [
            operands.write.eq(unpacker.write),
            operands.read.eq(execute.read),
            array.lhs.eq(operands.lhs),
            array.rhs.eq(operands.rhs),
            array.blank.eq(operands.blank),
            array.step.eq(delayed_view(m, execute.step, READ_LATENCY, name="step")),
            array.last.eq(delayed(m, execute.last, READ_LATENCY, name="last")),
            array.bipolar.eq(delayed(m, execute.bipolar, READ_LATENCY, name="bipolar")),
            array.advance.eq(result.advance),
            result.load.eq(array.load),
            result.acc.eq(array.out),
            result.column_sum.eq(array.column_sum),
            result.bipolar.eq(array.out_bipolar),
        ]

    def _writer(self, m: Module, result: Result) -> Writer:
        """Result ring and write master."""
        m.submodules.ring = ring = Ring(config=self.config)
        writer = Writer(config=self.config)
        m.d.comb += [
            ring.write.eq(result.ring),
            ring.read_address.eq(writer.ring_address),
            ring.read_enable.eq(writer.ring_enable),
            writer.ring_word.eq(ring.word),
            writer.limit.eq(result.limit),
            writer.load.eq(result.writer_load),
            writer.address.eq(result.writer_address),
            result.writer_idle.eq(writer.idle),
            result.position.eq(writer.position),
        ]
        return writer

    def _ports(
        self, m: Module, control: Control, issuer: ReadIssuer, unpacker: Unpacker, writer: Writer
    ) -> Port:
        """The memory port. Its guards outlive the job."""
        port = Port(config=self.config)
        m.submodules.port = DomainRenamer("host")(port)
        connect_core(m, port, issuer=issuer, unpacker=unpacker, writer=writer)
        for name, member in axi_members(self.config.memory_bits).items():
            inner, outer = getattr(port, name), getattr(self, f"m_axi_{name}")
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        m.d.comb += [
            port.base.eq(control.values["MEM_BASE"]),
            port.limit.eq(control.values["MEM_LIMIT"]),
            port.timeout.eq(control.values["TIMEOUT"]),
            port.core_arnext.eq(issuer.arnext),
            port.active.eq(control.busy),
            port.stopping.eq(control.stopping),
            control.timed_out.eq(port.timed_out),
            control.bus_idle.eq(port.idle),
        ]
        return port

    def _faults(
        self, m: Module, control: Control, port: Port, judge: Judge, *, issued: Value
    ) -> None:
        """The memory's faults and the program's; the array counts as the program's progress."""
        m.d.comb += [
            control.memory_fault.eq(port.fault),
            control.program_fault.eq(judge.fault),
            judge.waits.eq(port.waits | ~control.busy),
            judge.progress.eq(port.moves | issued),
            judge.blamed.eq(control.blamed),
            control.index.eq(judge.index),
        ]

    def _events(self, m: Module, control: Control, execute: Execute, result: Result) -> None:
        """What the counters count."""
        events = {
            "EXEC_RUN": execute.issued,
            "EXEC_WAIT_LHS": execute.waits_lhs,
            "EXEC_WAIT_RHS": execute.waits_rhs,
            "EXEC_WAIT_RESULT": execute.waits_result,
            "READ_BEATS": self.m_axi_rvalid & self.m_axi_rready,
            "WRITE_BEATS": self.m_axi_wvalid & self.m_axi_wready,
            "LAYERS": result.done,
        }
        m.d.comb += [
            control.events[index].eq(events[name])
            for index, name in enumerate(COUNTERS)
            if name in events
        ]
