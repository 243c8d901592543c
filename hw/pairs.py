"""The walk over a tile: digit pairs with falling exponents, and the words within each."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.counted import counted_down
from hw.kept import kept_layout
from hw.pair_order import PairOrder
from ir.isa import Stage


@dataclass(frozen=True, kw_only=True)
class _Operand:
    """Registers of an operand's planes, `step` words each.

    word: place of the word. plane, start: first word of the pair's plane, and of that of the
    distance's first pair. following: of the next pair's plane.
    """

    word: Signal
    plane: Signal
    start: Signal
    following: Signal
    step: Value

    @classmethod
    def of(cls, word: Signal, step: Value, *, name: str) -> _Operand:
        """Places as wide as `word`."""
        return cls(
            word=word,
            step=step,
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
    turn_last, turn_follows : In(1)    its turn is the tile's last; so is the one behind it
    chunk_end, pair_end : Out(1)   last word of a kernel position, of a digit pair
    lhs, rhs : Out                 place of the word among the tile's weights, and among the pixel's
                                   activations: kernel positions lie side by side in
                                   the first
    clear, turn_end : Out(1)       first and last word of the turn
    tile_end : Out(1)              last word of the tile
    shift : Out                    growth of the distance in narrow digits, with a pair's first word
    lhs_top, rhs_top : Out(1)      the pair's plane is the top one
    """

    now: data.View
    begin: Signal
    settle: Signal
    digits: Signal
    following: Signal
    issue: Signal
    turn_last: Signal
    turn_follows: Signal
    chunk_end: Signal
    pair_end: Signal
    lhs: Signal
    rhs: Signal
    clear: Signal
    shift: Signal
    lhs_top: Signal
    rhs_top: Signal
    turn_end: Signal
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
                "turn_last": In(1),
                "turn_follows": In(1),
                "chunk_end": Out(1),
                "pair_end": Out(1),
                "lhs": Out(range(config.lhs_depth)),
                "rhs": Out(range(config.rhs_depth)),
                "clear": Out(1, init=1),  # type: ignore[call-arg]
                "shift": Out(range(self.ratio + 1)),
                "lhs_top": Out(1),
                "rhs_top": Out(1),
                "turn_end": Out(1),
                "tile_end": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now, pair_end = self.now, self.pair_end
        chunk_end, chunk_ends = counted_down(
            m, count=now.chunks, steps=self.issue, begin=self.begin, name="chunk"
        )
        tap_end, tap_ends = counted_down(
            m, count=now.taps, steps=self.issue & chunk_end, begin=self.begin, name="tap"
        )
        m.submodules.order = order = self._order(m)
        pair_ends = Signal()
        m.d.comb += pair_ends.eq(chunk_ends & Mux(chunk_end | self.begin, tap_ends, tap_end))
        with m.If(self.issue | self.begin):
            m.d.sync += pair_end.eq(pair_ends)
        with m.If(self.issue | self.settle):
            ends = Mux(self.settle, pair_end, pair_ends)
            last = Mux(pair_end | self.settle, order.will_last, order.last)
            in_last = Mux(self.turn_end & self.issue, self.turn_follows, self.turn_last)
            m.d.sync += [self.turn_end.eq(ends & last), self.tile_end.eq(ends & last & in_last)]
        m.d.comb += [self.chunk_end.eq(chunk_end), order.step.eq(self.issue & pair_end)]
        lhs = _Operand.of(self.lhs, now.k_words, name="lhs")
        rhs = _Operand.of(self.rhs, now.plane_words, name="rhs")
        with m.If(self.issue):
            m.d.sync += [self.clear.eq(self.turn_end), self.shift.eq(0)]
            m.d.sync += [self.lhs.eq(self.lhs + 1), self.rhs.eq(self.rhs + 1)]
            with m.If(chunk_end):
                m.d.sync += self.rhs.eq(rhs.plane)
            with m.If(pair_end):
                m.d.sync += [s.eq(o.following) for o in (lhs, rhs) for s in (o.word, o.plane)]
        narrow, wide = (lhs, rhs) if self._lhs_is_narrow else (rhs, lhs)
        self._planes(m, order, narrow, wide)
        return m

    @property
    def _lhs_is_narrow(self) -> bool:
        return self.config.p <= self.config.q

    def _order(self, m: Module) -> PairOrder:
        """Which pair comes next, by the numbers of planes of both operands."""
        order, now = PairOrder(ratio=self.ratio), self.now
        (n, n_top), (w, w_top) = ("narrow", self.lhs_top), ("wide", self.rhs_top)
        if not self._lhs_is_narrow:
            (n, n_top), (w, w_top) = (w, n_top), (n, w_top)
        m.d.comb += [
            order.settle.eq(self.settle),
            getattr(order, n).eq(self.digits),
            getattr(order, f"next_{n}").eq(self.following),
            n_top.eq(getattr(order, f"{n}_top")),
            getattr(order, w).eq(now.a_digits),
            getattr(order, f"next_{w}").eq(now.a_digits),
            w_top.eq(getattr(order, f"{w}_top")),
        ]
        return order

    def _planes(self, m: Module, order: PairOrder, n: _Operand, w: _Operand) -> None:
        """The planes of the pair that follows; `n` is the operand with the narrower digits."""
        ratio, distance_end = self.ratio, order.distance_end
        m.d.comb += [
            n.following.eq(Mux(distance_end, n.start + n.step, n.plane + n.step * ratio)),
            w.following.eq(Mux(distance_end, w.start, w.plane - w.step)),
        ]
        with m.If(distance_end & order.wide_next):
            m.d.comb += [n.following.eq(0), w.following.eq(w.start + w.step)]
        with m.If(order.last | self.settle):
            m.d.comb += [n.following.eq(0), w.following.eq(0)]
        with m.If(order.step):
            with m.If(order.last):
                m.d.sync += [s.eq(0) for s in (n.start, w.start, self.shift)]
            with m.Elif(distance_end):
                m.d.sync += self.shift.eq(Mux(order.wide_next, ratio - order.narrow_first, 1))
                m.d.sync += [n.start.eq(n.following), w.start.eq(w.following)]
