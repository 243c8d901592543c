"""The walk of activations over the banks: where each piece of a tensor goes."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.kept import job_layout, keep
from ir.isa import Kind

MOVES = data.StructLayout(
    dict.fromkeys(
        ("piece", "plane", "pixel", "phase_end", "place", "row", "restart", "load"), unsigned(1)
    )
)
"""What a piece that has left makes of the place on the chip, a cycle later.

piece, plane, pixel     it left; it was the last of its plane, of its position
phase_end               the position was the last of the row's phases
place, row              with the position: the next one on the grid, another row of the tensor
restart, load           the walk begins anew; so does an instruction
"""

_STEPS = (
    "stride",
    "phase_words",
    "phase_row_words",
    "tile_stride",
    "pitch_banks",
    "pitch_words",
    "plane_words",
    "inner",
)


def _steps_layout(config: OverlayConfig) -> data.StructLayout:
    """What of an instruction the moves need: it has changed behind its last piece."""
    fields = dict(job_layout(config))
    return data.StructLayout({name: fields[name].shape for name in _STEPS})


class Raster(wiring.Component):
    """Bank and address of a piece, for a tensor that arrives in raster order.

    The words of a pixel lie in one bank, one plane `plane_words` after the other, this tensor's
    from `inner` on. Pixels are spread over the Dn banks by their flat index on a grid of the
    layer's virtual width, one such grid for each of the stride^2 phases, so that the Dn neighbours
    which a column tile needs at any kernel position lie in Dn different banks.

    With a window a row has `pushes` positions, those from `width` on beyond the tensor. Position
    window_first and each stride-th after it hold a word, the next of the grid's row; the others
    hold none. Phases are those of the rows alone: `phase_words` is 0.

    Tokens count places of the grid: one for every Dn of them, whatever their phase, and one for the
    rest at the end. A `silent` tensor counts nothing. After a tensor with `keep` the walk stands
    still where it is, the count of places included; else it begins anew.

    Parameters
    ----------
    config : the overlay

    Members
    -------
    now : In(job)                   the instruction
    load : In(1), coming : In(job)  another instruction may begin in the next cycle
    leaves : In(1)                  a piece leaves; late in its cycle, unlike what it is:
    of_rhs : In(1)                  of a tensor of activations
    plane, pixel : In(1)            and the last of its plane, of its position
    ends : In(1)                    the position is the fetch's last
    final : In(1)                   it is the fetch's last piece, of whatever kind
    idle : In(1)                    no fetch is under way
    first : Out(1)                  position 0 of a row
    packs : Out(1)                  a tensor of activations with a window
    beyond : Out(1)                 and a position right of it: zeros
    hold : Out(1)                   the position has no word
    bank, address : Out             in the next cycle: of the piece's first word
    token : Out(1)                  Dn places, or the last, with this piece
    """

    now: data.View
    load: Signal
    coming: data.View
    packs: Signal
    leaves: Signal
    of_rhs: Signal
    plane: Signal
    pixel: Signal
    ends: Signal
    final: Signal
    idle: Signal
    first: Signal
    beyond: Signal
    hold: Signal
    bank: Signal
    address: Signal
    token: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "now": In(job_layout(config)),
                "load": In(1),
                "coming": In(job_layout(config)),
                "packs": Out(1),
                "leaves": In(1),
                "of_rhs": In(1),
                "plane": In(1),
                "pixel": In(1),
                "ends": In(1),
                "final": In(1),
                "idle": In(1),
                "first": Out(1),
                "beyond": Out(1),
                "hold": Out(1),
                "bank": Out(range(config.dn)),
                "address": Out(range(config.rhs_depth)),
                "token": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now, windowed = self.now, self.packs
        x, px, started = Signal.like(now.pushes), Signal(4), Signal()
        px_end, row_end, last_x = Signal(), Signal(), Signal.like(x)
        m.d.comb += [
            started.eq(~windowed | (x >= now.window_first)),
            self.first.eq(x == 0),
            self.hold.eq(windowed & ~(started & (px == 0))),
            px_end.eq(px + 1 == now.stride),
            row_end.eq(x == last_x),
        ]
        begins, pixel = Signal(), Signal()  # the row, behind the position; the position ends
        m.d.comb += [
            begins.eq(row_end | (self.ends & ~now.keep)),
            pixel.eq(self.leaves & self.pixel),
        ]
        with m.If(pixel):
            m.d.sync += x.eq(Mux(begins, 0, x + 1))
            m.d.sync += px.eq(Mux(begins | px_end, 0, px + started))
        self._row(m, x, begins, last_x)
        self._tokens(m, pixel)
        moves, was = Signal(MOVES), Signal(_steps_layout(self.config))
        m.d.sync += [
            moves.piece.eq(self.leaves & self.of_rhs),
            moves.plane.eq(self.leaves & self.plane),
            moves.pixel.eq(pixel),
            moves.phase_end.eq(px_end),
            moves.place.eq(self.leaves & (self.pixel & Mux(windowed, ~self.hold, px_end))),
            moves.row.eq(self.leaves & (self.pixel & row_end)),
            moves.restart.eq(self.leaves & (self.pixel & self.ends & ~now.keep)),
            moves.load.eq(self.load),
            *keep(was, now),
        ]
        self._words(m, moves, was, self._grid(m, moves, was))
        return m

    def _row(self, m: Module, x: Signal, begins: Signal, last_x: Signal) -> None:
        """What is known of a position before its first piece: whether it lies beyond the tensor.

        outside: x >= width. What a piece makes of it is ready before it leaves.
        """
        coming, outside, further = self.coming, Signal(), Signal()
        packs, behind = Signal(), Signal()  # the fetch that comes; the one behind the piece
        m.d.comb += [
            packs.eq((coming.kind == Kind.RHS) & (coming.window != 0)),
            further.eq(outside),
            behind.eq(Mux(self.final, packs, self.packs)),
        ]
        with m.If(self.pixel):
            m.d.comb += further.eq(~begins & (outside | (x + 1 == self.now.width)))
        with m.If(self.leaves):
            m.d.sync += [outside.eq(further), self.beyond.eq(behind & further)]
        with m.Else():
            m.d.sync += self.beyond.eq(Mux(self.idle, packs, self.packs) & outside)
        with m.If(self.load):
            m.d.sync += [
                self.packs.eq(packs),
                last_x.eq(Mux(packs, coming.pushes, coming.width) - 1),
            ]

    def _grid(self, m: Module, moves: data.View, was: data.View) -> Signal:
        """Drives `bank`; returns the address of the position's words in it."""
        columns, depth = self.config.dn, range(self.config.rhs_depth)
        words, row_bank, row_words = Signal(depth), Signal.like(self.bank), Signal(depth)
        phase, phase_row, py = Signal(depth), Signal(depth), Signal(4)
        bank = Signal.like(self.bank)
        m.d.comb += self.bank.eq(bank)
        with m.If(moves.pixel):
            m.d.sync += phase.eq(Mux(moves.phase_end, phase_row, phase + was.phase_words))
        with m.If(moves.place):
            m.d.sync += bank.eq(bank + 1)
            with m.If(bank == columns - 1):
                m.d.sync += [bank.eq(0), words.eq(words + was.tile_stride)]
        next_bank, next_words, next_phase = (Signal.like(s) for s in (bank, words, phase))
        py_end, wraps = Signal(), Signal()
        total = Signal(range(2 * columns + 256))
        m.d.comb += [
            py_end.eq(py + 1 == was.stride),
            total.eq(row_bank + was.pitch_banks),
            wraps.eq(total >= columns),
            next_bank.eq(row_bank),
            next_words.eq(row_words),
            next_phase.eq(Mux(py_end, 0, phase_row + was.phase_row_words)),
        ]
        with m.If(py_end):  # a step of the virtual width
            m.d.comb += [
                next_bank.eq(Mux(wraps, total - columns, total)),
                next_words.eq(row_words + was.pitch_words + Mux(wraps, was.tile_stride, 0)),
            ]
        with m.If(moves.row):
            m.d.sync += py.eq(Mux(py_end, 0, py + 1))
            m.d.sync += [s.eq(next_bank) for s in (bank, row_bank)]
            m.d.sync += [s.eq(next_words) for s in (words, row_words)]
            m.d.sync += [s.eq(next_phase) for s in (phase, phase_row)]
        with m.If(moves.restart):
            m.d.sync += [s.eq(0) for s in (bank, words, row_bank, row_words, phase, phase_row, py)]
        place = Signal(depth)
        m.d.comb += place.eq(phase + words)
        return place

    def _words(self, m: Module, moves: data.View, was: data.View, place: Signal) -> None:
        """Words within a position: pieces of a plane, planes."""
        plane, word = Signal.like(place), Signal.like(place)
        with m.If(moves.piece):
            m.d.sync += word.eq(word + self.config.rhs_ways)
        with m.If(moves.plane):
            m.d.sync += [s.eq(plane + was.plane_words) for s in (plane, word)]
        with m.If(moves.pixel):
            m.d.sync += [s.eq(was.inner) for s in (plane, word)]
        with m.If(moves.load):
            m.d.sync += [s.eq(self.now.inner) for s in (plane, word)]
        m.d.comb += self.address.eq(place + word)

    def _tokens(self, m: Module, pixel: Signal) -> None:
        """Places of the grid since the last token."""
        columns, now = self.config.dn, self.now
        count = Signal(range(columns))
        full, rest, due = Signal(), Signal(), Signal()
        m.d.comb += [
            full.eq(~self.hold & (count == columns - 1)),
            rest.eq(self.ends & ~now.keep & (~self.hold | (count != 0))),
            due.eq(~now.silent & (full | rest)),
            self.token.eq(self.leaves & (self.pixel & due)),
        ]
        with m.If(pixel):
            m.d.sync += count.eq(Mux(due, 0, count + (~self.hold & ~now.silent)))
