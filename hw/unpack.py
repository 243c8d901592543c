"""The fetch stage's data half: bus words become pieces, written where they belong."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig, piece_bits
from hw.fault import NO_STAGE
from hw.gearbox import Gearbox
from hw.kept import job_layout
from hw.piece_count import PieceCount
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
        m.submodules.count = count = PieceCount(config=config)
        self._slots(m, box, count, raster)
        is_lhs, is_rhs = count.is_kind[Kind.LHS], count.is_kind[Kind.RHS]
        ends, now = count.group_ends, count.now
        m.d.comb += [
            box.word.eq(self.rdata),
            box.word_valid.eq(self.rvalid),
            self.rready.eq(box.word_ready),
            box.anew.eq(count.anew),
            box.flush.eq(ends[Kind.LHS]),
            box.skips.eq(raster.beyond),
            box.tails.eq(count.next_last),
            box.tail.eq(now.tail_bits),
            box.whole.eq(now.piece_bits),
            count.steps.eq(box.steps),
            raster.steps.eq(box.steps),
            raster.leaves.eq(box.emit),
            raster.of_rhs.eq(is_rhs),
            raster.plane.eq(count.last & is_rhs),
            raster.pixel.eq(ends[Kind.RHS]),
            raster.anew.eq(count.anew),
            self.rhs_token.eq(raster.token),
            self.lhs_token.eq(box.emit & ends[Kind.LHS]),
        ]
        m.d.sync += self.table_token.eq(
            box.emit & count.final & (count.is_kind[Kind.TAPS] | count.is_kind[Kind.ROWS])
        )
        lhs_address = Signal(range(config.lhs_depth))
        with m.If(box.emit & count.last & is_lhs):
            m.d.sync += lhs_address.eq(lhs_address + 1)
        early = Signal(write_layout(config))  # `write` a cycle ahead, all but its piece
        self._tables(m, early, count, box, lhs_address)
        self._activations(m, early, count, box, raster)
        self._place(m, early, now, box, raster)
        self._program(m, count, box)
        return m

    def _slots(self, m: Module, box: Gearbox, count: PieceCount, raster: Raster) -> None:
        """Registers in a row: no multiplexer stands between them. An empty one takes whatever is
        ahead of it, instruction or not: hundreds of them hear of that from `full` alone.

        What is asked of the last slot's instruction is worked out as it comes there.
        """
        now = Signal(job_layout(self.config))
        slots = [Signal.like(now, name=f"slot_{index}") for index in range(JOB_SLOTS)]
        full, moves, entering = Signal(JOB_SLOTS), Signal(JOB_SLOTS), slots[-2]
        m.d.comb += [
            self.job.ready.eq(~full[0]),
            moves[0].eq(self.job.valid & ~full[0]),
            count.coming.eq(slots[-1]),
            raster.load.eq(count.begin),
            *(part.more.eq(full[-1]) for part in (box, count)),
            *(part.now.eq(now) for part in (count, raster)),
            *(part.enters.eq(moves[-1]) for part in (count, raster)),
            *(part.entering.eq(entering) for part in (count, raster)),
        ]
        m.d.comb += [moves[i].eq(full[i - 1] & ~full[i]) for i in range(1, JOB_SLOTS)]
        leaves = Cat(moves[1:], full[-1] & count.begin)
        m.d.sync += full.eq((full & ~leaves) | moves)
        for source, slot, holds in zip([self.job.payload, *slots], slots, full, strict=False):
            with m.If(~holds):
                m.d.sync += slot.eq(source)
        alone = Signal()  # the piece of `entering` is its string's only one
        with m.If(~full[-2]):
            m.d.sync += alone.eq(slots[-3].chunks == 1)
        with m.If(~full[-1]):
            m.d.sync += box.first.eq(Mux(alone, entering.tail_bits, entering.piece_bits))
        with m.If(count.begin):
            m.d.sync += now.eq(slots[-1])

    def _tables(
        self, m: Module, write: data.View, count: PieceCount, box: Gearbox, lhs_address: Signal
    ) -> None:
        """Which buffer, and where in the weight banks and tables."""
        leaves = [box.emit & is_kind for is_kind in count.is_kind]
        m.d.sync += [
            write.lhs.eq(Mux(leaves[Kind.LHS], _one_hot(write.lhs, count.chunk), 0)),
            write.params.eq(Mux(leaves[Kind.PARAMS], _one_hot(write.params, count.chunk), 0)),
            write.taps.eq(leaves[Kind.TAPS]),
            write.rows.eq(leaves[Kind.ROWS]),
            write.address.eq(count.now.base + count.group),
        ]
        with m.If(count.is_kind[Kind.LHS]):
            m.d.sync += write.address.eq(lhs_address)

    def _activations(
        self, m: Module, write: data.View, count: PieceCount, box: Gearbox, raster: Raster
    ) -> None:
        """The same for activations: only some positions of a packed row hold a word.

        All banks, and all neighbours, until a cycle later it is known which.
        """
        enters, now = box.emit & raster.packs, count.now
        leaves = box.emit & count.is_kind[Kind.RHS]
        slots = Cat(now.slot_bits[bits.bit_length() - 1] for bits in SLOT_BITS)
        m.d.sync += [
            write.rhs.eq((leaves & ~raster.hold).replicate(len(write.rhs))),
            write.slot.eq(Mux(enters, slots, 0)),
            write.plane.eq(count.group),
            write.joins.eq((enters & ~raster.first).replicate(len(write.joins))),
            write.words.eq(
                Cat(~count.last | (now.tail_words > index) for index in range(self.config.rhs_ways))
            ),
        ]

    def _place(
        self, m: Module, early: data.View, now: data.View, box: Gearbox, raster: Raster
    ) -> None:
        """The write port, a cycle later: the piece has come, and the place of activations."""
        tall = Signal((1 << len(now.window)) - 1)  # places of a window that hold a pixel
        slots = [bits // SLOT_BITS[0] for bits in SLOT_BITS]
        inside = [
            Cat(
                taken & tall[place // slot : place // slot + 1].any()
                for taken, slot in zip(early.slot, slots, strict=True)
            ).any()
            for place in range(len(early.joins))
        ]
        m.d.sync += [
            tall.eq(Cat(now.window > place for place in range(len(tall)))),
            self.write.eq(early),
            self.write.rhs.eq(early.rhs & _one_hot(early.rhs, raster.bank)),
            self.write.joins.eq(early.joins & Cat(inside)),
            self.write.piece.eq(box.piece),
        ]
        with m.If(early.rhs.any()):
            m.d.sync += self.write.address.eq(raster.address)

    def _program(self, m: Module, count: PieceCount, box: Gearbox) -> None:
        """Bus words of instructions: the first of each says which queue they are for."""
        beats = INSTRUCTION_BITS // self.config.memory_bits
        header, destination, held = Signal(), Signal(2), Signal(2)
        m.d.comb += [
            header.eq(count.group[: (beats - 1).bit_length()] == 0),
            destination.eq(Mux(header, self.rdata[:2], held)),  # pieces are bus words
        ]
        with m.If(box.emit):
            m.d.sync += held.eq(destination)
        to_queue = box.emit & count.is_kind[Kind.PROGRAM]
        m.d.sync += self.word.eq(self.rdata)
        m.d.sync += [
            self.queue_write[stage].eq(to_queue & (destination == stage)) for stage in Stage
        ]
        m.d.sync += self.lost.eq(to_queue & (destination == NO_STAGE))


def _one_hot(like: Value, number: Value) -> Value:
    """As many bits as `like` has: that of the number."""
    return Cat(number == index for index in range(len(like)))
