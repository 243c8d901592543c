"""The row table: what row tiles differ in, ready before a row tile begins."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.kept import keep, kept_bits, kept_layout
from hw.ram import SharedRam
from hw.unpack import write_layout
from ir.isa import ROW, Stage, layout
from ir.precision import MAX_OPERAND_BITS

ROW_LAYOUT = layout(ROW)

ROW_TABLE_LATENCY = 5
"""Cycles from asking for the first row tile's entry to having it."""


def row_layout(config: OverlayConfig) -> data.StructLayout:
    """What is kept of an entry of the row table."""
    digits = kept_bits(config, Stage.EXECUTE)["w_digits"]
    return data.StructLayout({"digits": digits, "bipolar": 1, "offset": range(config.rhs_depth)})


class RowTable(wiring.Component):
    """Digits, coding and word offset of the row tile under way; without a table, the common ones.

    Row tiles come in order, over and over again, so the table is read ahead of them: the memory's
    word, two registers behind it and `entry` are a queue that moves on with each row tile, in every
    cycle if need be.

    Members
    -------
    now : In                   the execute instruction
    begin : In(1)              it is new: it stands from the next cycle on
    fill : In(1)               high for ROW_TABLE_LATENCY cycles before the first entry is used
    write : In(write_layout)   the table's entries
    step : In(1)               the row tile ends
    entry : Out(row_layout)    its entry, a register
    illegal : Out(1)           registered: an entry was written whose number of digits nothing has
    coming : Out(row_layout)   that of the row tile that follows; with `fill`, of the first one;
                               a register too
    """

    now: data.View
    begin: Signal
    fill: Signal
    write: data.View
    step: Signal
    illegal: Signal
    entry: data.View
    coming: data.View

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "now": In(kept_layout(config, Stage.EXECUTE)),
                "begin": In(1),
                "fill": In(1),
                "write": In(write_layout(config)),
                "step": In(1),
                "illegal": Out(1),
                "entry": Out(row_layout(config)),
                "coming": Out(row_layout(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now = self.now
        m.submodules.table = table = SharedRam(width=ROW_LAYOUT.size, depth=self.config.table_depth)
        found, read = Signal.like(self.entry), Signal(ROW_LAYOUT, reset_less=True)
        place, moves = Signal(range(self.config.table_depth)), Signal()
        last = self._last(m, moves)
        written = data.View(ROW_LAYOUT, self.write.piece[: ROW_LAYOUT.size])
        most = MAX_OPERAND_BITS // self.config.p
        wrong = (written.digits == 0) | (written.digits > most)
        m.d.sync += self.illegal.eq(self.write.rows & wrong)
        m.d.comb += [
            moves.eq(self.fill | self.step),
            table.write_address.eq(self.write.address),
            table.write_enable.eq(self.write.rows),
            table.write_data.eq(self.write.piece),
            table.read_address.eq(place),
            table.read_enable.eq(moves),
            *keep(found, read),
        ]
        with m.If(~now.row_table):
            m.d.comb += [
                found.digits.eq(now.w_digits),
                found.bipolar.eq(now.w_bipolar),
                found.offset.eq(0),
            ]
        if self.config.p > 1:  # a digit of several bits has a sign
            m.d.comb += found.bipolar.eq(0)
        with m.If(moves):
            m.d.sync += [
                read.eq(table.read_data),
                self.coming.eq(found),
                self.entry.eq(self.coming),
            ]
            m.d.sync += place.eq(Mux(last, now.row_base, place + 1))
        return m

    def _last(self, m: Module, moves: Signal) -> Signal:
        """Whether the layer's last row tile was asked for, or none yet: row_base comes next.

        As hw/counted.py, but that `begin` enables nothing: `moves` comes late.
        """
        count, left = self.now.row_tiles, Signal.like(self.now.row_tiles)
        near, last = Signal(), Signal()
        with m.If(moves):
            m.d.sync += [
                left.eq(Mux(last, count, left - 1)),
                near.eq(Mux(last, count == 2, left == 3)),
            ]
        following = Mux(last, count == 1, near)
        m.d.sync += last.eq(self.begin | Mux(moves, following, last))
        return last
