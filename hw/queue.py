"""The instruction queue of a stage."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.ram import SharedRam
from ir.isa import FORMATS, INSTRUCTION_BITS, Stage, layout

QUEUE_INSTRUCTIONS = 16
"""Instructions a queue holds; codegen never has more in flight."""

QUEUE_LATENCY = 3
"""Cycles from a program's last bus word written to the instruction being offered."""


class InstructionQueue(wiring.Component):
    """Bus words in, whole instructions out.

    A block RAM holds the words; a loader assembles the next instruction while the stage runs the
    current one. An instruction is offered QUEUE_LATENCY cycles after its last word was written or,
    when it was there already, words-per-instruction + 2 cycles after the one before was taken.
    Never full by construction: codegen cuts programs so that at most QUEUE_INSTRUCTIONS are in
    flight.

    Parameters
    ----------
    stage : whose instructions these are
    memory_bits : F

    Members
    -------
    word : In(F), write : In(1)
    out : Out(stream.Signature), payload is the stage's instruction layout
    """

    word: Signal
    write: Signal
    out: stream.Interface

    def __init__(self, *, stage: Stage, memory_bits: int) -> None:
        self.memory_bits = memory_bits
        self.beats = INSTRUCTION_BITS // memory_bits
        self.layout = layout(FORMATS[stage])
        super().__init__(
            {"word": In(memory_bits), "write": In(1), "out": Out(stream.Signature(self.layout))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = QUEUE_INSTRUCTIONS * self.beats
        m.submodules.words = words = SharedRam(width=self.memory_bits, depth=depth)
        written = Signal(range(depth))
        taken = Signal(range(depth))
        m.d.comb += [
            words.write_address.eq(written),
            words.write_data.eq(self.word),
            words.write_enable.eq(self.write),
            words.read_address.eq(taken),
            words.read_enable.eq(1),
        ]
        with m.If(self.write):
            m.d.sync += written.eq(written + 1)

        assembled = Signal(INSTRUCTION_BITS)
        requested = Signal(range(self.beats + 1))
        arrived = Signal(range(self.beats + 1))
        request, arriving = Signal(), Signal(name="arriving")
        m.d.comb += request.eq((requested != self.beats) & (taken != written))
        m.d.sync += arriving.eq(request)
        with m.If(request):
            m.d.sync += [taken.eq(taken + 1), requested.eq(requested + 1)]
        with m.If(arriving):
            m.d.sync += [
                assembled.eq(Cat(assembled[self.memory_bits :], words.read_data)),
                arrived.eq(arrived + 1),
            ]
        m.d.comb += [
            self.out.valid.eq(arrived == self.beats),
            self.out.payload.eq(assembled[: self.layout.size]),
        ]
        with m.If(self.out.valid & self.out.ready):
            m.d.sync += [requested.eq(0), arrived.eq(0)]
        return m
