"""Every instruction is judged before it takes effect; no program hangs the device.

A stage takes its instruction in cycle c and its fault is known in c + 1. That of a fetch is told at
once, so that the guards hold the memory port from c + 2 on, before the instruction's first burst;
all others a cycle later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig, piece_bits
from hw.csr import Code
from hw.delay import delayed
from hw.fault import FAULT, INDEX_BITS, NO_STAGE, first_fault, report
from hw.kept import kept_bits, left_out
from hw.product import times
from hw.queue import spare_bits
from ir.isa import FORMATS, INSTRUCTION_BITS, SLOT_BITS, Kind, Stage, layout

STARVED_CYCLES = 1024
"""Cycles without progress, while the memory owes nothing, after which none will come."""

TOGETHER = 4
"""Rules without a sum that share a register."""


def _limits(now: data.View, stage: Stage) -> Iterator[Value]:
    """What the instruction table forbids."""
    for name, field in FORMATS[stage].items():
        if field.least is not None:
            yield now[name] == 0 if field.least == 1 else now[name] < field.least
        if field.most is not None:
            yield now[name] > field.most


def _kept(now: data.View, config: OverlayConfig, stage: Stage) -> Callable[[str], Value]:
    """A field's bits that are kept: any others are refused anyway."""
    bits = kept_bits(config, stage)
    return lambda name: now[name][: bits[name]]


def _fetch(now: data.View, config: OverlayConfig) -> Iterator[Value]:
    """What this overlay's buffers forbid a fetch."""
    is_rhs = now.kind == Kind.RHS
    table = (now.kind == Kind.PARAMS) | (now.kind == Kind.TAPS) | (now.kind == Kind.ROWS)
    most = piece_bits(config)
    yield now.address[: config.bus_bytes.bit_length() - 1].any()
    yield now.tail_bits > most
    yield (now.chunks != 1) & ((now.piece_bits == 0) | (now.piece_bits > most))
    yield now.reserve > config.lhs_depth
    kept = _kept(now, config, Stage.FETCH)
    yield table & (kept("base") + kept("groups") > config.table_depth)
    yield is_rhs & ((now.width == 0) | (now.pushes == 0))
    yield is_rhs & ((now.stride == 0) | (now.pitch_banks >= config.dn))
    yield is_rhs & (now.tail_words > config.rhs_ways)
    for step in ("phase_words", "phase_row_words", "tile_stride", "pitch_words", "plane_words"):
        yield is_rhs & (now[step] > config.rhs_depth)
    yield is_rhs & (now.inner > config.rhs_depth)
    yield is_rhs & (now.window != 0) & ~Cat(now.slot_bits == bits for bits in SLOT_BITS).any()


def _execute(now: data.View, config: OverlayConfig) -> Iterator[Value]:
    """What this overlay's tables and ring forbid a layer."""
    kept = _kept(now, config, Stage.EXECUTE)
    yield now.tap_table & (kept("tap_base") + kept("taps") > config.table_depth)
    yield now.row_table & (kept("row_base") + kept("row_tiles") > config.table_depth)
    yield (now.tile_stride > config.rhs_depth) | (now.plane_words > config.rhs_depth)
    yield now.ring_words >= config.ring_depth
    alone = now.lhs_stream & (now.block_first == 1) & (now.block == 1)
    if config.p > 1:
        yield now.w_bipolar
    yield now.split & ~(alone if config.k_split else Const(0))


def _result(now: data.View, config: OverlayConfig) -> Iterator[Value]:
    """What this overlay's array, table and ring forbid a layer."""
    kept = _kept(now, config, Stage.RESULT)
    yield now.address[: config.bus_bytes.bit_length() - 1].any()
    yield now.columns > config.dn
    yield now.selects > now.period
    yield now.split & (not config.k_split)
    entries = times(kept("row_tiles"), config.row_groups)
    yield kept("param_base") + entries > config.table_depth
    yield now.ring_words >= config.ring_depth


_RULES = {Stage.FETCH: _fetch, Stage.EXECUTE: _execute, Stage.RESULT: _result}


