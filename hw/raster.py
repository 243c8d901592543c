"""The walk of activations over the banks: where each piece of a tensor goes."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.kept import job_layout, keep, kept_bits
from ir.isa import Kind, Stage

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


def _left_layout(config: OverlayConfig) -> data.StructLayout:
    """What is left of a row at position x, negative where nothing is.

    row, tensor     positions of the row, and of the tensor's in it, behind the next one
    window          positions before a window's first word, less one
    phase           positions of the phase that begins behind the next one, of a row of phases or of
                    a window's stride
    """
    bits = kept_bits(config, Stage.FETCH)
    positions = signed(max(bits["pushes"], bits["width"]) + 1)
    window, phase = (signed(bits[name] + 1) for name in ("window_first", "stride"))
    return data.StructLayout(
        {"row": positions, "tensor": positions, "window": window, "phase": phase}
    )


class Raster(wiring.Component):
    """Bank and address of a piece, for a tensor that arrives in raster order.

    The words of a pixel lie in one bank, one plane `plane_words` after the other, this tensor's
    from `inner` on. Pixels are spread over the Dn banks by their flat index on a grid of the
    layer's virtual width, one such grid for each of the stride^2 phases, so that the Dn neighbours
    which a column tile needs at any kernel position lie in Dn different banks.

    A row has `pushes` positions: `width`, and with a window those beyond the tensor too. With one,
    position window_first and each stride-th after it hold a word, the next of the grid's row; the
    others hold none. Phases are those of the rows alone: `phase_words` is 0.

    Tokens count places of the grid: one for every Dn of them, whatever their phase, and one for the
    rest at the end. A `silent` tensor counts nothing. After a tensor with `keep` the walk stands
    still where it is, the count of places included; else it begins anew.

    Parameters
    ----------
    config : the overlay

    Members
    -------
    now : In(job)                   the instruction
    enters : In(1), entering : In(job)    an instruction becomes the one that is next
    load : In(1)                    that one may begin in the next cycle
    leaves : In(1)                  a piece leaves; late in its cycle, unlike what it is:
    of_rhs : In(1)                  of a tensor of activations
    plane, pixel : In(1)            and the last of its plane, of its position; low if there is none
    anew : In(1)                    the piece is a fetch's last, of whatever kind; or none is there
    steps : In(1)                   a piece leaves, or there is none; as late
    first : Out(1)                  position 0 of a row
    packs : Out(1)                  a tensor of activations with a window
    beyond : Out(1)                 the next piece is of a position right of one: zeros
    hold : Out(1)                   the position has no word
    bank, address : Out             in the next cycle: of the piece's first word
    token : Out(1)                  Dn places, or the last, with this piece
    """

    now: data.View
    enters: Signal
    entering: data.View
    load: Signal
    packs: Signal
    leaves: Signal
    of_rhs: Signal
    plane: Signal
    pixel: Signal
    anew: Signal
    steps: Signal
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
                "enters": In(1),
                "entering": In(job_layout(config)),
                "load": In(1),
                "packs": Out(1),
                "leaves": In(1),
                "of_rhs": In(1),
                "plane": In(1),
                "pixel": In(1),
                "anew": In(1),
                "steps": In(1),
                "first": Out(1, init=1),  # type: ignore[call-arg]
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
        pixel, left = Signal(), self._row(m)
        px_end, row_end = left.phase[-1], left.row[-1]
        m.d.comb += pixel.eq(self.leaves & self.pixel)
        self._tokens(m, pixel)
        # nothing else clears the registers behind it, whose reset would be late
        moves = Signal(MOVES, init={"restart": 1})
        was = Signal(_steps_layout(self.config))
        m.d.sync += [
            moves.piece.eq(self.leaves & self.of_rhs),
            moves.plane.eq(self.leaves & self.plane),
            moves.pixel.eq(pixel),
            moves.phase_end.eq(px_end),
            moves.place.eq(self.leaves & (self.pixel & Mux(windowed, ~self.hold, px_end))),
            moves.row.eq(self.leaves & (self.pixel & row_end)),
            moves.restart.eq(self.leaves & (self.pixel & self.anew & ~now.keep)),
            moves.load.eq(self.load),
            *keep(was, now),
        ]
        self._words(m, moves, was, self._grid(m, moves, was))
        return m

    def _row(self, m: Module) -> data.View:
        """Drives `first`, `packs`, `beyond` and `hold`; returns what is left of the row.

        Where in a row a position x is, is counted down and told by signs: what is left of the row
        and of the tensor behind the next position, and what is to come before a window's first.
        """
        given, here, anew, begins = self.entering, self.pixel, self.anew, Signal()
        packs, next_packs = Signal(), Signal()
        ahead, current, left = (Signal(_left_layout(self.config)) for _ in range(3))
        m.d.comb += packs.eq((given.kind == Kind.RHS) & (given.window != 0))
        with m.If(self.enters):  # at x = 0
            m.d.sync += [
                next_packs.eq(packs),
                ahead.row.eq(given.pushes - 2),
                ahead.tensor.eq(given.width - 2),
                ahead.window.eq(given.window_first - 1),
                ahead.phase.eq(given.stride - 2),
            ]
        with m.If(self.load):
            m.d.sync += [self.packs.eq(next_packs), current.eq(ahead)]
        outside, further, at_phase = Signal(), Signal(), Signal(init=1)
        m.d.comb += [
            begins.eq(~here | left.row[-1] | (anew & ~self.now.keep)),
            further.eq(Mux(here, left.tensor[-1] & ~left.row[-1], outside)),
            self.beyond.eq(Mux(anew, next_packs & (self.now.keep | ~here), self.packs) & further),
            self.hold.eq(self.packs & ~(left.window[-1] & at_phase)),
        ]
        with m.If(self.steps & (here | (anew & self.first))):
            m.d.sync += [
                self.first.eq(begins),
                outside.eq(further & ~begins),
                at_phase.eq(begins | left.phase[-1] | (at_phase & ~left.window[-1])),
                left.row.eq(left.row - 1),
                left.tensor.eq(left.tensor - 1),
                left.window.eq(left.window - ~left.window[-1]),
                left.phase.eq(Mux(left.phase[-1], current.phase, left.phase - left.window[-1])),
            ]
            with m.If(begins):
                m.d.sync += left.eq(Mux(anew, ahead, current))
        return left

    def _grid(self, m: Module, moves: data.View, was: data.View) -> Signal:
        """Drives `bank`; returns the address of the position's words in it."""
        columns, depth = self.config.dn, range(self.config.rhs_depth)
        words, row_words, phase, phase_row = (Signal(depth, reset_less=True) for _ in range(4))
        bank, row_bank = (Signal(range(columns), reset_less=True) for _ in range(2))
        m.d.comb += self.bank.eq(bank)
        with m.If(moves.pixel):
            m.d.sync += phase.eq(Mux(moves.phase_end, phase_row, phase + was.phase_words))
        with m.If(moves.place):
            m.d.sync += bank.eq(bank + 1)
            with m.If(bank == columns - 1):
                m.d.sync += [bank.eq(0), words.eq(words + was.tile_stride)]
        next_bank, next_words, next_phase = (Signal.like(s) for s in (bank, words, phase))
        py_end, wraps, both, short = Signal(), Signal(), Signal(depth), Signal(range(columns + 1))
        self._phase_rows(m, moves, py_end)
        m.d.sync += [  # as `was`
            both.eq(self.now.pitch_words + self.now.tile_stride),
            short.eq(columns - self.now.pitch_banks),
        ]
        far_words, near_words = Signal(depth), Signal(depth)
        m.d.comb += [
            wraps.eq(row_bank >= short),
            next_bank.eq(row_bank),
            next_words.eq(row_words),
            next_phase.eq(Mux(py_end, 0, phase_row + was.phase_row_words)),
            near_words.eq(row_words + was.pitch_words),
            far_words.eq(row_words + both),
        ]
        with m.If(py_end):  # a step of the virtual width
            m.d.comb += [
                next_bank.eq(Mux(wraps, row_bank - short, row_bank + was.pitch_banks)),
                next_words.eq(Mux(wraps, far_words, near_words)),
            ]
        with m.If(moves.row):
            m.d.sync += [s.eq(next_bank) for s in (bank, row_bank)]
            m.d.sync += [s.eq(next_words) for s in (words, row_words)]
            m.d.sync += [s.eq(next_phase) for s in (phase, phase_row)]
        with m.If(moves.restart):
            m.d.sync += [s.eq(0) for s in (bank, words, row_bank, row_words, phase, phase_row)]
        place = Signal(depth)
        m.d.comb += place.eq(phase + words)
        return place

    def _phase_rows(self, m: Module, moves: data.View, py_end: Signal) -> None:
        """py_end: the row is the last of the tensor's in its row of the grid. What is left of
        them is counted like positions; the stride is the one that `was` will be.
        """
        stride, begun = self.now.stride, Signal()
        left = Signal(signed(len(stride) + 1))
        m.d.comb += py_end.eq(left[-1])
        with m.If(moves.restart | Mux(moves.row, py_end, ~begun)):
            m.d.sync += [begun.eq(0), left.eq(stride - 2)]
        with m.Elif(moves.row):
            m.d.sync += [begun.eq(1), left.eq(left - 1)]

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
            rest.eq(self.anew & ~now.keep & (~self.hold | (count != 0))),
            due.eq(~now.silent & (full | rest)),
            self.token.eq(self.leaves & (self.pixel & due)),
        ]
        with m.If(pixel):
            m.d.sync += count.eq(Mux(due, 0, count + (~self.hold & ~now.silent)))
