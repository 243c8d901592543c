"""The order of a layer's tiles, which every stage walks in its own time."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.kept import kept_bits
from ir.isa import Stage

BOUNDS = ("row_tiles", "col_tiles", "block_first", "block")


def loops_layout(config: OverlayConfig) -> data.StructLayout:
    """Bounds of the loops, as the execute and the result instruction give them."""
    bits = kept_bits(config, Stage.EXECUTE)
    return data.StructLayout({name: bits[name] for name in BOUNDS})


def connect_loops(m: Module, loop: BlockLoop, now: data.View) -> None:
    """The loops of the instruction `now`."""
    m.d.comb += [loop.loops[name].eq(now[name]) for name in BOUNDS]


class BlockLoop(wiring.Component):
    """Blocks of column tiles; in a block, row tiles; for a row tile, the block's column tiles.

    With blocks of one, every column tile meets all weights in turn. A larger first block gives the
    array work while the weights come in for the first time: i row tiles and j column tiles on the
    chip are i * j tiles to run. A block of all column tiles needs each row tile's weights once, so
    weights that do not fit stream through.

    All outputs describe the tile under way; `step` ends it.

    Members
    -------
    loops : In(loops_layout)
    step : In(1)
    row, next_row : Out          row tile, and the one that follows it (0 after the last)
    first_column : Out(1)        the block's first column tile
    first_block : Out(1)         the layer's first block
    row_last : Out(1)            the last row tile
    column_last : Out(1)         the layer's last column tile
    row_change : Out(1)          the next tile has another row tile, or begins a block
    rewinds : Out(1)             the next tile is the block's first column tile again
    block_end, layer_end : Out(1)    nothing is left of the block, the layer
    """

    loops: data.View
    step: Signal
    row: Signal
    next_row: Signal
    first_column: Signal
    first_block: Signal
    row_last: Signal
    column_last: Signal
    row_change: Signal
    rewinds: Signal
    block_end: Signal
    layer_end: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        loops = loops_layout(config)
        super().__init__(
            {
                "loops": In(loops),
                "step": In(1),
                "row": Out(loops["row_tiles"].shape),
                "next_row": Out(loops["row_tiles"].shape),
                "first_column": Out(1),
                "first_block": Out(1, init=1),  # type: ignore[call-arg]
                "row_last": Out(1),
                "column_last": Out(1),
                "row_change": Out(1),
                "rewinds": Out(1),
                "block_end": Out(1),
                "layer_end": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        loops = self.loops
        column, begin, next_column = (
            Signal.like(loops.col_tiles, name=name) for name in ("column", "begin", "next_column")
        )
        place, size = Signal.like(loops.block), Signal.like(loops.block)
        m.d.comb += [
            self.first_column.eq(place == 0),
            self.row_last.eq(self.row + 1 == loops.row_tiles),
            self.column_last.eq(column + 1 == loops.col_tiles),
            self.next_row.eq(self.row + 1),
            size.eq(loops.block),
            self.row_change.eq((place + 1 == size) | self.column_last),
            self.block_end.eq(self.row_change & self.row_last),
            self.rewinds.eq(self.row_change & ~self.row_last),
            self.layer_end.eq(self.block_end & self.column_last),
            next_column.eq(column + 1),
        ]
        with m.If(self.first_block):
            m.d.comb += size.eq(loops.block_first)
        with m.If(self.row_last):
            m.d.comb += self.next_row.eq(0)
        with m.If(self.rewinds):
            m.d.comb += next_column.eq(begin)
        with m.If(self.layer_end):
            m.d.comb += next_column.eq(0)
        with m.If(self.step):
            m.d.sync += [place.eq(place + 1), column.eq(next_column)]
            with m.If(self.row_change):
                m.d.sync += [place.eq(0), self.row.eq(self.next_row)]
            with m.If(self.block_end):
                m.d.sync += [begin.eq(next_column), self.first_block.eq(self.layer_end)]
        return m
