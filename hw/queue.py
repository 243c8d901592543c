"""The instruction queue of a stage."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.fault import INDEX_BITS
from hw.ram import SharedRam
from ir.isa import FORMATS, INSTRUCTION_BITS, Stage, layout

QUEUE_INSTRUCTIONS = 16
"""Instructions a queue holds; codegen never has more in flight."""

QUEUE_LATENCY = 3
"""Cycles from a program's last bus word written to the instruction being offered."""

SPARE_TOGETHER = 32
"""Bits beyond an instruction's layout that are looked at together."""


def spare_bits(stage: Stage) -> int:
    """Of `spare`."""
    return -(-(INSTRUCTION_BITS - layout(FORMATS[stage]).size) // SPARE_TOGETHER)


class InstructionQueue(wiring.Component):
    """Bus words in, whole instructions out.

    A block RAM holds the words; a loader assembles the next instruction while the stage runs the
    current one. An instruction is offered QUEUE_LATENCY cycles after its last word was written or,
    when it was there already, words-per-instruction + 2 cycles after the one before was taken.
    Codegen cuts programs so that at most QUEUE_INSTRUCTIONS are in flight; `overflow` says that a
    program does not.

    Parameters
    ----------
    stage : whose instructions these are
    memory_bits : F

    Members
    -------
    word : In(F), write : In(1), place : In    a bus word; its instruction's place in the program
    out : Out(stream.Signature), payload is the stage's instruction layout
    index : Out                                place of the instruction that is offered
    spare : Out(spare_bits(stage))             it has ones beyond the layout, of so many bits each
    overflow : Out(1)                          registered: a word found no room
    empty : Out(1)                             registered: no word of an instruction is left
    """

    word: Signal
    write: Signal
    place: Signal
    out: stream.Interface
    index: Signal
    spare: Signal
    overflow: Signal
    empty: Signal

    def __init__(self, *, stage: Stage, memory_bits: int) -> None:
        self.memory_bits = memory_bits
        self.beats = INSTRUCTION_BITS // memory_bits
        self.layout = layout(FORMATS[stage])
        super().__init__(
            {
                "word": In(memory_bits),
                "write": In(1),
                "place": In(INDEX_BITS),
                "out": Out(stream.Signature(self.layout)),
                "index": Out(INDEX_BITS),
                "spare": Out(spare_bits(stage)),
                "overflow": Out(1),
                "empty": Out(1, init=1),  # type: ignore[call-arg]
            }
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

        assembled = Signal(INSTRUCTION_BITS, reset_less=True)
        requested = Signal(range(self.beats + 1))
        arrived = Signal(range(self.beats + 1))
        request, arriving = Signal(), Signal(name="arriving")
        m.d.comb += request.eq(~requested[-1] & (taken != written))  # no more than `beats`
        m.d.sync += arriving.eq(request)
        with m.If(request):
            m.d.sync += [taken.eq(taken + 1), requested.eq(requested + 1)]
        with m.If(arriving):
            m.d.sync += [
                assembled.eq(Cat(assembled[self.memory_bits :], words.read_data)),
                arrived.eq(arrived + 1),
            ]
        m.d.comb += [
            self.out.valid.eq(arrived[-1]),  # they are a power of two
            self.out.payload.eq(assembled[: self.layout.size]),
        ]
        beyond = assembled[self.layout.size :]
        places = range(0, len(beyond), SPARE_TOGETHER)
        m.d.comb += self.spare.eq(Cat(beyond[at : at + SPARE_TOGETHER].any() for at in places))
        m.d.sync += [
            self.overflow.eq(self.write & ((written + 1)[: len(taken)] == taken)),
            self.empty.eq((written == taken) & (requested == 0)),
        ]
        taken_out = self.out.valid & self.out.ready
        with m.If(taken_out):
            m.d.sync += [requested.eq(0), arrived.eq(0)]
        self._places(m, written, taken_out)
        return m

    def _places(self, m: Module, written: Signal, taken_out: Value) -> None:
        """A place for each instruction, written with its first word."""
        m.submodules.places = places = memory.Memory(
            shape=INDEX_BITS, depth=QUEUE_INSTRUCTIONS, init=[]
        )
        write, read = places.write_port(), places.read_port(domain="comb")
        offered = Signal(range(QUEUE_INSTRUCTIONS))
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(written[(self.beats - 1).bit_length() :]),
            write.data.eq(self.place),
            read.addr.eq(offered),
            self.index.eq(read.data),
        ]
        with m.If(taken_out):
            m.d.sync += offered.eq(offered + 1)
