"""The walk over a tile: digit pairs with falling exponents, and the words within each."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.counted import counted_down
from hw.kept import kept_layout
from ir.isa import Stage
from ir.precision import MAX_OPERAND_BITS


@dataclass(frozen=True, kw_only=True)
class _Operand:
    """Registers of an operand's planes.

    word: place of the word. index, plane: the pair's plane and its first word; first, start: those
    of the distance's first pair. next_index, next_first, following (the plane): of the next pair.
    count: planes, `step` words each. top: the pair's plane is the top one.
    """

    word: Signal
    index: Signal
    plane: Signal
    first: Signal
    start: Signal
    next_index: Signal
    next_first: Signal
    following: Signal
    top: Signal
    count: Value
    step: Value

    @classmethod
    def of(
        cls, word: Signal, top: Signal, count: Value, step: Value, *, digit: int, name: str
    ) -> _Operand:
        """`digit` bits a plane."""
        most = range(MAX_OPERAND_BITS // digit)
        return cls(
            word=word,
            top=top,
            count=count,
            step=step,
            index=Signal(most, name=f"{name}_index"),
            first=Signal(most, name=f"{name}_first"),
            next_index=Signal(most, name=f"{name}_next_index"),
            next_first=Signal(most, name=f"{name}_next_first"),
            plane=Signal.like(word, name=f"{name}_plane"),
            start=Signal.like(word, name=f"{name}_start"),
            following=Signal.like(word, name=f"{name}_following"),
        )


class PairWalk(wiring.Component):
    """Which word of which digit pair comes next, and what the accumulators do with it.

    Planes are stored top first. Weight plane I and activation plane J lie I * p + J * q bits below
    the top, and pairs are visited in rising order of that distance, so an accumulator only ever
    shifts left, by the growth of the distance, between one pair and the next. With r the ratio of
    the wider digit to the narrower one, distances in narrow digits are I + r * J (J: the wider
    one's plane): pairs of one distance are r narrow planes and one wide plane apart, and the next
    distance begins one narrow plane on or, where that would repeat a pair, with the next wide
    plane.

    All outputs are of the word that is issued with `issue`; one word a cycle, no gap anywhere. What
    ends with a pair is compared while the pair before is under way.

    Members
    -------
    now : In                       the execute instruction
    begin : In(1)                  it is new
    settle : In(1)                 no word is taken; high in the cycle before the first one
    digits, following : In         weight planes of the row tile that the word is of, and of that
                                   which comes next behind the tile (or turn)
    issue : In(1)                  the word is taken
    chunk_end, pair_end : Out(1)   last word of a kernel position, of a digit pair
    lhs, rhs : Out                 place of the word among the tile's weights, and among the pixel's
                                   activations: kernel positions lie side by side in
                                   the first
    clear, tile_end : Out(1)       first and last word of the tile
    shift : Out                    growth of the distance in narrow digits, with a pair's first word
    lhs_top, rhs_top : Out(1)      the pair's plane is the top one
    """

    now: data.View
    begin: Signal
    settle: Signal
    digits: Signal
    following: Signal
    issue: Signal
    chunk_end: Signal
    pair_end: Signal
    lhs: Signal
    rhs: Signal
    clear: Signal
    shift: Signal
    lhs_top: Signal
    rhs_top: Signal
    tile_end: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        self.ratio = max(config.p, config.q) // min(config.p, config.q)
        now = kept_layout(config, Stage.EXECUTE)
        super().__init__(
            {
                "now": In(now),
                "begin": In(1),
                "settle": In(1),
                "digits": In(now["w_digits"].shape),
                "following": In(now["w_digits"].shape),
                "issue": In(1),
                "chunk_end": Out(1),
                "pair_end": Out(1),
                "lhs": Out(range(config.lhs_depth)),
                "rhs": Out(range(config.rhs_depth)),
                "clear": Out(1, init=1),  # type: ignore[call-arg]
                "shift": Out(range(self.ratio + 1)),
                "lhs_top": Out(1),
                "rhs_top": Out(1),
                "tile_end": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now, pair_end, last_pair = self.now, self.pair_end, Signal()
        chunk_end, chunk_ends = counted_down(
            m, count=now.chunks, steps=self.issue, begin=self.begin, name="chunk"
        )
        tap_end, tap_ends = counted_down(
            m, count=now.taps, steps=self.issue & chunk_end, begin=self.begin, name="tap"
        )
        pair_ends, next_last = Signal(), Signal()
        m.d.comb += pair_ends.eq(chunk_ends & Mux(chunk_end | self.begin, tap_ends, tap_end))
        with m.If(self.issue | self.begin):
            m.d.sync += pair_end.eq(pair_ends)
        with m.If(self.issue | self.settle):
            ends = Mux(self.settle, pair_end, pair_ends)
            m.d.sync += self.tile_end.eq(ends & Mux(pair_end | self.settle, next_last, last_pair))
        digits = Mux(last_pair | self.settle, self.following, self.digits)
        m.d.comb += [
            self.chunk_end.eq(chunk_end),
        ]
        p, q = self.config.p, self.config.q
        lhs = _Operand.of(self.lhs, self.lhs_top, digits, now.k_words, digit=p, name="lhs")
        rhs = _Operand.of(
            self.rhs, self.rhs_top, now.a_digits, now.plane_words, digit=q, name="rhs"
        )
        with m.If(self.issue):
            m.d.sync += [self.clear.eq(self.tile_end), self.shift.eq(0)]
            m.d.sync += [self.lhs.eq(self.lhs + 1), self.rhs.eq(self.rhs + 1)]
            with m.If(chunk_end):
                m.d.sync += self.rhs.eq(rhs.plane)
            with m.If(pair_end):
                m.d.sync += [s.eq(o.following) for o in (lhs, rhs) for s in (o.word, o.plane)]
        self._pairs(m, self.issue & pair_end, lhs, rhs, last_pair, next_last)
        return m

    def _pairs(
        self,
        m: Module,
        step: Value,
        lhs: _Operand,
        rhs: _Operand,
        last_pair: Signal,
        next_last: Signal,
    ) -> None:
        """The planes of the pair that follows; `n` is the operand with the narrower digits."""
        config, ratio = self.config, self.ratio
        n, w = (lhs, rhs) if config.p <= config.q else (rhs, lhs)
        distance_end, wide_next = Signal(), Signal()
        m.d.comb += [
            n.top.eq(n.index == 0),
            w.top.eq(w.index == 0),
            n.next_index.eq(Mux(distance_end, n.first + 1, n.index + ratio)),
            w.next_index.eq(Mux(distance_end, w.first, w.index - 1)),
            n.next_first.eq(Mux(distance_end, n.first + 1, n.first)),
            w.next_first.eq(w.first),
            n.following.eq(Mux(distance_end, n.start + n.step, n.plane + n.step * ratio)),
            w.following.eq(Mux(distance_end, w.start, w.plane - w.step)),
        ]
        with m.If(distance_end & wide_next):
            m.d.comb += [s.eq(0) for s in (n.next_index, n.next_first, n.following)]
            m.d.comb += [s.eq(w.first + 1) for s in (w.next_index, w.next_first)]
            m.d.comb += w.following.eq(w.start + w.step)
        with m.If(last_pair | self.settle):
            m.d.comb += [s.eq(0) for o in (n, w) for s in (o.next_index, o.next_first, o.following)]
        with m.If(step):
            for o in (n, w):
                m.d.sync += [o.index.eq(o.next_index), o.first.eq(o.next_first)]
            with m.If(last_pair):
                m.d.sync += [s.eq(0) for s in (n.start, w.start, self.shift)]
            with m.Elif(distance_end):
                m.d.sync += self.shift.eq(Mux(wide_next, ratio - n.first, 1))
                m.d.sync += [n.start.eq(n.following), w.start.eq(w.following)]
        m.d.comb += next_last.eq((n.next_index + 1 == n.count) & (w.next_index + 1 == w.count))
        with m.If(step | self.settle):
            m.d.sync += [
                last_pair.eq(next_last),
                distance_end.eq((n.next_index + ratio >= n.count) | (w.next_index == 0)),
                wide_next.eq(
                    (w.next_first + 1 != w.count)
                    & ((n.next_first + 1 == ratio) | (n.next_first + 1 == n.count))
                ),
            ]
