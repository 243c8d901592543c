"""The order in which a tile's digit pairs are visited."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, ValueLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ir.precision import MAX_OPERAND_BITS

COUNT_BITS = MAX_OPERAND_BITS.bit_length()
INDEX_BITS = (MAX_OPERAND_BITS - 1).bit_length()


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
        # planes below the pair's narrow one, and below those of the distance's first pair
        left, narrow_left, wide_left = (Signal(INDEX_BITS, name=f"left_{n}") for n in range(3))
        wide, wide_first = Signal(INDEX_BITS), Signal(INDEX_BITS)
        self._places(m, left, narrow_left, wide, wide_first, wide_left)
        self._tops_and_last(m, narrow_left, wide, wide_first, wide_left)
        self._steps(m, left, narrow_left, wide, wide_first, wide_left)
        return m

    def _behind(
        self, *, over: ValueLike, turn: ValueLike, end: ValueLike, along: ValueLike
    ) -> Value:
        """Behind a tile's last pair, and each kind of step."""
        way = Mux(self.distance_end, Mux(self.wide_next, turn, end), along)
        return Mux(self.last | self.settle, over, way)

    def _places(
        self,
        m: Module,
        left: Signal,
        narrow_left: Signal,
        wide: Signal,
        wide_first: Signal,
        wide_left: Signal,
    ) -> None:
        """Where the next pair is, and the first one of its distance."""
        behind, first = self._behind, self.narrow_first
        narrows = {"over": self.next_narrow - 1, "turn": self.narrow - 1, "end": narrow_left - 1}
        firsts = {"over": 0, "turn": wide_first + 1, "end": wide_first}
        wides = {"over": self.next_wide - 1, "turn": wide_left - 1, "end": wide_left}
        with m.If(self.step | self.settle):
            m.d.sync += [
                left.eq(behind(**narrows, along=left - self.ratio)),
                narrow_left.eq(behind(**narrows, along=narrow_left)),
                first.eq(behind(over=0, turn=0, end=first + 1, along=first)),
                wide.eq(behind(**firsts, along=wide - 1)),
                wide_first.eq(behind(**firsts, along=wide_first)),
                wide_left.eq(behind(**wides, along=wide_left)),
            ]

    def _tops_and_last(
        self, m: Module, narrow_left: Signal, wide: Signal, wide_first: Signal, wide_left: Signal
    ) -> None:
        """Whether the next pair has a top plane, and whether it is the tile's last."""
        behind = self._behind
        m.d.comb += self.will_last.eq(
            behind(
                over=(self.next_narrow == 1) & (self.next_wide == 1),
                turn=(self.narrow == 1) & (wide_left == 1),
                end=(narrow_left == 1) & (wide_left == 0),
                along=0,  # a wide plane is below this one
            )
        )
        with m.If(self.step | self.settle):
            m.d.sync += [
                self.last.eq(self.will_last),
                self.narrow_top.eq(behind(over=1, turn=1, end=0, along=0)),
                self.wide_top.eq(behind(over=1, turn=0, end=wide_first == 0, along=wide == 1)),
            ]

    def _steps(
        self,
        m: Module,
        left: Signal,
        narrow_left: Signal,
        wide: Signal,
        wide_first: Signal,
        wide_left: Signal,
    ) -> None:
        """Which kind of step follows the next pair."""
        behind, ratio = self._behind, self.ratio
        with m.If(self.step | self.settle):
            m.d.sync += [
                self.distance_end.eq(
                    behind(
                        over=1,  # the top wide plane has none above it
                        turn=self.narrow <= ratio,
                        end=(narrow_left <= ratio) | (wide_first == 0),
                        along=(left < 2 * ratio) | (wide == 1),
                    )
                ),
                self.wide_next.eq(
                    behind(
                        over=(self.next_wide != 1) & ((ratio == 1) | (self.next_narrow == 1)),
                        turn=(wide_left != 1) & ((ratio == 1) | (self.narrow == 1)),
                        end=(wide_left != 0)
                        & ((self.narrow_first + 2 == ratio) | (narrow_left == 1)),
                        along=self.wide_next,
                    )
                ),
            ]
