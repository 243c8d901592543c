"""The execute stage: one instruction walks all tiles of a layer, one word of operands a cycle."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.dpu import STEP
from hw.operands import read_layout
from hw.ram import SharedRam
from hw.unpack import write_layout
from ir.isa import FORMATS, TAP, Stage, layout

EXECUTE = layout(FORMATS[Stage.EXECUTE])
TAP_LAYOUT = layout(TAP)

ISSUE_TO_READ = 1
"""Cycles from issuing a word to `read` asking the buffers for it: the tap table's."""


class Execute(wiring.Component):
    """Walks column tiles, row tiles, digit pairs, kernel positions and words, the last fastest.

    Digit pairs are visited with falling exponents: planes are stored most significant first, pair
    (i, j) has distance i + j from the top, and the accumulators shift by one bit where that
    distance grows.

    A word is issued every cycle, across pairs and tiles alike, unless
    - the first word of a tile waits for its weights or for the activations it reaches (tokens of
      the fetch stage);
    - the last word of a tile waits for the drain chain (it would arrive before the tile ahead has
      left), or, in the first row tile, for room in the result ring. Past that point nothing can
      hold a tile, so nothing need stop the array.

    An instruction is taken in cycle c and issues from c + 1 + Dn on: the columns' positions are set
    up meanwhile.

    Members
    -------
    instructions : In(stream)        from the execute queue
    write : In(write_layout)         tap table entries
    lhs_token, rhs_token : In(1)     operands have arrived
    lhs_freed : Out(24)              words of each lhs bank that are not needed any more
    ring_room : In(1), ring_take : Out(1), ring_words : Out(16)   the result ring
    read : Out(read_layout), step : Out(STEP), last : Out(1)   ISSUE_TO_READ cycles after issue
    issued, waits_lhs, waits_rhs, waits_result : Out(1)           for the counters
    """

    instructions: stream.Interface
    write: data.View
    lhs_token: Signal
    rhs_token: Signal
    lhs_freed: Signal
    ring_room: Signal
    ring_take: Signal
    ring_words: Signal
    read: data.View
    step: data.View
    last: Signal
    issued: Signal
    waits_lhs: Signal
    waits_rhs: Signal
    waits_result: Signal

    def __init__(self, *, config: OverlayConfig, drain_latency: int) -> None:
        self.config = config
        self.drain_latency = drain_latency
        super().__init__(
            {
                "instructions": In(stream.Signature(EXECUTE)),
                "write": In(write_layout(config)),
                "lhs_token": In(1),
                "rhs_token": In(1),
                "lhs_freed": Out(24),
                "ring_room": In(1),
                "ring_take": Out(1),
                "ring_words": Out(16),
                "read": Out(read_layout(config)),
                "step": Out(STEP),
                "last": Out(1),
                "issued": Out(1),
                "waits_lhs": Out(1),
                "waits_rhs": Out(1),
                "waits_result": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now = Signal(EXECUTE)
        running, setup = Signal(), Signal(range(self.config.dn + 1))
        issue, done = Signal(), Signal()
        m.d.comb += [
            self.instructions.ready.eq(~running & (setup == 0)),
            self.issued.eq(issue),
            self.ring_words.eq(now.ring_words),
        ]
        with m.If(self.instructions.valid & self.instructions.ready):
            m.d.sync += [now.eq(self.instructions.payload), setup.eq(self.config.dn)]
        with m.If(setup != 0):
            m.d.sync += setup.eq(setup - 1)
            with m.If(setup == 1):
                m.d.sync += running.eq(1)
        with m.If(done):
            m.d.sync += running.eq(0)

        pair = self._pairs(m, now, issue)
        tile = self._tiles(m, now, issue, pair["tile_end"])
        m.d.comb += done.eq(issue & pair["tile_end"] & tile["layer_end"])
        self._gates(m, now, running, issue, done, pair, tile)
        self._address(m, now, setup, issue, pair, tile)
        return m

    def _pairs(self, m: Module, now: data.View, issue: Signal) -> dict[str, Signal]:
        """Words within a digit pair, and pairs within a tile."""
        tap, chunk, k = Signal(16), Signal(16), Signal(24)
        i, j, first_i, first_j = Signal(4), Signal(4), Signal(4), Signal(4)
        lhs, rhs, first_lhs, first_rhs = Signal(24), Signal(24), Signal(24), Signal(24)
        clear, shift = Signal(init=1), Signal()
        chunk_end, pair_end, distance_end, tile_end = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            chunk_end.eq(chunk + 1 == now.chunks),
            pair_end.eq(chunk_end & (tap + 1 == now.taps)),
            distance_end.eq((i + 1 == now.w_bits) | (j == 0)),
            tile_end.eq(pair_end & (i + 1 == now.w_bits) & (j + 1 == now.a_bits)),
        ]
        with m.If(issue):
            m.d.sync += [clear.eq(0), shift.eq(0), k.eq(k + 1), chunk.eq(chunk + 1)]
            with m.If(chunk_end):
                m.d.sync += [chunk.eq(0), tap.eq(tap + 1)]
            with m.If(pair_end):
                m.d.sync += [tap.eq(0), k.eq(0)]
                self._next_pair(
                    m,
                    now,
                    distance_end,
                    (i, j, first_i, first_j),
                    (lhs, rhs, first_lhs, first_rhs),
                    shift,
                )
            with m.If(tile_end):
                m.d.sync += [
                    s.eq(0) for s in (i, j, first_i, first_j, lhs, rhs, first_lhs, first_rhs, shift)
                ]
                m.d.sync += clear.eq(1)
        negate = ((i == 0) & now.w_signed) ^ ((j == 0) & now.a_signed)
        return {
            "tap": tap,
            "chunk": chunk,
            "k": k,
            "lhs": lhs,
            "rhs": rhs,
            "clear": clear,
            "shift": shift,
            "negate": negate,
            "tile_end": tile_end,
        }

    def _next_pair(
        self,
        m: Module,
        now: data.View,
        distance_end: Signal,
        planes: tuple[Signal, ...],
        words: tuple[Signal, ...],
        shift: Signal,
    ) -> None:
        """The pair (i + 1, j - 1) of the same distance, else the first pair of the next."""
        (i, j, first_i, first_j), (lhs, rhs, first_lhs, first_rhs) = planes, words
        with m.If(~distance_end):
            m.d.sync += [
                i.eq(i + 1),
                j.eq(j - 1),
                lhs.eq(lhs + now.k_words),
                rhs.eq(rhs - now.chunks),
            ]
        with m.Else():
            m.d.sync += shift.eq(1)
            with m.If(first_j + 1 != now.a_bits):
                m.d.sync += [s.eq(first_j + 1) for s in (j, first_j)]
                m.d.sync += [s.eq(first_rhs + now.chunks) for s in (rhs, first_rhs)]
                m.d.sync += [i.eq(first_i), lhs.eq(first_lhs)]
            with m.Else():
                m.d.sync += [s.eq(first_i + 1) for s in (i, first_i)]
                m.d.sync += [s.eq(first_lhs + now.k_words) for s in (lhs, first_lhs)]
                m.d.sync += [j.eq(first_j), rhs.eq(first_rhs)]

    def _tiles(
        self, m: Module, now: data.View, issue: Signal, tile_end: Signal
    ) -> dict[str, Signal]:
        """Row tiles within column tiles; where their operands begin."""
        row, column = Signal(16), Signal(24)
        row_end, layer_end = Signal(), Signal()
        layer_lhs, lhs = Signal(range(self.config.lhs_depth)), Signal(range(self.config.lhs_depth))
        rhs = Signal(24)
        m.d.comb += [
            row_end.eq(row + 1 == now.row_tiles),
            layer_end.eq(row_end & (column + 1 == now.col_tiles)),
        ]
        with m.If(issue & tile_end):
            m.d.sync += [row.eq(row + 1), lhs.eq(lhs + now.lhs_words)]
            with m.If(row_end):
                m.d.sync += [row.eq(0), column.eq(column + 1), rhs.eq(rhs + now.tile_stride)]
                with m.If(~now.lhs_stream):
                    m.d.sync += lhs.eq(layer_lhs)
            with m.If(layer_end):
                m.d.sync += [
                    column.eq(0),
                    rhs.eq(0),
                    lhs.eq(lhs + now.lhs_words),
                    layer_lhs.eq(lhs + now.lhs_words),
                ]
        return {
            "row": row,
            "column": column,
            "row_end": row_end,
            "layer_end": layer_end,
            "lhs": lhs,
            "rhs": rhs,
        }

    def _gates(
        self,
        m: Module,
        now: data.View,
        running: Signal,
        issue: Signal,
        done: Signal,
        pair: dict[str, Signal],
        tile: dict[str, Signal],
    ) -> None:
        """Tokens: when a tile may begin, and when its last word may go."""
        lhs_tokens, rhs_tokens = Signal(24), Signal(24)
        need = Signal(24)
        draining = Signal(range(self.drain_latency + (1 << 16)))
        wants_lhs, wants_rhs, wants_drain, wants_ring = Signal(), Signal(), Signal(), Signal()
        takes = Signal()
        capped = Mux(need > now.rhs_total, now.rhs_total, need)
        m.d.comb += [
            takes.eq(pair["clear"] & (now.lhs_stream | (tile["column"] == 0))),
            wants_lhs.eq(takes & (lhs_tokens == 0)),
            wants_rhs.eq(pair["clear"] & (rhs_tokens < capped)),
            wants_drain.eq(pair["tile_end"] & (draining > self.drain_latency)),
            wants_ring.eq(pair["tile_end"] & (tile["row"] == 0) & ~self.ring_room),
            issue.eq(running & ~(wants_lhs | wants_rhs | wants_drain | wants_ring)),
            self.waits_lhs.eq(running & wants_lhs),
            self.waits_rhs.eq(running & wants_rhs),
            self.waits_result.eq(running & (wants_drain | wants_ring)),
            self.ring_take.eq(issue & pair["tile_end"] & (tile["row"] == 0)),
        ]
        m.d.sync += lhs_tokens.eq(lhs_tokens + self.lhs_token - (issue & takes))
        with m.If(self.instructions.valid & self.instructions.ready):
            m.d.sync += need.eq(self.instructions.payload.rhs_first)
        with m.If(issue & pair["tile_end"] & tile["row_end"]):
            m.d.sync += need.eq(need + now.rhs_step)
        m.d.sync += rhs_tokens.eq(Mux(done, 0, rhs_tokens) + self.rhs_token)
        with m.If(issue & pair["tile_end"]):
            m.d.sync += draining.eq(self.drain_latency - 1 + now.tile_cycles)
        with m.Elif(draining != 0):
            m.d.sync += draining.eq(draining - 1)
        frees = issue & pair["tile_end"] & (now.lhs_stream | (tile["column"] + 1 == now.col_tiles))
        m.d.comb += self.lhs_freed.eq(Mux(frees, now.lhs_words, 0))

    def _address(
        self,
        m: Module,
        now: data.View,
        setup: Signal,
        issue: Signal,
        pair: dict[str, Signal],
        tile: dict[str, Signal],
    ) -> None:
        """One cycle later: the tap is known, and with it the words to read."""
        table = SharedRam(width=TAP_LAYOUT.size, depth=self.config.table_depth)
        m.submodules.taps = table
        m.d.comb += [
            table.write_address.eq(self.write.address),
            table.write_enable.eq(self.write.taps),
            table.write_data.eq(self.write.piece),
            table.read_address.eq(now.tap_base + pair["tap"]),
            table.read_enable.eq(1),
        ]
        tap = TAP_LAYOUT(table.read_data)
        lhs, rhs = Signal(24), Signal(24)
        next_tile = Signal()
        m.d.sync += [
            self.step.valid.eq(issue),
            self.step.clear.eq(pair["clear"]),
            self.step.shift.eq(pair["shift"]),
            self.step.negate.eq(pair["negate"]),
            self.last.eq(issue & pair["tile_end"]),
            next_tile.eq(issue & pair["tile_end"] & tile["row_end"]),
            lhs.eq(tile["lhs"] + pair["lhs"] + pair["k"]),
            rhs.eq(tile["rhs"] + pair["rhs"] + pair["chunk"]),
        ]
        m.d.comb += [
            self.read.lhs.eq(lhs),
            self.read.rhs.eq(rhs + tap.offset),
            self.read.carry.eq(now.tile_stride),
            self.read.rotate.eq(tap.rotate),
        ]
        self._mask(m, now, setup, next_tile, tap)

    def _mask(
        self, m: Module, now: data.View, setup: Signal, next_tile: Signal, tap: data.View
    ) -> None:
        """Which columns' pixels lie inside the image at this kernel position."""
        columns = self.config.dn
        x, y = Signal(16), Signal(16)
        with m.If(self.instructions.valid & self.instructions.ready):
            m.d.sync += [x.eq(0), y.eq(0)]
        with m.If(setup != 0):
            m.d.sync += x.eq(x + now.stride)
            with m.If(x + now.stride == now.wrap_x):
                m.d.sync += [x.eq(0), y.eq(y + now.stride)]
        for n in range(columns):
            column_x, column_y = Signal(16, name=f"x_{n}"), Signal(16, name=f"y_{n}")
            moved_x, moved_y = Signal(17, name=f"moved_x_{n}"), Signal(16, name=f"moved_y_{n}")
            m.d.comb += [moved_x.eq(column_x + now.step_x), moved_y.eq(column_y + now.step_y)]
            with m.If(setup == columns - n):
                m.d.sync += [column_x.eq(x), column_y.eq(y)]
            with m.Elif(next_tile):
                m.d.sync += [column_x.eq(moved_x), column_y.eq(moved_y)]
                with m.If(moved_x >= now.wrap_x):
                    m.d.sync += [
                        column_x.eq(moved_x - now.wrap_x),
                        column_y.eq(moved_y + now.stride),
                    ]
            # a negative position wraps to a large one, so one comparison serves both edges
            in_x, in_y = Signal(16, name=f"in_x_{n}"), Signal(16, name=f"in_y_{n}")
            m.d.comb += [
                in_x.eq(column_x + tap.dx),
                in_y.eq(column_y + tap.dy),
                self.read.valid[n].eq((in_x < now.in_width) & (in_y < now.in_height)),
            ]
