"""Codes of a column become digit-planes (or 32-bit elements) at their place in the result ring."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.ring import ELEMENT_BITS, ring_layout
from ir.isa import FORMATS, Stage, layout


class Emitter(wiring.Component):
    """Collects the codes of a column, then writes one plane of them (or one element) a cycle.

    An output tensor is one string of bits: pixel after pixel, in a pixel plane after plane (most
    significant first), in a plane channel after channel. Row tiles are the inner loop, so a column
    tile's pixels fill up plane by plane; when its last row tile is merged, the ring's words below
    `limit` are complete.

    The first write of a column is in the cycle after its last group of codes was valid
    (`column_ready`).

    Members
    -------
    now : In                        the result instruction
    restart : In(1)                 it is new: begin at the next whole ring word
    codes, code_valid, group        R codes of row group `group`
    column_ready, last_column : In(1)   with the column's last group
    ring : Out(ring_layout)         the ring's write port
    merged : Out(1)                 a column tile is complete in this cycle
    complete : Out(1)               all of the tensor is
    limit : Out                     ring words below it are complete
    """

    now: data.View
    restart: Signal
    codes: data.View
    code_valid: Signal
    group: Signal
    column_ready: Signal
    last_column: Signal
    ring: data.View
    merged: Signal
    complete: Signal
    limit: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        self.next_pixel = Signal(range(config.ring_depth * config.memory_bits))
        rows = config.row_groups
        super().__init__(
            {
                "now": In(layout(FORMATS[Stage.RESULT])),
                "restart": In(1),
                "codes": In(data.ArrayLayout(signed(ELEMENT_BITS), config.requant_lanes)),
                "code_valid": In(1),
                "group": In(max(1, (rows - 1).bit_length())),
                "column_ready": In(1),
                "last_column": In(1),
                "ring": Out(ring_layout(config)),
                "merged": Out(1),
                "complete": Out(1),
                "limit": Out(range(config.ring_depth)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        column = self._collect(m)
        left, last_column = Signal(8), Signal()
        step = Signal(8)
        writing, column_end = Signal(), Signal()
        m.d.comb += [writing.eq(left != 0), column_end.eq(left == 1)]
        with m.If(writing):
            m.d.sync += [left.eq(left - 1), step.eq(step + 1)]
        with m.If(self.column_ready):
            m.d.sync += [left.eq(self.now.steps), step.eq(0), last_column.eq(self.last_column)]
        tile_end = Signal()
        m.d.comb += tile_end.eq(column_end & last_column)
        row, row_last = Signal(16), Signal()
        m.d.comb += row_last.eq(row + 1 == self.now.row_tiles)
        with m.If(tile_end):
            m.d.sync += row.eq(Mux(row_last, 0, row + 1))
        m.d.comb += self.merged.eq(tile_end & row_last)
        column_tile, final = Signal(24), Signal()
        m.d.comb += final.eq(column_tile + 1 == self.now.col_tiles)
        with m.If(self.merged):
            m.d.sync += [column_tile.eq(column_tile + 1), self.complete.eq(final)]
        with m.If(self.restart):
            m.d.sync += [column_tile.eq(0), self.complete.eq(0)]
        valid = self._walk(m, column_end, tile_end, row_last)
        self._place(m, writing, column_end, tile_end, row_last, valid)
        with m.If(self.merged & final):  # the tensor's last word is complete as it is
            rounded = self.next_pixel + (self.config.memory_bits - 1)
            m.d.sync += self.limit.eq(rounded[self.config.memory_bits.bit_length() - 1 :])
        self._select(m, column, step, left, writing & valid, row_last)
        return m

    def _collect(self, m: Module) -> data.View:
        """The column being written: complete from the cycle after `column_ready` on."""
        config = self.config
        collected = Signal(data.ArrayLayout(unsigned(ELEMENT_BITS), config.dm))
        arriving = Signal.like(collected)
        m.d.comb += arriving.eq(collected)
        with m.If(self.code_valid), m.Switch(self.group):
            for group in range(config.row_groups):
                with m.Case(group):
                    m.d.comb += [
                        arriving[group * config.requant_lanes + lane].eq(self.codes[lane])
                        for lane in range(config.requant_lanes)
                    ]
        m.d.sync += collected.eq(arriving)
        column = Signal.like(collected)
        with m.If(self.column_ready):
            m.d.sync += column.eq(arriving)
        return column

    def _walk(self, m: Module, column_end: Signal, tile_end: Signal, row_last: Signal) -> Signal:
        """Whether the column is a pixel of the output; tiles walk a grid of `pitch` columns."""
        x, pixels = Signal(16), Signal(24)
        tile_x, tile_pixels = Signal(16), Signal(24)
        valid = Signal()
        next_x, next_pixels = Signal(16), Signal(24)
        m.d.comb += [
            valid.eq((x < self.now.out_width) & (pixels < self.now.pixels)),
            next_x.eq(Mux(x + 1 == self.now.pitch, 0, x + 1)),
            next_pixels.eq(pixels + valid),
        ]
        with m.If(column_end):
            m.d.sync += [x.eq(next_x), pixels.eq(next_pixels)]
        with m.If(tile_end):
            with m.If(row_last):
                m.d.sync += [tile_x.eq(next_x), tile_pixels.eq(next_pixels)]
            with m.Else():
                m.d.sync += [x.eq(tile_x), pixels.eq(tile_pixels)]
        with m.If(self.restart):
            m.d.sync += [s.eq(0) for s in (x, pixels, tile_x, tile_pixels)]
        return valid

    def _place(
        self,
        m: Module,
        writing: Signal,
        column_end: Signal,
        tile_end: Signal,
        row_last: Signal,
        valid: Signal,
    ) -> None:
        """Bit positions in the ring: of the write, the pixel, the row tile, the column tile."""
        config = self.config
        width = (config.ring_depth * config.memory_bits - 1).bit_length()
        unit_bits = config.write_unit.bit_length() - 1
        word_bits = config.memory_bits.bit_length() - 1
        write, pixel, tile, row_offset = (
            Signal(width, name=n) for n in ("write_bit", "pixel_bit", "tile_bit", "row_offset")
        )
        next_pixel = self.next_pixel
        m.d.comb += [
            next_pixel.eq(pixel + Mux(valid, self.now.pixel_bits, 0)),
            self.ring.place.eq(write[unit_bits:]),
        ]
        with m.If(writing):
            m.d.sync += write.eq(write + self.now.step_bits)
        with m.If(column_end):
            m.d.sync += [pixel.eq(next_pixel), write.eq(next_pixel + row_offset)]
        with m.If(tile_end):
            next_row = row_offset + self.now.row_bits
            m.d.sync += [pixel.eq(tile), row_offset.eq(next_row), write.eq(tile + next_row)]
            with m.If(row_last):
                m.d.sync += [
                    pixel.eq(next_pixel),
                    tile.eq(next_pixel),
                    row_offset.eq(0),
                    write.eq(next_pixel),
                    self.limit.eq(next_pixel[word_bits:]),
                ]
        with m.If(self.restart):
            begin = Cat(Const(0, word_bits), self.limit)
            m.d.sync += [s.eq(begin) for s in (write, pixel, tile)]
            m.d.sync += row_offset.eq(0)

    def _select(
        self,
        m: Module,
        column: data.View,
        step: Signal,
        left: Signal,
        enable: Value,
        row_last: Signal,
    ) -> None:
        """The bits of this write: plane left - 1 of every row, or row `step` as an element."""
        config = self.config
        plane = Cat(column[row].bit_select((left - 1)[:3], 1) for row in range(config.dm))
        element = Signal(ELEMENT_BITS)
        with m.Switch(step):
            for row in range(config.dm):
                with m.Case(row):
                    m.d.comb += element.eq(column[row])
        full_units = config.dm // config.write_unit
        element_units = ELEMENT_BITS // config.write_unit
        row_units = Mux(row_last, self.now.last_units, full_units)
        present = ~row_last | (step < self.now.last_rows)
        m.d.comb += self.ring.bits.eq(Mux(self.now.elements, element, plane))
        with m.If(enable):
            m.d.comb += self.ring.units.eq(
                Mux(self.now.elements, Mux(present, element_units, 0), row_units)
            )
