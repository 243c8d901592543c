"""The walk over a tile: digit pairs with falling exponents, and the words within each."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.kept import kept_layout
from ir.isa import Stage
from ir.precision import MAX_OPERAND_BITS


class PairWalk(wiring.Component):
    """Which word of which digit pair comes next, and what the accumulators do with it.

    Planes are stored top first. Weight plane I and activation plane J lie I * p + J * q bits below
    the top, and pairs are visited in rising order of that distance, so an accumulator only ever
    shifts left, by the growth of the distance, between one pair and the next. With r the ratio of
    the wider digit to the narrower one, distances in narrow digits are I + r * J (J: the wider
    one's plane): pairs of one distance are r narrow planes and one wide plane apart, and the next
    distance begins one narrow plane on or, where that would repeat a pair, with the next wide
    plane.

    All outputs are of the word that is issued with `issue`; one word a cycle, no gap anywhere.

    Members
    -------
    now : In                       the execute instruction
    digits : In                    weight planes of this row tile
    issue : In(1)                  the word is taken
    tap, chunk : Out               kernel position, and word at it
    k : Out                        word of the pair: tap * chunks + chunk
    lhs, rhs : Out                 where the pair's planes begin, in words of their banks
    clear, tile_end : Out(1)       first and last word of the tile
    shift : Out                    growth of the distance in narrow digits, with a pair's first word
    lhs_top, rhs_top : Out(1)      the pair's plane is the top one
    """

    now: data.View
    digits: Signal
    issue: Signal
    tap: Signal
    chunk: Signal
    k: Signal
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
                "digits": In(now["w_digits"].shape),
                "issue": In(1),
                "tap": Out(now["taps"].shape),
                "chunk": Out(now["chunks"].shape),
                "k": Out(range(config.lhs_depth)),
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
        now = self.now
        pair_end, last_pair = Signal(), Signal()
        chunk_end, tap_end = Signal(), Signal()
        m.d.comb += [
            pair_end.eq(chunk_end & tap_end),
            self.tile_end.eq(pair_end & last_pair),
        ]
        # compared a cycle ahead, for either case: `issue` comes late. `now` stands for a cycle
        # before the first word of a layer.
        m.d.sync += [
            chunk_end.eq(_at_end(self.chunk, now.chunks, self.issue, chunk_end)),
            tap_end.eq(_at_end(self.tap, now.taps, self.issue & chunk_end, tap_end)),
        ]
        with m.If(self.issue):
            m.d.sync += [self.clear.eq(0), self.shift.eq(0)]
            m.d.sync += [self.k.eq(self.k + 1), self.chunk.eq(self.chunk + 1)]
            with m.If(chunk_end):
                m.d.sync += [self.chunk.eq(0), self.tap.eq(self.tap + 1)]
            with m.If(pair_end):
                m.d.sync += [self.tap.eq(0), self.k.eq(0)]
            with m.If(self.tile_end):
                m.d.sync += self.clear.eq(1)
        self._pairs(m, self.issue & pair_end, last_pair)
        return m

    def _pairs(self, m: Module, step: Value, last_pair: Signal) -> None:
        """The pair's planes; `narrow` is the operand with the smaller digits."""
        config, now, ratio = self.config, self.now, self.ratio
        lhs = (self.lhs, self.lhs_top, self.digits, now.k_words)
        rhs = (self.rhs, self.rhs_top, now.a_digits, now.plane_words)
        narrow, wide = (lhs, rhs) if config.p <= config.q else (rhs, lhs)
        (n_word, n_top, n_count, n_step), (w_word, w_top, w_count, w_step) = narrow, wide
        n_most, w_most = (MAX_OPERAND_BITS // bits for bits in sorted((config.p, config.q)))
        n, n_first = Signal(range(n_most), name="n"), Signal(range(n_most), name="n_first")
        w, w_first = Signal(range(w_most), name="w"), Signal(range(w_most), name="w_first")
        n_start, w_start = Signal.like(n_word), Signal.like(w_word)  # of the distance's first pair
        distance_end, wide_next = Signal(), Signal()
        m.d.comb += [
            n_top.eq(n == 0),
            w_top.eq(w == 0),
            last_pair.eq((n + 1 == n_count) & (w + 1 == w_count)),
            distance_end.eq((n + ratio >= n_count) | (w == 0)),
            wide_next.eq(
                (w_first + 1 != w_count) & ((n_first + 1 == ratio) | (n_first + 1 == n_count))
            ),
        ]
        with m.If(step):
            with m.If(last_pair):
                registers = (n, n_first, w, w_first, n_start, w_start, n_word, w_word, self.shift)
                m.d.sync += [s.eq(0) for s in registers]
            with m.Elif(~distance_end):
                m.d.sync += [n.eq(n + ratio), n_word.eq(n_word + n_step * ratio)]
                m.d.sync += [w.eq(w - 1), w_word.eq(w_word - w_step)]
            with m.Else():
                m.d.sync += self.shift.eq(Mux(wide_next, ratio - n_first, 1))
                with m.If(wide_next):
                    m.d.sync += [s.eq(0) for s in (n, n_first, n_word, n_start)]
                    m.d.sync += [s.eq(w_first + 1) for s in (w, w_first)]
                    m.d.sync += [s.eq(w_start + w_step) for s in (w_word, w_start)]
                with m.Else():
                    m.d.sync += [s.eq(n_first + 1) for s in (n, n_first)]
                    m.d.sync += [s.eq(n_start + n_step) for s in (n_word, n_start)]
                    m.d.sync += [w.eq(w_first), w_word.eq(w_start)]
        return None


def _at_end(place: Value, count: Value, steps: Value, ends: Value) -> Value:
    """Whether `place` will be the last of `count`: it `steps` on, or at its end begins anew."""
    return Mux(steps, Mux(ends, count == 1, place + 2 == count), place + 1 == count)
