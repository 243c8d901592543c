"""Where the operands of each tile lie on the chip."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks import BlockLoop, connect_loops
from hw.config import OverlayConfig
from hw.gate import tokens_layout
from hw.kept import kept_layout
from ir.isa import Stage


class TileWalk(wiring.Component):
    """BlockLoop's tiles with their addresses.

    Weights stay until the last block has used them, or (`lhs_stream`) come anew for each block, or
    (`split`) for each turn of a tile.

    Members
    -------
    now : In                     the execute instruction
    taken, begin : In(1)         it is new in the next cycle, in this one
    walk : In(1)                 on to the next word after this one
    turn_end : In(1)             the word is the last of one of the tile's turns
    tile_end : In(1)             and of the tile
    word : In                    its place among the tile's weights
    lhs : Out, rhs : Out         where its weights, and its column tile's pixels, begin
    frees : Out(1)               its weights are not needed any more behind the word
    awaits : Out(tokens_layout)  what must have arrived for its words; no more than what the tiles
                                 before waited for, if it uses the same

    loop                         the BlockLoop: which tile it is, and which comes next
    """

    now: data.View
    taken: Signal
    begin: Signal
    walk: Signal
    turn_end: Signal
    tile_end: Signal
    word: Signal
    lhs: Signal
    rhs: Signal
    frees: Signal
    awaits: data.View

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config, self.loop = config, BlockLoop(config=config)
        super().__init__(
            {
                "now": In(kept_layout(config, Stage.EXECUTE)),
                "taken": In(1),
                "begin": In(1),
                "walk": In(1),
                "turn_end": In(1),
                "tile_end": In(1),
                "word": In(range(config.lhs_depth)),
                "lhs": Out(range(config.lhs_depth)),
                "rhs": Out(range(config.rhs_depth)),
                "frees": Out(1),
                "awaits": Out(tokens_layout(config)),
            }
        )

    @property
    def split(self) -> Value:
        """K comes in parts."""
        return self.now.split if self.config.k_split else Const(0, 1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.loop = loop = self.loop
        connect_loops(m, loop, self.now, self.taken)
        stream = self.now.lhs_stream
        m.d.comb += [
            loop.step.eq(self.walk),
            loop.ends.eq(self.tile_end),
            self.frees.eq(
                Mux(
                    self.split,
                    self.turn_end,
                    self.tile_end & loop.row_change & (stream | loop.column_last),
                )
            ),
        ]
        self._activations(m, loop)
        self._weights(m, loop)
        self._arrivals(m, loop)
        return m

    def _activations(self, m: Module, loop: BlockLoop) -> None:
        """The column tile's pixels; back to the block's first for each row tile."""
        begin, following = Signal.like(self.rhs), Signal.like(self.rhs)
        m.d.comb += following.eq(self.rhs + self.now.tile_stride)
        with m.If(loop.rewinds):
            m.d.comb += following.eq(begin)
        with m.If(loop.layer_end):
            m.d.comb += following.eq(0)
        with m.If(self.walk & self.tile_end):
            m.d.sync += self.rhs.eq(following)
            with m.If(loop.block_end):
                m.d.sync += begin.eq(following)

    def _weights(self, m: Module, loop: BlockLoop) -> None:
        """A row tile's weights follow those of the one before; addresses wrap with the bank."""
        layer, after = Signal.like(self.lhs), Signal.like(self.lhs)
        m.d.comb += after.eq(self.lhs + self.word + 1)
        with m.If(self.walk & self.turn_end & self.split):
            m.d.sync += self.lhs.eq(after)
        with m.If(self.walk & (self.tile_end & loop.row_change)):
            m.d.sync += self.lhs.eq(after)
            with m.If(loop.layer_end):
                m.d.sync += layer.eq(after)
            with m.Elif(loop.block_end & ~self.now.lhs_stream):
                m.d.sync += self.lhs.eq(layer)

    def _arrivals(self, m: Module, loop: BlockLoop) -> None:
        """Row tiles of weights that were taken; `rhs_step` more activations for each column tile.

        Of activations no more than `rhs_total` are waited for, so what is left up to that is kept
        too. Later row tiles of a block use the same: the need grows with each column tile of the
        first.
        """
        now, awaits = self.now, self.awaits
        # inverted, as they are told
        taken, before = Signal.like(awaits.lhs, init=-1), Signal.like(awaits.lhs)
        takes = loop.first_column & (now.lhs_stream | loop.first_block)
        m.d.comb += awaits.lhs.eq(Mux(takes, taken, before))
        with m.If(self.walk & (takes & Mux(self.split, self.turn_end, self.tile_end))):
            m.d.sync += [taken.eq(taken - 1), before.eq(taken)]
        grows = loop.ends & Mux(loop.row_change, loop.row_last, loop.first_row)
        bits = max(len(now.rhs_first), len(now.rhs_step), len(now.rhs_total))
        begun, grown = Signal(), Signal(bits)  # by how much the need grows
        beyond, left = Signal.like(now.rhs_total), Signal(signed(bits + 1))
        total = Signal.like(awaits.rhs, name="total")
        m.d.sync += [begun.eq(self.begin), grown.eq(Mux(self.begin, now.rhs_first, now.rhs_step))]
        m.d.comb += [left.eq(beyond - grown), total.eq(now.rhs_total)]
        with m.If(begun | (self.walk & grows)):
            m.d.sync += [
                awaits.rhs.eq(Mux(left < 0, ~total, awaits.rhs - grown)),
                beyond.eq(Mux(left < 0, 0, left)),
            ]
        with m.If(self.begin):
            m.d.sync += [awaits.rhs.eq(-1), beyond.eq(now.rhs_total)]
