"""The result stage: tiles leave the drain chain, are requantized, merged and written."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks import BlockLoop, connect_loops
from hw.config import OverlayConfig
from hw.counted import counted, last_of
from hw.delay import delayed
from hw.emit import Emitter
from hw.fabric import find_fabric
from hw.kept import kept_layout
from hw.partial import PartialSums, sums_layout
from hw.ram import SharedRam
from hw.requantize import PARAM_LAYOUT, REQUANTIZE_LATENCY, Requantizer
from hw.ring import ring_layout
from hw.unpack import write_layout
from ir.isa import ENTRY_BITS, Stage

SELECT_TO_CODE = 1 + REQUANTIZE_LATENCY
"""Cycles from selecting a row group to its codes: its accumulators are chosen, then requantized."""


class Result(wiring.Component):
    """Drains a tile in columns * period cycles from `load` on; nothing can hold it (see Execute).

    In each column, group g of R rows is selected in cycle g of the period; the codes reach the
    emitter SELECT_TO_CODE cycles later. With thresholds all groups are selected once for each, with
    parameters of their own, and the codes added up. Where K is split, PartialSums adds the sums of
    a tile's turns up before they are requantized.

    Members
    -------
    instructions : In(stream)       from the result queue
    write : In(write_layout)        requantizer parameters
    load : In(1), advance : Out(1), acc : In, column_sum, bipolar : In       the array's drain chain
    ring_take : In(1), ring_room : Out(1)   reservations by the execute stage
    ring_words : In                 of a column tile, from the cycle before the first ring_take on
    done : Out(1)                   the layer's last write is answered
    finished : Out(1)               and it was the program's last layer
    ring : Out(ring_layout)         the ring's write port
    limit, position, writer_*       the writer
    """

    instructions: stream.Interface
    write: data.View
    load: Signal
    advance: Signal
    acc: data.View
    column_sum: Signal
    bipolar: Signal
    ring_take: Signal
    ring_words: Signal
    ring_room: Signal
    done: Signal
    finished: Signal
    ring: data.View
    limit: Signal
    position: Signal
    writer_load: Signal
    writer_address: Signal
    writer_idle: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "instructions": In(stream.Signature(kept_layout(config, Stage.RESULT))),
                "write": In(write_layout(config)),
                "load": In(1),
                "advance": Out(1),
                "acc": In(data.ArrayLayout(signed(config.acc_bits), config.dm)),
                "column_sum": In(signed(config.acc_bits)),
                "bipolar": In(1),
                "ring_take": In(1),
                "ring_words": In(range(config.ring_depth)),
                "ring_room": Out(1),
                "done": Out(1),
                "finished": Out(1),
                "ring": Out(ring_layout(config)),
                "limit": Out(range(config.ring_depth)),
                "position": In(range(config.ring_depth)),
                "writer_load": Out(1),
                "writer_address": Out(32),
                "writer_idle": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now, running = Signal(kept_layout(self.config, Stage.RESULT)), Signal()
        m.submodules.emitter = emitter = Emitter(config=self.config)
        m.d.comb += [
            self.instructions.ready.eq(~running),
            self.writer_load.eq(self.instructions.valid & self.instructions.ready),
            self.writer_address.eq(self.instructions.payload.address),
            self.done.eq(running & emitter.complete & self.writer_idle),
            self.finished.eq(self.done & now.last),
        ]
        with m.If(self.writer_load):
            m.d.sync += [now.eq(self.instructions.payload), running.eq(1)]
        with m.If(self.done):
            m.d.sync += running.eq(0)
        fresh = Signal()
        m.d.sync += fresh.eq(self.writer_load)
        m.d.comb += [
            emitter.now.eq(now),
            emitter.begin.eq(fresh),
            emitter.restart.eq(self.writer_load),
            self.ring.eq(emitter.ring),
            self.limit.eq(emitter.limit),
        ]
        self._reserve(m, emitter, running)
        self._drain(m, now, fresh, emitter)
        return m

    def _reserve(self, m: Module, emitter: Emitter, running: Signal) -> None:
        """Room in the ring for column tiles that were let go but are not merged yet.

        What is merged or sent is seen four cycles later, what is taken in the next one: that is
        why all is added up for both cases before it is known whether a tile takes its words.
        """
        depth, words = self.config.ring_depth, self.ring_words
        reserved, grows, waiting, waiting_1, waiting_2, merged, gone = (
            Signal(range(2 * depth), name=name)
            for name in ("reserved", "grows", "waiting", "waiting_1", "waiting_2", "merged", "gone")
        )
        runs = (running | self.writer_load) & ~self.done
        fits, fits_both = (
            (reserved + more)[len(reserved) - 1 :] == 0 for more in (waiting_1, waiting_2)
        )
        m.d.sync += [
            waiting.eq((self.limit - self.position)[: len(self.limit)]),
            waiting_1.eq(waiting + words),  # with a tile's, and with two tiles'
            waiting_2.eq(waiting + (words << 1)),
            merged.eq(Mux(emitter.merged, emitter.now.ring_words, 0)),
            gone.eq(merged),
            grows.eq(words - merged),  # with a tile's words, less what is gone
            self.ring_room.eq(runs & Mux(self.ring_take, fits_both, fits)),
            reserved.eq(Mux(self.ring_take, reserved + grows, reserved - gone)),
        ]

    def _drain(self, m: Module, now: data.View, fresh: Signal, emitter: Emitter) -> None:
        """The sequencer of the drain chain, and the requantizer lanes behind it."""
        config = self.config
        active, tile_end, selecting = Signal(), Signal(), Signal(init=1)
        m.submodules.loop = loop = BlockLoop(config=config)
        connect_loops(m, loop, now, fresh)
        cycle, period_end = counted(m, count=now.period, steps=active, begin=fresh, name="cycle")
        advance = active & period_end
        column, column_last = counted(
            m, count=now.columns, steps=advance, begin=fresh, name="column"
        )
        turn_last = last_of(m, count=now.turns, steps=tile_end, begin=fresh, name="turn")
        turn_first = Signal(init=1)
        with m.If(tile_end):
            m.d.sync += turn_first.eq(turn_last)
        selects, select_last = active & selecting, cycle == now.selects
        group, adds = Signal(max(1, (config.row_groups - 1).bit_length())), Signal()
        m.d.comb += [
            self.advance.eq(advance),
            tile_end.eq(advance & column_last),
            loop.step.eq(tile_end & turn_last),
            loop.ends.eq(1),
        ]
        with m.If(active):
            m.d.sync += group.eq(group + 1)
            with m.If(group + 1 == config.row_groups):
                m.d.sync += [group.eq(0), adds.eq(1)]
            with m.If(select_last):
                m.d.sync += selecting.eq(0)
            with m.If(period_end):
                m.d.sync += [selecting.eq(1), group.eq(0), adds.eq(0)]
        with m.If(tile_end):
            m.d.sync += active.eq(0)
        with m.If(self.load):
            m.d.sync += active.eq(1)

        sums = self._sums(m, group)
        if config.k_split:
            m.submodules.partial = partial = PartialSums(config=config)
            m.d.comb += [
                partial.sums.eq(sums),
                partial.column.eq(column - 1),
                partial.group.eq(group),
                partial.adds.eq(now.split & ~turn_first),
                partial.keeps.eq(now.split & selects & ~adds & ~turn_last),
            ]
            sums = partial.total
        row_end = loop.step & loop.row_change
        entry = self._entry(m, now, fresh, active, period_end, row_end, loop.row_last)
        self._lanes(m, now, emitter, sums, entry)
        flags = Cat(selects & select_last, column_last, selects, adds, group)
        m.d.comb += Cat(
            emitter.column_ready,
            emitter.last_column,
            emitter.code_valid,
            emitter.adds,
            emitter.group,
        ).eq(delayed(m, flags, SELECT_TO_CODE, name="flags"))

    def _entry(
        self,
        m: Module,
        now: data.View,
        fresh: Value,
        active: Value,
        column_end: Value,
        row_end: Value,
        row_last: Value,
    ) -> Signal:
        """The next cycle's entry of the parameter table: a row tile's are used column by column.

        row_end: the row tile ends in this cycle; row_last: it is the layer's last one. Registers
        say where it begins and where the one behind it does; first_behind is that of the first.
        The entry after each goes with it, added before it is known which one is next: that comes
        late, and the way to the block RAMs is long as it is.
        """
        depth = range(self.config.table_depth)
        places = data.StructLayout({"entry": depth, "after": depth})
        place, begin, chosen, following = (
            Signal(places, name=name)
            for name in ("entry_now", "row_begin", "entry", "row_following")
        )
        behind, first_behind = Signal(depth, name="row_behind"), Signal(depth)
        base = Mux(row_last, now.param_base, behind)
        m.d.comb += [following.entry.eq(base), following.after.eq(base + 1), chosen.eq(place)]
        with m.If(row_end):
            m.d.comb += chosen.eq(following)
            m.d.sync += [
                begin.eq(following),
                behind.eq(Mux(row_last, first_behind, behind + now.selects)),
            ]
        with m.Elif(active & column_end):
            m.d.comb += chosen.eq(begin)
        with m.Elif(active):
            m.d.comb += [chosen.entry.eq(place.after), chosen.after.eq(place.after + 1)]
        m.d.sync += [place.eq(chosen), first_behind.eq(now.param_base + now.selects)]
        with m.If(fresh):
            first = now.param_base
            m.d.sync += behind.eq(first + now.selects)
            for pair in (place, begin):
                m.d.sync += [pair.entry.eq(first), pair.after.eq(first + 1)]
        return chosen.entry

    def _sums(self, m: Module, group: Value) -> data.View:
        """The accumulators of a row group of the column at the chain's end; its column sum."""
        config, lanes = self.config, self.config.requant_lanes
        sums = Signal(sums_layout(config))
        m.d.comb += sums.column.eq(self.column_sum)
        with m.Switch(group):
            for index in range(config.row_groups):
                with m.Case(index):
                    m.d.comb += [
                        sums.rows[lane].eq(self.acc[index * lanes + lane]) for lane in range(lanes)
                    ]
        return sums

    def _lanes(
        self, m: Module, now: data.View, emitter: Emitter, sums: data.View, param_address: Value
    ) -> None:
        """R requantizers; lane r serves rows r, r + R, ... of the tile, in order of the groups."""
        config = self.config
        lanes = config.requant_lanes
        bipolar = Signal()
        m.d.sync += bipolar.eq(self.bipolar)
        for lane in range(lanes):
            piece, place = divmod(lane, config.param_lanes)
            table = SharedRam(width=PARAM_LAYOUT.size, depth=config.table_depth)
            m.submodules[f"params_{lane}"] = table
            m.d.comb += [
                table.write_address.eq(self.write.address),
                table.write_data.eq(self.write.piece.word_select(place, ENTRY_BITS)),
                table.write_enable.eq(self.write.params[piece]),
                table.read_address.eq(param_address),
                table.read_enable.eq(1),
            ]
            m.submodules[f"lane_{lane}"] = unit = Requantizer(
                acc_bits=config.acc_bits,
                column_sums=config.column_sums,
                multiplier_bits=find_fabric(config.fabric).multiplier_bits,
            )
            acc = Signal(signed(config.acc_bits), name=f"acc_{lane}")
            column_sum = Signal(signed(config.acc_bits), name=f"column_sum_{lane}")
            m.d.sync += [acc.eq(sums.rows[lane]), column_sum.eq(sums.column)]
            m.d.comb += [
                unit.acc.eq(acc),
                unit.column_sum.eq(column_sum),
                unit.param.eq(table.read_data),
                unit.bipolar.eq(bipolar),
                unit.shift.eq(now.shift),
                unit.elements.eq(now.elements),
                unit.lo.eq(now.lo),
                unit.hi.eq(now.hi),
                emitter.codes[lane].eq(unit.code),
            ]
