"""The order of a layer's tiles, which every stage walks in its own time."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.counted import counted_down
from hw.kept import kept_bits
from ir.isa import Stage

BOUNDS = ("row_tiles", "col_tiles", "block_first", "block")


def loops_layout(config: OverlayConfig) -> data.StructLayout:
    """Bounds of the loops, as the execute and the result instruction give them."""
    bits = kept_bits(config, Stage.EXECUTE)
    return data.StructLayout({name: bits[name] for name in BOUNDS})


def connect_loops(m: Module, loop: BlockLoop, now: data.View, begin: Value) -> None:
    """The loops of the instruction `now`, which is new in the cycle after `begin`."""
    m.d.comb += loop.begin.eq(begin)
    m.d.comb += [loop.loops[name].eq(now[name]) for name in BOUNDS]


class BlockLoop(wiring.Component):
    """Blocks of column tiles; in a block, row tiles; for a row tile, the block's column tiles.

    With blocks of one, every column tile meets all weights in turn. A larger first block gives the
    array work while the weights come in for the first time: i row tiles and j column tiles on the
    chip are i * j tiles to run. A block of all column tiles needs each row tile's weights once, so
    weights that do not fit stream through.

    All outputs describe the tile under way; `step` with `ends` ends it. They come from registers,
    compared while the tile before is under way. `step` may come late: what goes on with it is
    decided before it is looked at. A new layer begins as if the last tile of one ended: `begin`
    sets the registers so, and the cycle after it is a step.

    Members
    -------
    loops : In(loops_layout)
    begin : In(1)                they are new in the next cycle at the latest; the first tile's
                                 outputs stand a cycle behind that
    step, ends : In(1)           both: on to the next tile
    first_row : Out(1)           the first row tile
    first_column : Out(1)        the block's first column tile
    first_block : Out(1)         the layer's first block
    row_last : Out(1)            the last row tile
    column_last : Out(1)         the layer's last column tile
    row_change : Out(1)          the next tile has another row tile, or begins a block
    rewinds : Out(1)             the next tile is the block's first column tile again
    block_end, layer_end : Out(1)    nothing is left of the block, the layer
    """

    loops: data.View
    begin: Signal
    step: Signal
    ends: Signal
    first_row: Signal
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
                "begin": In(1),
                "step": In(1),
                "ends": In(1),
                "first_row": Out(1, init=1),  # type: ignore[call-arg]
                "first_column": Out(1, init=1),  # type: ignore[call-arg]
                "first_block": Out(1, init=1),  # type: ignore[call-arg]
                "row_last": Out(1),
                "column_last": Out(1),
                "row_change": Out(1, init=1),  # type: ignore[call-arg]
                "rewinds": Out(1),
                "block_end": Out(1, init=1),  # type: ignore[call-arg]
                "layer_end": Out(1, init=1),  # type: ignore[call-arg]
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fresh, steps, row_step = Signal(), Signal(), Signal()
        change, row_ends = Signal(), Signal()
        row_last, row_follows = counted_down(
            m, count=self.loops.row_tiles, steps=row_step, begin=Const(0), name="row"
        )
        place_ends, column_ends = self._places(m, steps), self._columns(m, steps)
        m.d.sync += fresh.eq(self.begin)
        m.d.comb += [
            steps.eq((self.step & self.ends) | fresh),
            row_step.eq((self.step & (self.ends & self.row_change)) | fresh),
            self.row_last.eq(row_last),
            change.eq(place_ends | column_ends),
            row_ends.eq(Mux(self.row_change, row_follows, row_last)),
        ]
        with m.If(steps):
            m.d.sync += [
                self.first_column.eq(self.row_change),
                self.row_change.eq(change),
                self.block_end.eq(change & row_ends),
                self.rewinds.eq(change & ~row_ends),
                self.layer_end.eq(column_ends & row_ends),
            ]
        with m.If(row_step):
            m.d.sync += self.first_row.eq(row_last)
        with m.If(steps & self.block_end):
            m.d.sync += self.first_block.eq(self.layer_end)
        with m.If(self.begin):
            ended = (row_last, self.row_change, self.block_end, self.layer_end)
            m.d.sync += [self.rewinds.eq(0), *(flag.eq(1) for flag in ended)]
        return m

    def _places(self, m: Module, steps: Signal) -> Signal:
        """Tiles left in the row, of `block_first` or, from the second block, `block`.

        Returns whether the next one is the last; as `_columns` two tiles ahead.
        """
        loops = self.loops
        left, size = Signal.like(loops.block), Signal.like(loops.block)
        starts_first, near, last = Signal(), Signal(), Signal()
        m.d.comb += [
            starts_first.eq(Mux(self.block_end, self.layer_end, self.first_block)),
            size.eq(Mux(starts_first, loops.block_first, loops.block)),
            last.eq(
                Mux(
                    self.row_change,
                    Mux(starts_first, loops.block_first == 1, loops.block == 1),
                    near,
                )
            ),
        ]
        with m.If(steps):
            m.d.sync += [
                left.eq(Mux(self.row_change, size, left - 1)),
                near.eq(
                    Mux(
                        self.row_change,
                        Mux(starts_first, loops.block_first == 2, loops.block == 2),
                        left == 3,
                    )
                ),
            ]
        return last

    def _columns(self, m: Module, steps: Signal) -> Signal:
        """Column tiles left in the layer; the next row tile begins with the block's.

        Whether it is the last, or the one before, goes with either number.
        """
        count = self.loops.col_tiles
        place = data.StructLayout({"left": count.shape(), "near": 1, "last": 1})
        column, begin, following = (
            Signal(place, name=name) for name in ("column", "block_begin", "next_column")
        )
        m.d.comb += [
            following.left.eq(column.left - 1),
            following.near.eq(column.left == 3),
            following.last.eq(column.near),
            self.column_last.eq(column.last),
        ]
        with m.If(self.rewinds):
            m.d.comb += following.eq(begin)
        with m.If(self.layer_end):
            m.d.comb += [
                following.left.eq(count),
                following.near.eq(count == 2),
                following.last.eq(count == 1),
            ]
        with m.If(steps):
            m.d.sync += column.eq(following)
        with m.If(steps & self.block_end):
            m.d.sync += begin.eq(following)
        return following.last
