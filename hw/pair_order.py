"""The order in which a tile's digit pairs are visited."""

from __future__ import annotations

from dataclasses import dataclass, fields

from amaranth.hdl import Module, Mux, Signal, Value, ValueLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ir.precision import MAX_OPERAND_BITS

COUNT_BITS = MAX_OPERAND_BITS.bit_length()
INDEX_BITS = (MAX_OPERAND_BITS - 1).bit_length()


@dataclass(frozen=True, eq=False)
class _Pair:
    """Registers of the pair under way.

    left : planes below its narrow one     narrow_left, wide_left : below those of its distance's
    first pair     wide, wide_first : its wide plane, and that of the distance's first pair
    """

    left: Signal
    narrow_left: Signal
    wide_left: Signal
    wide: Signal
    wide_first: Signal


class PairOrder(wiring.Component):
    """Pairs (I, J) of a narrow plane and a wide one, in rising order of I + ratio * J.

    Planes count from the top, so that is how far the pair lies below it, in narrow digits. From a
    pair to the next one:

    - along the distance: `ratio` narrow planes down and one wide plane up, while there are such;
    - `distance_end`: to the first pair of the next distance, one narrow plane below the first of
      this one, or
    - `wide_next`: the wide plane below it, where that narrow plane would repeat a pair.

    All that is asked of a pair is a register, and is compared with constants while the pair before
    is under way: counts of planes that are left are counted down.

    Parameters
    ----------
    ratio : bits of a wide digit over those of a narrow one

    Members
    -------
    step : In(1)                       on to the next pair
    settle : In(1)                     on to a tile's first; as `step` does behind the last
    narrow, wide : In                  planes of the tile under way
    next_narrow, next_wide : In        planes of the tile that follows
    last : Out(1), distance_end, wide_next : Out(1)    of the pair
    narrow_top, wide_top : Out(1)      it has the top plane
    narrow_first : Out                 the narrow plane of the distance's first pair
    will_last : Out(1)                 what `last` will be behind a step: comes late
    """

    step: Signal
    settle: Signal
    narrow: Signal
    wide: Signal
    next_narrow: Signal
    next_wide: Signal
    last: Signal
    distance_end: Signal
    wide_next: Signal
    narrow_top: Signal
    wide_top: Signal
    narrow_first: Signal
    will_last: Signal

    def __init__(self, *, ratio: int) -> None:
        self.ratio = ratio
        planes = dict.fromkeys(("narrow", "wide", "next_narrow", "next_wide"), In(COUNT_BITS))
        bits = ("last", "distance_end", "wide_next", "narrow_top", "wide_top", "will_last")
        super().__init__(
            {
                "step": In(1),
                "settle": In(1),
                **planes,
                **dict.fromkeys(bits, Out(1)),
                "narrow_first": Out(INDEX_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pair = _Pair(*(Signal(INDEX_BITS, name=field.name) for field in fields(_Pair)))
        self._places(m, pair)
        self._tops_and_last(m, pair)
        self._steps(m, pair)
        return m

    def _behind(
        self, *, over: ValueLike, turn: ValueLike, end: ValueLike, along: ValueLike
    ) -> Value:
        """Behind a tile's last pair, and each kind of step."""
        way = Mux(self.distance_end, Mux(self.wide_next, turn, end), along)
        return Mux(self.last | self.settle, over, way)

    def _places(self, m: Module, pair: _Pair) -> None:
        """Where the next pair is, and the first one of its distance."""
        behind, first = self._behind, self.narrow_first
        narrows = {
            "over": self.next_narrow - 1,
            "turn": self.narrow - 1,
            "end": pair.narrow_left - 1,
        }
        firsts = {"over": 0, "turn": pair.wide_first + 1, "end": pair.wide_first}
        wides = {"over": self.next_wide - 1, "turn": pair.wide_left - 1, "end": pair.wide_left}
        with m.If(self.step | self.settle):
            m.d.sync += [
                pair.left.eq(behind(**narrows, along=pair.left - self.ratio)),
                pair.narrow_left.eq(behind(**narrows, along=pair.narrow_left)),
                first.eq(behind(over=0, turn=0, end=first + 1, along=first)),
                pair.wide.eq(behind(**firsts, along=pair.wide - 1)),
                pair.wide_first.eq(behind(**firsts, along=pair.wide_first)),
                pair.wide_left.eq(behind(**wides, along=pair.wide_left)),
            ]

    def _tops_and_last(self, m: Module, pair: _Pair) -> None:
        """Whether the next pair has a top plane, and whether it is the tile's last."""
        behind = self._behind
        m.d.comb += self.will_last.eq(
            behind(
                over=(self.next_narrow == 1) & (self.next_wide == 1),
                turn=(self.narrow == 1) & (pair.wide_left == 1),
                end=(pair.narrow_left == 1) & (pair.wide_left == 0),
                along=0,  # a wide plane is below this one
            )
        )
        with m.If(self.step | self.settle):
            m.d.sync += [
                self.last.eq(self.will_last),
                self.narrow_top.eq(behind(over=1, turn=1, end=0, along=0)),
                self.wide_top.eq(
                    behind(over=1, turn=0, end=pair.wide_first == 0, along=pair.wide == 1)
                ),
            ]

    def _steps(self, m: Module, pair: _Pair) -> None:
        """Which kind of step follows the next pair."""
        behind, ratio = self._behind, self.ratio
        with m.If(self.step | self.settle):
            m.d.sync += [
                self.distance_end.eq(
                    behind(
                        over=1,  # the top wide plane has none above it
                        turn=self.narrow <= ratio,
                        end=(pair.narrow_left <= ratio) | (pair.wide_first == 0),
                        along=(pair.left < 2 * ratio) | (pair.wide == 1),
                    )
                ),
                self.wide_next.eq(
                    behind(
                        over=(self.next_wide != 1) & ((ratio == 1) | (self.next_narrow == 1)),
                        turn=(pair.wide_left != 1) & ((ratio == 1) | (self.narrow == 1)),
                        end=(pair.wide_left != 0)
                        & ((self.narrow_first + 2 == ratio) | (pair.narrow_left == 1)),
                        along=self.wide_next,
                    )
                ),
            ]
