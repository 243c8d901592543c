"""Which piece of a fetch leaves: its place in its group, and what ends with it."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.kept import job_layout
from ir.isa import Kind

LOOPS = ("chunks", "groups", "units")
"""Of a fetch, the innermost first."""


class PieceCount(wiring.Component):
    """Counts pieces in groups, groups in units, and units.

    What ends with a piece stands in registers when it is next: that of the one behind it is worked
    out meanwhile, whether or not it leaves. So `steps`, which comes late in its cycle, enables
    registers and is in nothing else.

    Members
    -------
    enters : In(1), entering : In(job)    an instruction becomes the one that is next
    more : In(1), coming : In(job)        whether there is one, and which
    now : In(job)                         the instruction under way
    steps : In(1)                         a piece leaves, or there is none
    begin : Out(1)                        that which is next, if there is one, is `now` in the next
                                          cycle; so it is while none is under way
    is_kind : Out                         kind of `now`, one-hot
    chunk, group : Out                    place of the piece in its group, of its group in its unit

    Of the piece that is next, all registers, low when there is none:

    last, next_last : Out(1)              it is its group's last; the one behind it is, in `now`
    group_ends : Out                      it is its unit's last, by kind; one-hot
    final : Out(1)                        it is the fetch's last
    anew : Out(1)                         it is, or there is none
    """

    enters: Signal
    entering: data.View
    more: Signal
    coming: data.View
    now: data.View
    steps: Signal
    begin: Signal
    is_kind: Signal
    chunk: Signal
    group: Signal
    last: Signal
    next_last: Signal
    group_ends: Signal
    final: Signal
    anew: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        job = job_layout(config)
        fields = dict(job)
        super().__init__(
            {
                "enters": In(1),
                "entering": In(job),
                "more": In(1),
                "coming": In(job),
                "now": In(job),
                "steps": In(1),
                "begin": Out(1),
                "is_kind": Out(len(Kind)),
                "chunk": Out(fields["chunks"].shape),
                "group": Out(fields["groups"].shape),
                "last": Out(1),
                "next_last": Out(1),
                "group_ends": Out(len(Kind)),
                "final": Out(1),
                "anew": Out(1, init=1),  # type: ignore[call-arg]
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        follows, both = Signal(), Signal()
        alone, pair, kind = Signal(len(LOOPS)), Signal(len(LOOPS)), Signal.like(self.is_kind)
        counts = [self.entering[name] for name in LOOPS]
        with m.If(self.enters):  # of the instruction that is next: counts of 1, of at most 2
            m.d.sync += [
                alone.eq(Cat(count == 1 for count in counts)),
                pair.eq(Cat(count <= 2 for count in counts)),
                kind.eq(Cat(self.entering.kind == each for each in Kind)),
            ]
        moves = [self.steps & (ends | self.anew) for ends in (1, self.last, both)]
        last, coming = [], []
        for index, name in enumerate(LOOPS):
            place, is_last, next_last = self._loop(m, name, moves[index], alone[index], pair[index])
            inner = Cat(last).all() if last else 1
            coming.append(Mux(self.anew, alone[index], Mux(inner, next_last, is_last)))
            last.append(is_last)
            if name == "chunks":
                m.d.comb += [self.chunk.eq(place), self.next_last.eq(next_last)]
            if name == "groups":
                m.d.comb += self.group.eq(place)
        group_end, final, of_kind = Signal(), Signal(), Mux(self.anew, kind, self.is_kind)
        m.d.comb += [
            self.begin.eq(self.steps & self.anew),
            follows.eq(~self.anew | self.more),
            self.last.eq(last[0]),
            group_end.eq(coming[0] & coming[1]),
            final.eq(coming[0] & coming[1] & coming[2]),
        ]
        with m.If(self.steps):
            m.d.sync += [
                both.eq(group_end),
                self.group_ends.eq(Mux(follows & group_end, of_kind, 0)),
                self.final.eq(follows & final),
                self.anew.eq(~follows | final),
            ]
        with m.If(self.begin):
            m.d.sync += self.is_kind.eq(kind)
        return m

    def _loop(
        self, m: Module, name: str, moves: Value, alone: Value, pair: Value
    ) -> tuple[Signal, Signal, Signal]:
        """(place from 0 on; whether it is the last, known with it; whether the next is).

        moves: on to the next place, which is 0 after the last; or, `anew`, to that of the
        instruction that is next. The places left are counted down, so that all comparisons are with
        constants.
        """
        now, coming = self.now[name], self.coming[name]
        now_pair = Signal(name=f"{name}_pair")
        with m.If(self.begin):
            m.d.sync += now_pair.eq(pair)
        place, left = (Signal.like(now, name=f"{name}_{what}") for what in ("place", "left"))
        last, next_last = (Signal(name=f"{name}_{what}") for what in ("last", "next_last"))
        with m.If(moves):
            m.d.sync += [
                place.eq(Mux(last | self.anew, 0, place + 1)),
                left.eq(Mux(self.anew, coming, Mux(last, now, left - 1))),
                last.eq(Mux(self.anew, alone, next_last)),
                next_last.eq(Mux(self.anew, pair, Mux(last, now_pair, left == 3))),
            ]
        return place, last, next_last
