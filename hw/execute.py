"""The execute stage: one instruction walks all tiles of a layer, one word of operands a cycle."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.columns import Columns
from hw.config import OverlayConfig
from hw.counted import counted_down
from hw.dpu import step_layout
from hw.gate import Gate
from hw.kept import kept_layout
from hw.operands import read_layout
from hw.pairs import PairWalk
from hw.ram import SharedRam
from hw.rows import ROW_TABLE_LATENCY, RowTable
from hw.tiles import TileWalk
from hw.unpack import write_layout
from hw.words import Words, word_layout
from ir.isa import TAP, Stage, layout

TAP_LAYOUT = layout(TAP)

ISSUE_TO_READ = 1
"""Cycles from issuing a word to `read` asking the buffers for it."""

LAID_TO_ISSUE = 2
"""Cycles from laying a word out to letting it go."""

TABLE_TO_ISSUE = 2 + ROW_TABLE_LATENCY + LAID_TO_ISSUE
"""Cycles from `table_token` to the first word, if nothing else is awaited: the token is counted,
then compared."""


def taken_to_issue(config: OverlayConfig) -> int:
    """Cycles from taking an instruction to its first word, if nothing is awaited."""
    return _setup_cycles(config) + ROW_TABLE_LATENCY + LAID_TO_ISSUE


def _setup_cycles(config: OverlayConfig) -> int:
    """Before the row table is asked: the layer's first columns are laid out until the first word
    needs them."""
    return max(config.dn - 3, 2)


class Execute(wiring.Component):
    """Issues the words of all tiles of a layer: BlockLoop's order of tiles, PairWalk's within one.

    A walk lays out one word a cycle and stays a few words ahead of the Gate, which holds the word
    while its operands, the drain chain or the ring are not there.

    A tile may take several turns, each with the kernel positions behind those of the turn before;
    they share its weights and its place, and the result stage keeps the largest code. Where K is
    split, each turn has weights of its own, and the result stage adds the sums up.

    An instruction is taken in cycle c and issues from c + taken_to_issue on: the columns' positions
    are set up meanwhile, and the row table is read. Both wait for the layer's tables: the walk
    reads them ahead of the first token.

    Members
    -------
    instructions : In(stream)        from the execute queue
    write : In(write_layout)         tap and row table entries
    table_token : In(1)              a table's last entry is written in this cycle
    lhs_token, rhs_token : In(1)     operands have arrived
    lhs_freed : Out                  registered: words of each lhs bank that are not needed any more
    ring_room : In(1), ring_take : Out(1), ring_words : Out   the result ring
    read : Out(read_layout), step : Out, last, bipolar : Out(1)   ISSUE_TO_READ cycles after issue
    illegal : Out(1)                 a row table entry that nothing can have was written
    issued, waits_lhs, waits_rhs, waits_result : Out(1)           for the counters
    """

    instructions: stream.Interface
    write: data.View
    table_token: Signal
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
    illegal: Signal
    issued: Signal
    waits_lhs: Signal
    waits_rhs: Signal
    waits_result: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        self.gate = Gate(config=config)
        super().__init__(
            {
                "instructions": In(stream.Signature(kept_layout(config, Stage.EXECUTE))),
                "write": In(write_layout(config)),
                "table_token": In(1),
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
                "illegal": Out(1),
                "issued": Out(1),
                "waits_lhs": Out(1),
                "waits_rhs": Out(1),
                "waits_result": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now = Signal(kept_layout(self.config, Stage.EXECUTE))
        busy, begin, stands = Signal(), Signal(), Signal()
        fill, gate = Signal(), self.gate
        m.submodules.words = words = Words(config=self.config)
        m.d.comb += [
            self.instructions.ready.eq(~busy),
            begin.eq(self.instructions.valid & self.instructions.ready),
            self.ring_words.eq(now.ring_words),
            words.laid.eq(self._walk(m, now, begin, stands, fill, words)),
            words.starts.eq(self._setup(m, now, begin, fill)),
            words.issue.eq(gate.issue),
        ]
        m.d.sync += stands.eq(begin)
        with m.If(begin):
            m.d.sync += [now.eq(self.instructions.payload), busy.eq(1)]
        with m.Elif(gate.issue & words.word.needs.layer_end):
            m.d.sync += busy.eq(0)
        self._pass(m, now, words)
        self._read(m, now, stands, words)
        return m

    def _setup(
        self,
        m: Module,
        now: data.View,
        begin: Signal,
        fill: Signal,
    ) -> Value:
        """From taking an instruction to its walk, whose first cycle is the one after that returned.

        The last cycles fill the row table's queue. They wait for the layer's tables, so that no
        word of a table is read before it is written.
        """
        before = _setup_cycles(self.config) - 1 + ROW_TABLE_LATENCY
        setup = Signal(range(before + 1))
        tables, wanted, waits, fills = Signal(4), Signal(2), Signal(), Signal()
        m.d.comb += [
            wanted.eq(now.tap_table + now.row_table),
            waits.eq(tables < wanted),
            fills.eq((setup == ROW_TABLE_LATENCY + 1) & ~waits),
        ]
        m.d.sync += tables.eq(tables + self.table_token - Mux(fills, wanted, 0))
        with m.If(begin):
            m.d.sync += setup.eq(before)
        with m.Elif(fills | fill | (setup > ROW_TABLE_LATENCY + 1)):
            m.d.sync += setup.eq(setup - 1)
        starts = Signal()  # setup is 1
        m.d.sync += [starts.eq(fill & (setup == 2)), fill.eq(fills | (fill & ~starts))]
        return starts

    def _walk(
        self,
        m: Module,
        now: data.View,
        begin: Signal,
        stands: Signal,
        fill: Signal,
        words: Words,
    ) -> data.View:
        """The walkers; returns the word that is laid out.

        begin: an instruction is taken; stands: it is `now`.
        """
        walk, walking = words.walk, words.walking
        m.submodules.pairs = pairs = PairWalk(config=self.config)
        m.submodules.tiles = tiles = TileWalk(config=self.config)
        m.submodules.rows = rows = RowTable(config=self.config)
        loop, tile_end = tiles.loop, pairs.tile_end
        m.d.comb += [
            self.illegal.eq(rows.illegal),
            rows.now.eq(now),
            rows.begin.eq(stands),
            rows.fill.eq(fill),
            rows.write.eq(self.write),
            rows.step.eq(walk & (tile_end & loop.row_change)),
            pairs.now.eq(now),
            pairs.begin.eq(stands),
            pairs.settle.eq(~walking),
            pairs.digits.eq(rows.entry.digits),
            pairs.following.eq(
                Mux(
                    ~walking | (pairs.turn_last & loop.row_change),
                    rows.coming.digits,
                    rows.entry.digits,
                )
            ),
            pairs.issue.eq(walk),
            tiles.now.eq(now),
            tiles.taken.eq(begin),
            tiles.begin.eq(stands),
            tiles.walk.eq(walk),
            tiles.turn_end.eq(pairs.turn_end),
            tiles.tile_end.eq(tile_end),
            tiles.word.eq(pairs.lhs),
        ]
        word = self._word(m, now, pairs, tiles, rows)
        m.d.comb += word.tap.eq(self._turns(m, now, stands, walk, pairs))
        return word

    def _word(
        self, m: Module, now: data.View, pairs: PairWalk, tiles: TileWalk, rows: RowTable
    ) -> data.View:
        """The word where the walkers stand, all but its kernel position."""
        loop, tile_end = tiles.loop, pairs.tile_end
        word = Signal(word_layout(self.config), name="laid")
        alone = loop.rewinds & loop.first_column  # in its block: the next row tile stays here
        m.d.comb += [
            word.awaits.eq(tiles.awaits),
            word.needs.drain.eq(pairs.turn_end),
            word.needs.ring.eq(tile_end & loop.first_row),
            word.needs.columns.eq(tile_end & ~loop.layer_end & ~alone),
            word.needs.layer_end.eq(tile_end & loop.layer_end),
            word.step.clear.eq(pairs.clear),
            word.step.shift.eq(pairs.shift),
            # one plane of {-1, +1}: nothing in it is negative
            word.step.lhs_signed.eq(pairs.lhs_top & now.w_signed & ~rows.entry.bipolar),
            word.step.rhs_signed.eq(pairs.rhs_top & now.a_signed),
            word.bipolar.eq(rows.entry.bipolar),
            word.lhs.eq(tiles.lhs + pairs.lhs),
            word.rhs.eq(tiles.rhs + pairs.rhs + rows.entry.offset),
            word.back.eq(loop.rewinds & ~alone),
            word.save.eq(loop.block_end | alone),
            word.freed.eq(Mux(tiles.frees, pairs.lhs + 1, 0)),
        ]
        return word

    def _turns(
        self, m: Module, now: data.View, stands: Value, walk: Value, pairs: PairWalk
    ) -> Signal:
        """The word's kernel position in the tap table, by the tile's turns."""
        tap, begin, following = (Signal(range(self.config.table_depth)) for _ in range(3))
        turn_end = pairs.turn_end
        last, follows = counted_down(
            m, count=now.turns, steps=walk & turn_end, begin=stands, name="turn"
        )
        m.d.comb += [pairs.turn_last.eq(last), pairs.turn_follows.eq(follows)]
        m.d.comb += following.eq(Mux(stands | last, now.tap_base, begin + now.taps))
        with m.If(stands | (walk & turn_end)):
            m.d.sync += begin.eq(following)
        with m.If(stands | (walk & pairs.chunk_end)):
            m.d.sync += tap.eq(tap + 1)
            with m.If(pairs.pair_end):
                m.d.sync += tap.eq(begin)
            with m.If(stands | turn_end):
                m.d.sync += tap.eq(following)
        return tap

    def _pass(self, m: Module, now: data.View, words: Words) -> None:
        """The gate, and what the others hear of a word that goes."""
        word = words.word
        m.submodules.gate = gate = self.gate
        m.d.comb += [
            gate.now.eq(now),
            gate.offered.eq(words.offered),
            gate.coming.eq(words.coming.needs),
            gate.awaits.eq(words.coming.awaits),
            gate.needs.eq(word.needs),
            gate.lhs_token.eq(self.lhs_token),
            gate.rhs_token.eq(self.rhs_token),
            gate.ring_room.eq(self.ring_room),
            self.ring_take.eq(gate.issue & word.needs.ring),
            self.issued.eq(gate.issue),
            self.waits_lhs.eq(gate.waits_lhs),
            self.waits_rhs.eq(gate.waits_rhs),
            self.waits_result.eq(gate.waits_result),
        ]
        m.d.sync += [
            self.lhs_freed.eq(Mux(gate.issue, word.freed, 0)),
            self.step.eq(word.step),
            self.step.valid.eq(gate.issue),
            self.last.eq(gate.issue & word.needs.drain),
            self.bipolar.eq(word.bipolar),
        ]

    def _read(
        self,
        m: Module,
        now: data.View,
        stands: Signal,
        words: Words,
    ) -> None:
        """One cycle after the issue: where the columns stand, and which words to read.

        The tap table is asked as the word comes to be offered, and shows the tap while it is.
        """
        word, coming, stood = words.word, words.coming, Signal()
        m.submodules.taps = table = SharedRam(width=TAP_LAYOUT.size, depth=self.config.table_depth)
        m.submodules.columns = columns = Columns(config=self.config)
        found, tap = Signal(TAP_LAYOUT, reset_less=True), Signal(TAP_LAYOUT)
        tapped = Signal()  # `tap_table`, a copy with few readers
        near, far = Signal.like(word.rhs), Signal.like(word.rhs)
        m.d.comb += [
            table.write_address.eq(self.write.address),
            table.write_enable.eq(self.write.taps),
            table.write_data.eq(self.write.piece),
            table.read_address.eq(coming.tap),
            table.read_enable.eq(self.gate.load),
            tap.eq(Mux(tapped, found, 0)),
            columns.now.eq(now),
            columns.restart.eq(stood),
            columns.move.eq(self.gate.issue & word.needs.columns),
            columns.back.eq(coming.back),
            columns.save.eq(coming.save),
            self.gate.lays.eq(columns.lays),
            columns.tap.eq(tap),
            self.read.rhs.eq(near + tap.offset),
            self.read.far.eq(far + tap.offset),
            self.read.rotate.eq(tap.rotate),
            self.read.valid.eq(columns.valid),
            self.read.ones.eq(now.pad_ones),
        ]
        m.d.sync += [
            stood.eq(stands),
            tapped.eq(now.tap_table),
            found.eq(table.read_data),
            near.eq(word.rhs),
            far.eq(word.rhs + now.tile_stride),
            self.read.lhs.eq(word.lhs),
        ]
