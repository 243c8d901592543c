"""Codes of a column become digit-planes (or 32-bit elements) at their place in the result ring."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks import BlockLoop, connect_loops
from hw.config import OverlayConfig
from hw.counted import last_of
from hw.kept import kept_layout
from hw.ring import ELEMENT_BITS, ring_layout
from ir.isa import Stage
from ir.precision import MAX_OPERAND_BITS

READY_TO_STEP = 2
"""Cycles from a column's last codes to its first step: they are collected, then compared with those
of the turns before. The ring is written two cycles after the step, which costs nothing: a word is
read two cycles after `limit` has passed it at the earliest."""


class Emitter(wiring.Component):
    """Collects the codes of a column, then writes one plane of them (or one element) a cycle.

    An output tensor is one string of bits: pixel after pixel, in a pixel plane after plane (most
    significant first), in a plane channel after channel, q bits of each. A block's pixels fill up
    row tile by row tile; with the last one its pixels are complete, and so are the ring's words
    below `limit`.

    Where a tile has several turns, the largest code of them is kept and written with the last: a
    maximum over kernel positions is a layer with a turn for each. Where K is split, the last turn's
    codes are those of all.

    The first step of a column is READY_TO_STEP cycles after its last group of codes was valid
    (`column_ready`); its write comes to the ring with it.

    Members
    -------
    now : In                        the result instruction
    restart, begin : In(1)          it is new in the next cycle, in this one: the output begins at
                                    the next whole ring word
    codes, code_valid, group        R codes of row group `group`
    adds : In(1)                    they are added to the row group's codes so far (thresholds)
    column_ready, last_column : In(1)   with the column's last group
    ring : Out(ring_layout)         the ring's write port
    merged : Out(1)                 a column tile is complete in this cycle
    complete : Out(1)               all of the tensor was, two cycles ago
    limit : Out                     ring words below it are complete
    """

    now: data.View
    restart: Signal
    begin: Signal
    codes: data.View
    code_valid: Signal
    group: Signal
    adds: Signal
    column_ready: Signal
    last_column: Signal
    ring: data.View
    merged: Signal
    complete: Signal
    limit: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        self.rounded = Signal(range(config.ring_depth * config.memory_bits))
        rows = config.row_groups
        super().__init__(
            {
                "now": In(kept_layout(config, Stage.RESULT)),
                "restart": In(1),
                "begin": In(1),
                "codes": In(data.ArrayLayout(signed(ELEMENT_BITS), config.requant_lanes)),
                "code_valid": In(1),
                "group": In(max(1, (rows - 1).bit_length())),
                "adds": In(1),
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
        turn_last, ready, tile_end = Signal(), Signal(), Signal()
        m.d.sync += [ready.eq(self.column_ready), tile_end.eq(self.last_column)]
        column = self._collect(m, ready, tile_end, turn_last)
        left, step, last_column = Signal.like(self.now.steps), Signal.like(self.now.steps), Signal()
        writing, column_end = Signal(), Signal()
        with m.If(writing):
            m.d.sync += [left.eq(left - 1), step.eq(step + 1), column_end.eq(left == 2)]
            with m.If(column_end):
                m.d.sync += writing.eq(0)
        with m.If(ready & turn_last):
            m.d.sync += [left.eq(self.now.steps), step.eq(0), last_column.eq(tile_end)]
            m.d.sync += [writing.eq(1), column_end.eq(self.now.steps == 1)]
        m.submodules.loop = loop = BlockLoop(config=self.config)
        connect_loops(m, loop, self.now, self.begin)
        m.d.comb += [
            loop.step.eq(column_end & last_column),
            loop.ends.eq(1),
            self.merged.eq(loop.step & loop.row_last),
        ]
        ended, written = Signal(), Signal()
        m.d.sync += [written.eq(ended), self.complete.eq(written)]
        with m.If(loop.step & loop.layer_end):
            m.d.sync += ended.eq(1)
        with m.If(self.restart):
            m.d.sync += [s.eq(0) for s in (ended, written, self.complete)]
        valid = self._walk(m, column_end, loop)
        self._place(m, writing, column_end, loop, valid)
        with m.If(loop.step & loop.layer_end):  # the tensor's last word is complete as it is
            m.d.sync += self.limit.eq(self.rounded[self.config.memory_bits.bit_length() - 1 :])
        self._select(m, column, step, left, writing & valid, loop.row_last)
        return m

    def _collect(self, m: Module, ready: Signal, tile_end: Signal, turn_last: Signal) -> data.View:
        """The column being written: complete from the cycle after `ready` on."""
        config = self.config
        collected = Signal(data.ArrayLayout(unsigned(ELEMENT_BITS), config.dm))
        arriving = Signal.like(collected)
        before, codes = (Signal.like(self.codes, name=n) for n in ("before", "summed"))
        m.d.comb += arriving.eq(collected)
        for lane in range(config.requant_lanes):
            m.d.comb += codes[lane].eq(self.codes[lane])
            with m.If(self.adds):
                few = before[lane][:MAX_OPERAND_BITS] + self.codes[lane][:MAX_OPERAND_BITS]
                m.d.comb += codes[lane].eq(few[:MAX_OPERAND_BITS])
        with m.Switch(self.group):
            for group in range(config.row_groups):
                with m.Case(group):
                    for lane in range(config.requant_lanes):
                        row = group * config.requant_lanes + lane
                        m.d.comb += before[lane].eq(collected[row])
                        with m.If(self.code_valid):
                            m.d.comb += arriving[row].eq(codes[lane])
        m.d.sync += collected.eq(arriving)
        largest = self._largest(m, collected, ready, tile_end, turn_last)
        column = Signal.like(collected)
        with m.If(ready):
            m.d.sync += column.eq(largest)
        return column

    def _largest(
        self,
        m: Module,
        collected: data.View,
        ready: Signal,
        tile_end: Signal,
        turn_last: Signal,
    ) -> data.View:
        """With `ready`: the largest codes of the turns so far.

        The codes of a tile's columns wait for the next turn in a small memory, a sign and 8 bits
        each: 32-bit elements have one turn alone. They are read a column ahead; a tile of one
        column finds its own again.
        """
        config, bits = self.config, MAX_OPERAND_BITS + 1
        place, following = Signal(range(config.dn)), Signal(range(config.dn))
        before = Signal(config.dm * bits)
        follows = Signal()  # an earlier turn of the tile, with whose codes these are compared
        last = last_of(
            m, count=self.now.turns, steps=ready & tile_end, begin=self.begin, name="turn"
        )
        split = self.now.split if config.k_split else Const(0, 1)
        with m.If(ready & tile_end):
            m.d.sync += follows.eq(~last & ~split)
        m.submodules.turns = kept = memory.Memory(shape=config.dm * bits, depth=config.dn, init=[])
        read, write = kept.read_port(domain="comb"), kept.write_port()
        largest = Signal.like(collected)
        m.d.comb += [
            turn_last.eq(last),
            following.eq(Mux(ready, Mux(tile_end, 0, place + 1), place)),
            read.addr.eq(following),
            write.addr.eq(place),
            write.en.eq(ready),
            write.data.eq(Cat(largest[row][:bits] for row in range(config.dm))),
            largest.eq(collected),
        ]
        for row in range(config.dm):
            code = before.word_select(row, bits).as_signed()
            with m.If(follows & (code > collected[row][:bits].as_signed())):
                m.d.comb += largest[row].eq(code)
        again = ready & tile_end & (place == 0)
        m.d.sync += [place.eq(following), before.eq(Mux(again, write.data, read.data))]
        return largest

    def _walk(self, m: Module, column_end: Signal, loop: BlockLoop) -> Signal:
        """Whether the column is a pixel of the output; tiles walk a grid of `pitch` columns."""
        now = self.now
        place, block, following, top = (
            Signal(
                data.StructLayout(
                    {
                        "left": now.pitch.shape(),  # columns of the grid's row, this one included
                        "row_end": 1,  # it is the last
                        "inside": 1,  # it is left of the output's edge
                        "pixels": now.pixels.shape(),  # of the output that are left, with this one
                        "some": 1,  # there are
                        "valid": 1,  # it is one of them
                    }
                ),
                name=name,
            )
            for name in ("place", "block_place", "next_place", "first_place")
        )
        edge = Signal.like(now.pitch)  # columns left at the last one inside
        m.d.sync += edge.eq(now.pitch - now.out_width + 1)
        m.d.comb += [
            top.left.eq(now.pitch),
            top.row_end.eq(now.pitch == 1),
            top.inside.eq(now.out_width != 0),
            top.pixels.eq(now.pixels),
            top.some.eq(now.pixels != 0),
            top.valid.eq(top.inside & top.some),
            following.left.eq(Mux(place.row_end, top.left, place.left - 1)),
            following.row_end.eq(Mux(place.row_end, top.row_end, place.left == 2)),
            following.inside.eq(
                Mux(place.row_end, top.inside, place.inside & (place.left != edge))
            ),
            following.pixels.eq(place.pixels - place.valid),
            following.some.eq(place.some & ~(place.inside & (place.pixels == 1))),
            following.valid.eq(following.inside & following.some),
        ]
        with m.If(column_end):
            m.d.sync += place.eq(following)
        with m.If(loop.step & loop.rewinds):
            m.d.sync += place.eq(block)
        with m.If(loop.step & loop.block_end):
            m.d.sync += block.eq(following)
        with m.If(self.begin):
            m.d.sync += [place.eq(top), block.eq(top)]
        return place.valid

    def _place(
        self, m: Module, writing: Signal, column_end: Signal, loop: BlockLoop, valid: Signal
    ) -> None:
        """Bit positions in the ring.

        Of the pixel, and of the block's first; of the column's first write in the row tile under
        way, of that in the block's first column; of the next write.
        """
        config, now = self.config, self.now
        width = (config.ring_depth * config.memory_bits - 1).bit_length()
        unit_bits = config.write_unit.bit_length() - 1
        word_bits = config.memory_bits.bit_length() - 1
        pixel, block, column, row, write = (
            Signal(width, name=f"{n}_bit") for n in ("pixel", "block", "column", "row", "write")
        )
        next_pixel, next_column, next_row = (Signal(width) for _ in range(3))
        further, up = Mux(valid, now.pixel_bits, 0), now.pixel_bits + (config.memory_bits - 1)
        whole = Signal.like(up)
        m.d.sync += whole.eq(up)
        m.d.comb += [
            self.rounded.eq(pixel + Mux(valid, whole, config.memory_bits - 1)),
            next_pixel.eq(pixel + further),
            next_column.eq(column + further),
            next_row.eq(row + now.row_bits),
        ]
        m.d.comb += self.ring.place.eq(write[unit_bits:])
        with m.If(writing):
            m.d.sync += write.eq(write + now.step_bits)
        with m.If(column_end):
            m.d.sync += [pixel.eq(next_pixel), *(s.eq(next_column) for s in (column, write))]
        with m.If(column_end & loop.row_last):
            m.d.sync += self.limit.eq(next_pixel[word_bits:])
        with m.If(loop.step & loop.rewinds):
            m.d.sync += [pixel.eq(block), *(s.eq(next_row) for s in (row, column, write))]
        with m.If(loop.step & loop.block_end):
            m.d.sync += [s.eq(next_pixel) for s in (pixel, block, row, column, write)]
        with m.If(self.begin):
            begin = Cat(Const(0, word_bits), self.limit)
            m.d.sync += [s.eq(begin) for s in (pixel, block, row, column, write)]

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
        planes = (left - 1)[: (MAX_OPERAND_BITS // config.q - 1).bit_length()]
        plane = Cat(column[row].word_select(planes, config.q) for row in range(config.dm))
        element = Signal(ELEMENT_BITS)
        with m.Switch(step):
            for row in range(config.dm):
                with m.Case(row):
                    m.d.comb += element.eq(column[row])
        full_units = config.dm * config.q // config.write_unit
        present = ~self.now.elements | ~row_last | (step < self.now.last_rows)
        m.d.comb += [
            self.ring.valid.eq(enable & present),
            self.ring.bits.eq(Mux(self.now.elements, element, plane)),
            self.ring.element.eq(self.now.elements),
            self.ring.units.eq(Mux(row_last, self.now.last_units, full_units)),
        ]
