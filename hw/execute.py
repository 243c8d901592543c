"""The execute stage: one instruction walks all tiles of a layer, one word of operands a cycle."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.columns import Columns
from hw.config import OverlayConfig
from hw.dpu import step_layout
from hw.kept import keep, kept_bits, kept_layout
from hw.operands import read_layout
from hw.pairs import PairWalk
from hw.ram import SharedRam
from hw.tiles import TileWalk
from hw.unpack import write_layout
from ir.isa import ROW, TAP, Stage, layout

TAP_LAYOUT = layout(TAP)
ROW_LAYOUT = layout(ROW)


def row_layout(config: OverlayConfig) -> data.StructLayout:
    """What is kept of an entry of the row table."""
    digits = kept_bits(config, Stage.EXECUTE)["w_digits"]
    return data.StructLayout({"digits": digits, "bipolar": 1, "offset": range(config.rhs_depth)})


ISSUE_TO_READ = 1
"""Cycles from issuing a word to `read` asking the buffers for it: the tap table's."""


@dataclass(frozen=True, kw_only=True)
class _Turns:
    """first, last: of a tile's turns. tap: the turn's first kernel position."""

    first: Value
    last: Value
    tap: Signal


class Execute(wiring.Component):
    """Issues the words of all tiles of a layer: BlockLoop's order of tiles, PairWalk's within one.

    A word is issued every cycle, across pairs and tiles alike, unless
    - the first word of a tile waits for its weights or for the activations it reaches (tokens of
      the fetch stage);
    - the last word of a tile waits for the drain chain (it would arrive before the tile ahead has
      left), or, in the first row tile, for room in the result ring. Past that point nothing can
      hold a tile, so nothing need stop the array.

    A tile may take several turns, each with the kernel positions behind those of the turn before;
    they share its weights and its place, and the result stage keeps the largest code. Where K is
    split, each turn has weights of its own, and the result stage adds the sums up.

    An instruction is taken in cycle c and issues from c + 1 + Dn on: the columns' positions are set
    up meanwhile.

    Members
    -------
    instructions : In(stream)        from the execute queue
    write : In(write_layout)         tap and row table entries
    lhs_token, rhs_token : In(1)     operands have arrived
    lhs_freed : Out                  words of each lhs bank that are not needed any more
    ring_room : In(1), ring_take : Out(1), ring_words : Out   the result ring
    read : Out(read_layout), step : Out, last, bipolar : Out(1)   ISSUE_TO_READ cycles after issue
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
    bipolar: Signal
    issued: Signal
    waits_lhs: Signal
    waits_rhs: Signal
    waits_result: Signal

    def __init__(self, *, config: OverlayConfig, drain_latency: int) -> None:
        self.config = config
        self.drain_latency = drain_latency
        now = kept_layout(config, Stage.EXECUTE)
        super().__init__(
            {
                "instructions": In(stream.Signature(now)),
                "write": In(write_layout(config)),
                "lhs_token": In(1),
                "rhs_token": In(1),
                "lhs_freed": Out(range(config.lhs_depth + 1)),
                "ring_room": In(1),
                "ring_take": Out(1),
                "ring_words": Out(range(config.ring_depth)),
                "read": Out(read_layout(config)),
                "step": Out(step_layout(config.p, config.q)),
                "last": Out(1),
                "bipolar": Out(1),
                "issued": Out(1),
                "waits_lhs": Out(1),
                "waits_rhs": Out(1),
                "waits_result": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now = Signal(kept_layout(self.config, Stage.EXECUTE))
        running, setup = Signal(), Signal(range(self.config.dn + 1))
        issue, begin = Signal(), Signal()
        m.d.comb += [
            self.instructions.ready.eq(~running & (setup == 0)),
            begin.eq(self.instructions.valid & self.instructions.ready),
            self.issued.eq(issue),
            self.ring_words.eq(now.ring_words),
        ]
        with m.If(begin):
            m.d.sync += [now.eq(self.instructions.payload), setup.eq(self.config.dn)]
        with m.If(setup != 0):
            m.d.sync += setup.eq(setup - 1)
            with m.If(setup == 1):
                m.d.sync += running.eq(1)

        m.submodules.pairs = pairs = PairWalk(config=self.config)
        m.submodules.tiles = tiles = TileWalk(config=self.config)
        wants_lhs = Signal()
        entry = self._row_entry(m, now, running, wants_lhs, tiles)
        turn_end = Signal()
        turns = self._turns(m, now, turn_end)
        tile_words = pairs.lhs + pairs.k + 1
        m.d.comb += [
            pairs.now.eq(now),
            pairs.digits.eq(entry.digits),
            pairs.issue.eq(issue),
            tiles.now.eq(now),
            turn_end.eq(issue & pairs.tile_end),
            tiles.turn.eq(turn_end),
            tiles.step.eq(turn_end & turns.last),
            tiles.tile_words.eq(tile_words),
            self.lhs_freed.eq(Mux(tiles.frees, tile_words, 0)),
        ]
        with m.If(tiles.step & tiles.loop.layer_end):
            m.d.sync += running.eq(0)
        self._gates(m, now, begin, running, issue, wants_lhs, pairs, tiles, turns)
        self._address(m, now, issue, pairs, tiles, entry, turns)
        self._columns(m, now, begin, setup, tiles)
        return m

    def _turns(self, m: Module, now: data.View, turn_end: Signal) -> _Turns:
        """Which turn of its tile is under way, and the kernel position it begins with."""
        turn, tap = Signal.like(now.turns), Signal(range(self.config.table_depth))
        first, last = turn == 0, turn + 1 == now.turns
        with m.If(turn_end):
            m.d.sync += [
                turn.eq(Mux(last, 0, turn + 1)),
                tap.eq(Mux(last, 0, tap + now.taps)),
            ]
        return _Turns(first=first, last=last, tap=tap)

    def _row_entry(
        self, m: Module, now: data.View, running: Signal, wants_lhs: Signal, tiles: TileWalk
    ) -> data.View:
        """Digits, coding and word offset of the row tile under way, from the table or common.

        The table is asked for the next row tile all the time; its answer is the entry of the cycle
        after a change of row tiles, and is held from then on. While weights are awaited the table
        may not be written yet, so it is asked for the same row tile again.
        """
        table = SharedRam(width=ROW_LAYOUT.size, depth=self.config.table_depth)
        m.submodules.rows = table
        ahead, fresh = Signal(), Signal(init=1)
        read, held, entry = (
            Signal(row_layout(self.config), name=n) for n in ("read", "held", "entry")
        )
        m.d.comb += [
            table.write_address.eq(self.write.address),
            table.write_enable.eq(self.write.rows),
            table.write_data.eq(self.write.piece),
            ahead.eq(running & ~(fresh & wants_lhs)),
            table.read_address.eq(now.row_base + Mux(ahead, tiles.loop.next_row, tiles.loop.row)),
            table.read_enable.eq(1),
            *keep(read, data.View(ROW_LAYOUT, table.read_data)),
            entry.eq(Mux(fresh, read, held)),
        ]
        with m.If(ahead & fresh):
            m.d.sync += [held.eq(read), fresh.eq(0)]
        with m.If(tiles.step & tiles.loop.row_change):
            m.d.sync += fresh.eq(1)
        with m.If(~now.row_table):
            m.d.comb += [
                entry.digits.eq(now.w_digits),
                entry.bipolar.eq(now.w_bipolar),
                entry.offset.eq(0),
            ]
        if self.config.p > 1:  # a digit of several bits has a sign
            m.d.comb += entry.bipolar.eq(0)
        return entry

    def _gates(
        self,
        m: Module,
        now: data.View,
        begin: Signal,
        running: Signal,
        issue: Signal,
        wants_lhs: Signal,
        pairs: PairWalk,
        tiles: TileWalk,
        turns: _Turns,
    ) -> None:
        """Tokens: when a tile may begin, and when its last word may go."""
        lhs_tokens = Signal(range(self.config.lhs_depth + 1))
        rhs_tokens = Signal.like(now.rhs_total)
        draining = Signal(range(self.drain_latency + (1 << len(now.tile_cycles))))
        wants_rhs, wants_drain, wants_ring = (
            Signal(name=f"wants_{what}") for what in ("rhs", "drain", "ring")
        )
        takes = Signal()
        need = Signal.like(now.rhs_total)
        first_row = tiles.loop.row == 0
        m.d.comb += [
            takes.eq(pairs.clear & tiles.takes & (turns.first | tiles.split)),
            wants_lhs.eq(takes & (lhs_tokens == 0)),
            wants_rhs.eq(pairs.clear & first_row & turns.first & (rhs_tokens < need)),
            wants_drain.eq(pairs.tile_end & (draining > self.drain_latency)),
            wants_ring.eq(pairs.tile_end & first_row & turns.last & ~self.ring_room),
            issue.eq(running & ~(wants_lhs | wants_rhs | wants_drain | wants_ring)),
            self.waits_lhs.eq(running & wants_lhs),
            self.waits_rhs.eq(running & wants_rhs & ~wants_lhs),
            self.waits_result.eq(running & (wants_drain | wants_ring) & ~(wants_lhs | wants_rhs)),
            self.ring_take.eq(tiles.step & first_row),
        ]
        m.d.sync += lhs_tokens.eq(lhs_tokens + self.lhs_token - (issue & takes))
        offered = self.instructions.payload
        with m.If(begin):
            m.d.sync += need.eq(_least(offered.rhs_first, offered.rhs_total))
        with m.If(self.ring_take):
            m.d.sync += need.eq(_least(need + now.rhs_step, now.rhs_total))
        done = tiles.step & tiles.loop.layer_end
        m.d.sync += rhs_tokens.eq(Mux(done, 0, rhs_tokens) + self.rhs_token)
        with m.If(issue & pairs.tile_end):
            m.d.sync += draining.eq(self.drain_latency - 1 + now.tile_cycles)
        with m.Elif(draining != 0):
            m.d.sync += draining.eq(draining - 1)

    def _address(
        self,
        m: Module,
        now: data.View,
        issue: Signal,
        pairs: PairWalk,
        tiles: TileWalk,
        entry: data.View,
        turns: _Turns,
    ) -> None:
        """One cycle later: the tap is known, and with it the words to read."""
        table = SharedRam(width=TAP_LAYOUT.size, depth=self.config.table_depth)
        m.submodules.taps = table
        m.d.comb += [
            table.write_address.eq(self.write.address),
            table.write_enable.eq(self.write.taps),
            table.write_data.eq(self.write.piece),
            table.read_address.eq(now.tap_base + turns.tap + pairs.tap),
            table.read_enable.eq(1),
        ]
        self.tap = tap = Signal(TAP_LAYOUT, name="tap")
        m.d.comb += tap.eq(Mux(now.tap_table, table.read_data, 0))
        rhs = Signal(range(self.config.rhs_depth))
        m.d.sync += [
            self.step.valid.eq(issue),
            self.step.clear.eq(pairs.clear),
            self.step.shift.eq(pairs.shift),
            self.step.lhs_signed.eq(pairs.lhs_top & now.w_signed),
            self.step.rhs_signed.eq(pairs.rhs_top & now.a_signed),
            self.last.eq(issue & pairs.tile_end),
            self.bipolar.eq(entry.bipolar),
            self.read.lhs.eq(tiles.lhs + pairs.lhs + pairs.k),
            rhs.eq(tiles.rhs + pairs.rhs + pairs.chunk + entry.offset),
        ]
        with m.If(entry.bipolar):  # one plane of {-1, +1}: nothing in it is negative
            m.d.sync += self.step.lhs_signed.eq(0)
        m.d.comb += [
            self.read.rhs.eq(rhs + tap.offset),
            self.read.carry.eq(now.tile_stride),
            self.read.rotate.eq(tap.rotate),
            self.read.ones.eq(now.pad_ones),
        ]

    def _columns(
        self, m: Module, now: data.View, begin: Signal, setup: Signal, tiles: TileWalk
    ) -> None:
        """The mask of the word that is read: it is one cycle behind the issue."""
        m.submodules.columns = columns = Columns(config=self.config)
        m.d.comb += [
            columns.now.eq(now),
            columns.restart.eq(begin),
            columns.setup.eq(setup),
            columns.tap.eq(self.tap),
            self.read.valid.eq(columns.valid),
        ]
        m.d.sync += [
            columns.advance.eq(tiles.step & ~tiles.loop.rewinds),
            columns.rewind.eq(tiles.step & tiles.loop.rewinds),
            columns.save.eq(tiles.step & tiles.loop.block_end),
        ]


def _least(a: Value, b: Value) -> Value:
    return Mux(a < b, a, b)
