"""The fetch stage's data half: bus words become pieces, written where they belong."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig, piece_bits
from hw.fault import NO_STAGE
from hw.gearbox import Gearbox
from hw.kept import job_layout
from hw.raster import Raster
from ir.isa import INSTRUCTION_BITS, SLOT_BITS, Kind, Stage

JOB_SLOTS = 3
"""Fetches whose bursts may be under way behind the one being unpacked: short ones need several to
hide the latency of the memory."""

PLANE_BITS = 3
"""Of the number of a plane: digits are at most 8."""


def piece_grain(config: OverlayConfig) -> int:
    """8 if every piece is whole bytes, apart from strings of equal pieces of 1, 2 or 4 bits."""
    return 1 if config.rhs_bits % 8 or config.lhs_word_bits % 8 else 8


def lhs_pieces(config: OverlayConfig) -> int:
    """Pieces of a group of weights: one for every lhs_rows rows."""
    return -(-config.dm // config.lhs_rows)


def param_pieces(config: OverlayConfig) -> int:
    """Pieces of a row of requantizer parameters."""
    return -(-config.requant_lanes // config.param_lanes)


def write_layout(config: OverlayConfig) -> data.StructLayout:
    """A piece on its way to a buffer, two cycles after it left the gearbox.

    lhs, params     one-hot: the piece of the group that it is; 0 if it is for another buffer
    rhs             one-hot: the activation bank that it is for
    taps, rows      it is for that table
    address         of its word, or of the first of its words
    words           rhs: which of the words it holds
    slot            rhs: one-hot index into SLOT_BITS for a piece that enters a packed word, else 0
    plane           rhs, slot: whose word
    joins           rhs, slot: where its left neighbours in the row stand, in the smallest slots
    """
    depth = max(config.lhs_depth, config.rhs_depth, config.table_depth)
    return data.StructLayout(
        {
            "lhs": unsigned(lhs_pieces(config)),
            "rhs": unsigned(config.dn),
            "params": unsigned(param_pieces(config)),
            "taps": unsigned(1),
            "rows": unsigned(1),
            "address": unsigned((depth - 1).bit_length()),
            "words": unsigned(config.rhs_ways),
            "slot": unsigned(len(SLOT_BITS)),
            "plane": unsigned(PLANE_BITS),
            "joins": unsigned(-(-config.rhs_bits // SLOT_BITS[0])),
            "piece": unsigned(piece_bits(config)),
        }
    )


class Unpacker(wiring.Component):
    """Cuts the read data of each fetch instruction into pieces and addresses them.

    Pieces come in groups (`chunks` pieces, the last of them `tail_bits` long), groups in units:

    kind      unit       group             piece
    lhs       row tile   word of all rows  the words of lhs_rows rows (the last: of what is left)
    rhs       position   plane             rhs_ways words (the last: tail_words)
    params    table      row               param_lanes entries
    program   its words  bus word          a bus word
    others    table      entry             an entry

    Where activations go is `Raster`'s. A position beyond the tensor takes nothing from the bus.

    One piece a cycle, across instructions too. JOB_SLOTS instructions wait; each moves on a cycle
    after the slot ahead of it has become free, and the first while the last piece leaves.

    Members
    -------
    job : In(stream)                  the instruction, from the issuer
    rdata, rvalid, rready             the read data channel
    write : Out(write_layout)         registered, to the operand buffers and tables
    queue_write, word : Out           registered: a bus word for the queue of a stage, one bit each
    lost : Out(1)                     registered: it begins an instruction of no stage
    lhs_token, rhs_token : Out(1)     a row tile, or Dn places (see Raster), left the gearbox
    table_token : Out(1)              registered: `write` is the last of a tap or row table
    """

    job: stream.Interface
    rdata: Signal
    rvalid: Signal
    rready: Signal
    write: data.View
    queue_write: Signal
    word: Signal
    lost: Signal
    lhs_token: Signal
    rhs_token: Signal
    table_token: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "job": In(stream.Signature(job_layout(config))),
                "rdata": In(config.memory_bits),
                "rvalid": In(1),
                "rready": Out(1),
                "write": Out(write_layout(config)),
                "queue_write": Out(len(Stage)),
                "word": Out(config.memory_bits),
                "lost": Out(1),
                "lhs_token": Out(1),
                "rhs_token": Out(1),
                "table_token": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.gearbox = box = Gearbox(
            memory_bits=config.memory_bits,
            piece_bits=piece_bits(config),
            grain=piece_grain(config),
        )
        m.submodules.raster = raster = Raster(config=config)
        now, busy, unit_end = Signal(job_layout(config)), Signal(), Signal()
        begin, coming, first = self._slots(m, now, busy, unit_end, raster)
        is_kind = Signal(len(Kind))  # one-hot
        with m.If(begin):
            m.d.sync += is_kind.eq(Cat(coming.kind == kind for kind in Kind))

        # what ends with a piece is known when the piece begins: `emit` comes late
        chunk, last, coming_last = _counted(m, box.emit, now.chunks, begin, coming.chunks)
        chunk_end, group_end = Signal(), Signal()
        group, group_last, _ = _counted(m, chunk_end, now.groups, begin, coming.groups)
        _, unit_last, _ = _counted(m, group_end, now.units, begin, coming.units)
        is_lhs, is_rhs = is_kind[Kind.LHS], is_kind[Kind.RHS]
        m.d.comb += [
            box.word.eq(self.rdata),
            box.word_valid.eq(self.rvalid),
            self.rready.eq(box.word_ready),
            box.ends.eq(raster.final),
            box.first.eq(first),
            box.enable.eq(busy),
            box.skip.eq(raster.beyond),
            box.coming.eq(Mux(coming_last, now.tail_bits, now.piece_bits)),
            box.flush.eq(last & group_last & is_lhs),
            chunk_end.eq(box.emit & last),
            group_end.eq(box.emit & (last & group_last)),
            unit_end.eq(box.emit & raster.final),
            raster.leaves.eq(box.emit),
            raster.of_rhs.eq(is_rhs),
            raster.plane.eq(last & is_rhs),
            raster.pixel.eq(last & group_last & is_rhs),
            raster.ends.eq(unit_last),
            raster.final.eq(last & group_last & unit_last),
            raster.idle.eq(~busy),
            self.rhs_token.eq(raster.token),
            self.lhs_token.eq(group_end & is_lhs),
        ]
        lhs_address = Signal(range(config.lhs_depth))
        with m.If(chunk_end & is_lhs):
            m.d.sync += lhs_address.eq(lhs_address + 1)
        early = Signal(write_layout(config))  # `write` a cycle ahead, all but its piece
        self._tables(m, early, now, is_kind, box, chunk, group, lhs_address)
        self._activations(m, early, now, is_rhs, box, raster, group, last)
        self._place(m, early, now, box, raster)
        self._program(m, is_kind[Kind.PROGRAM], box, group)
        m.d.sync += self.table_token.eq(unit_end & (is_kind[Kind.TAPS] | is_kind[Kind.ROWS]))
        return m

    def _slots(
        self, m: Module, now: data.View, busy: Signal, done: Signal, raster: Raster
    ) -> tuple[Signal, data.View, Signal]:
        """Registers in a row: no multiplexer stands between them.

        Returns whether another instruction may begin in the next cycle, which: the last slot's,
        whether it is full or not, and the length of its first piece. `busy` says whether it does.
        """
        slots = [Signal.like(now, name=f"slot_{index}") for index in range(JOB_SLOTS)]
        full, moves, begin = Signal(JOB_SLOTS), Signal(JOB_SLOTS), Signal()
        m.d.comb += [
            self.job.ready.eq(~full[0]),
            moves[0].eq(self.job.valid & ~full[0]),
            begin.eq(~busy | done),
            raster.now.eq(now),
            raster.load.eq(begin),
            raster.coming.eq(slots[-1]),
        ]
        m.d.comb += [moves[i].eq(full[i - 1] & ~full[i]) for i in range(1, JOB_SLOTS)]
        leaves = Cat(moves[1:], full[-1] & begin)
        m.d.sync += full.eq((full & ~leaves) | moves)
        for source, slot, move in zip([self.job.payload, *slots], slots, moves, strict=False):
            with m.If(move):
                m.d.sync += slot.eq(source)
        first = Signal.like(now.piece_bits, name="first_bits")
        with m.If(moves[-1]):
            alone = slots[-2].chunks == 1
            m.d.sync += first.eq(Mux(alone, slots[-2].tail_bits, slots[-2].piece_bits))
        with m.If(begin):
            m.d.sync += [now.eq(slots[-1]), busy.eq(full[-1])]
        return begin, slots[-1], first

    def _tables(
        self,
        m: Module,
        write: data.View,
        now: data.View,
        is_kind: Signal,
        box: Gearbox,
        chunk: Signal,
        group: Signal,
        lhs_address: Signal,
    ) -> None:
        """Which buffer, and where in the weight banks and tables."""
        m.d.sync += [
            write.lhs.eq(Mux(box.emit & is_kind[Kind.LHS], _one_hot(write.lhs, chunk), 0)),
            write.params.eq(Mux(box.emit & is_kind[Kind.PARAMS], _one_hot(write.params, chunk), 0)),
            write.taps.eq(box.emit & is_kind[Kind.TAPS]),
            write.rows.eq(box.emit & is_kind[Kind.ROWS]),
            write.address.eq(now.base + group),
        ]
        with m.If(is_kind[Kind.LHS]):
            m.d.sync += write.address.eq(lhs_address)

    def _activations(
        self,
        m: Module,
        write: data.View,
        now: data.View,
        is_rhs: Value,
        box: Gearbox,
        raster: Raster,
        group: Signal,
        last: Signal,
    ) -> None:
        """The same for activations: only some positions of a packed row hold a word.

        All banks, and all neighbours, until a cycle later it is known which.
        """
        enters = box.emit & raster.packs
        slots = Cat(now.slot_bits[bits.bit_length() - 1] for bits in SLOT_BITS)
        m.d.sync += [
            write.rhs.eq((box.emit & is_rhs & ~raster.hold).replicate(len(write.rhs))),
            write.slot.eq(Mux(enters, slots, 0)),
            write.plane.eq(group),
            write.joins.eq((enters & ~raster.first).replicate(len(write.joins))),
            write.words.eq(
                Cat(~last | (now.tail_words > index) for index in range(self.config.rhs_ways))
            ),
        ]

    def _place(
        self, m: Module, early: data.View, now: data.View, box: Gearbox, raster: Raster
    ) -> None:
        """The write port, a cycle later: the piece has come, and the place of activations."""
        empty, window = Signal(), Signal.like(now.window)
        spans = [window * (bits // SLOT_BITS[0]) for bits in SLOT_BITS]
        inside = [
            Cat(taken & (span > place) for taken, span in zip(early.slot, spans, strict=True)).any()
            for place in range(len(early.joins))
        ]
        m.d.sync += [
            empty.eq(raster.beyond),
            window.eq(now.window),
            self.write.eq(early),
            self.write.rhs.eq(early.rhs & _one_hot(early.rhs, raster.bank)),
            self.write.joins.eq(early.joins & Cat(inside)),
            self.write.piece.eq(box.piece),
        ]
        with m.If(empty):
            m.d.sync += self.write.piece.eq(0)
        with m.If(early.rhs.any()):
            m.d.sync += self.write.address.eq(raster.address)

    def _program(self, m: Module, is_program: Value, box: Gearbox, group: Signal) -> None:
        """Bus words of instructions: the first of each says which queue they are for."""
        beats = INSTRUCTION_BITS // self.config.memory_bits
        header, destination, held = Signal(), Signal(2), Signal(2)
        m.d.comb += [
            header.eq(group[: (beats - 1).bit_length()] == 0),
            destination.eq(Mux(header, self.rdata[:2], held)),  # pieces are bus words
        ]
        with m.If(box.emit):
            m.d.sync += held.eq(destination)
        to_queue = box.emit & is_program
        m.d.sync += self.word.eq(self.rdata)
        m.d.sync += [
            self.queue_write[stage].eq(to_queue & (destination == stage)) for stage in Stage
        ]
        m.d.sync += self.lost.eq(to_queue & (destination == NO_STAGE))


def _one_hot(like: Value, number: Value) -> Value:
    """As many bits as `like` has: that of the number."""
    return Cat(number == index for index in range(len(like)))


def _counted(
    m: Module, step: Value, count: Value, begin: Value, coming: Value
) -> tuple[Signal, Signal, Signal]:
    """(a place from 0 on; whether it is the last of `count`, known with it; whether the next is).

    After the last it is 0 again. Where an instruction begins, it counts `coming` from the next
    cycle on. The places left are counted down, so that all comparisons are with constants.
    """
    place, left = Signal.like(count), Signal.like(count)
    last, next_last = Signal(), Signal()
    with m.If(step):
        m.d.sync += [
            place.eq(Mux(last, 0, place + 1)),
            left.eq(Mux(last, count, left - 1)),
            last.eq(next_last),
            next_last.eq(Mux(last, count <= 2, left == 3)),
        ]
    with m.If(begin):
        m.d.sync += [left.eq(coming), last.eq(coming == 1), next_last.eq(coming <= 2)]
    return place, last, next_last