class Check(wiring.Component):
    """Judges what a stage takes.

    Members
    -------
    now : In(layout), spare : In, index : In        the instruction offered, as the queue gives it
    taken : In(1)                                   the stage takes it in this cycle
    fault : Out(FAULT), at : Out                    one cycle later; the place of the last one taken
    """

    now: data.View
    spare: Signal
    index: Signal
    taken: Signal
    fault: data.View
    at: Signal

    def __init__(self, *, config: OverlayConfig, stage: Stage) -> None:
        self.config, self.stage = config, stage
        super().__init__(
            {
                "now": In(layout(FORMATS[stage])),
                "spare": In(spare_bits(stage)),
                "index": In(INDEX_BITS),
                "taken": In(1),
                "fault": Out(FAULT),
                "at": Out(INDEX_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plain = [
            *(bits.any() for bits in left_out(self.now, self.config, self.stage)),
            *_limits(self.now, self.stage),
        ]
        rules = [
            *self.spare,
            *(Cat(plain[at : at + TOGETHER]).any() for at in range(0, len(plain), TOGETHER)),
            *_RULES[self.stage](self.now, self.config),
        ]
        # of what is offered, taken or not: `taken` comes late
        broken, foreign, taken = Signal(len(rules)), Signal(), Signal()
        m.d.sync += [broken.eq(Cat(rules)), taken.eq(self.taken)]
        if self.stage is Stage.FETCH:
            m.d.sync += foreign.eq(self.now.hash != self.config.hash)
        with m.If(self.taken):
            m.d.sync += self.at.eq(self.index)
        wrong = taken & broken.any()
        report(m, self.fault, when=wrong, code=Code.ILLEGAL, stage=self.stage)
        report(m, self.fault, when=taken & foreign, code=Code.OVERLAY, stage=self.stage)
        return m


class Starvation(wiring.Component):
    """Notices that the stages wait for one another.

    Members
    -------
    waits : In(1)        the memory owes an answer, or no job runs
    progress : In(1)     something moved in this cycle
    fault : Out(FAULT)   a cycle after STARVED_CYCLES without either
    """

    waits: Signal
    progress: Signal
    fault: data.View

    def __init__(self) -> None:
        super().__init__({"waits": In(1), "progress": In(1), "fault": Out(FAULT)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        still, over = Signal(range(STARVED_CYCLES)), Signal()
        waited, moved = Signal(), Signal()
        m.d.sync += [
            waited.eq(self.waits),  # late in their cycle
            moved.eq(self.progress),
            still.eq(still + 1),
            over.eq(still == STARVED_CYCLES - 1),
        ]
        with m.If(waited | moved | over):
            m.d.sync += [still.eq(0), over.eq(0)]
        report(m, self.fault, when=over, code=Code.STARVED, stage=NO_STAGE)
        return m


class Judge(wiring.Component):
    """One fault out of all that the core may do wrong, and where the program stands.

    Members
    -------
    written : In(1)                     a word of the program enters a queue
    lost : In(1)                        it begins an instruction of no stage
    wrong_row : In(1)                   an entry of the row table that nothing can have was written
    place : Out                         the place of its instruction in the program
    overflow : In(one bit a stage)      a cycle later: it found no room
    waits, progress : In(1)             as of Starvation
    stages : In(one FAULT a stage)      the checks' faults
    at : In(one place a stage)          the last instruction each stage has taken
    fault : Out(FAULT)                  the first fault
    blamed : In(2), index : Out         a cycle later: its stage, or NO_STAGE for the program's
                                        reader; where that one stood
    """

    written: Signal
    lost: Signal
    wrong_row: Signal
    place: Signal
    overflow: Signal
    waits: Signal
    progress: Signal
    stages: data.View
    at: data.View
    blamed: Signal
    fault: data.View
    index: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.beats = INSTRUCTION_BITS // config.memory_bits
        super().__init__(
            {
                "written": In(1),
                "lost": In(1),
                "wrong_row": In(1),
                "place": Out(INDEX_BITS),
                "overflow": In(len(Stage)),
                "waits": In(1),
                "progress": In(1),
                "stages": In(data.ArrayLayout(FAULT, len(Stage))),
                "at": In(data.ArrayLayout(INDEX_BITS, len(Stage))),
                "blamed": In(2),
                "fault": Out(FAULT),
                "index": Out(INDEX_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shift = (self.beats - 1).bit_length()
        words = Signal(INDEX_BITS + shift)
        m.d.comb += self.place.eq(words[shift:])
        with m.If(self.written | self.lost):
            m.d.sync += words.eq(words + 1)
        m.submodules.starvation = starvation = Starvation()
        m.d.comb += [
            starvation.waits.eq(self.waits),
            starvation.progress.eq(self.progress | self.written),
        ]
        queues, lost = Signal(FAULT), Signal()
        m.d.sync += lost.eq(self.lost)
        place = delayed(m, self.place, 3, name="place")  # of the word written three cycles ago
        report(m, queues, when=self.overflow.any(), code=Code.OVERFLOW)
        report(m, queues, when=lost, code=Code.ILLEGAL)
        report(m, queues, when=self.wrong_row, code=Code.ILLEGAL, stage=Stage.FETCH)
        others = [self.stages[stage] for stage in Stage if stage is not Stage.FETCH]
        # whether there is one, and each of them: which is the first is found a cycle later
        sources = [*others, queues, starvation.fault]
        seen, later, valid = [Signal(FAULT) for _ in sources], Signal(FAULT), Signal()
        m.d.sync += valid.eq(Cat(source.valid for source in sources).any())
        for kept, source in zip(seen, sources, strict=True):
            m.d.sync += kept.eq(source)
        first_fault(m, later, seen)
        m.d.comb += later.valid.eq(valid)
        first_fault(m, self.fault, [self.stages[Stage.FETCH], later])
        m.d.comb += self.index.eq(place)
        for stage in Stage:
            with m.If(self.blamed == stage):
                m.d.comb += self.index.eq(self.at[stage])
        return m
