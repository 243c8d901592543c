"""The words between the walk, which lays them out, and the gate, which lets them go."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.dpu import step_layout
from hw.gate import NEEDS, tokens_layout


def word_layout(config: OverlayConfig) -> data.StructLayout:
    """A word on its way from the walk to the array.

    needs, awaits             what it waits for
    step, bipolar             what the accumulators do with it
    lhs, rhs                  its place in the banks; the kernel position's is added to rhs
    back, save                which columns are laid out while its tile is computed (Columns)
    freed                     words of weights that nobody needs behind it
    tap                       its kernel position's place in the tap table
    """
    return data.StructLayout(
        {
            "needs": NEEDS,
            "awaits": tokens_layout(config),
            "step": step_layout(config.p, config.q),
            "bipolar": 1,
            "lhs": range(config.lhs_depth),
            "rhs": range(config.rhs_depth),
            "back": 1,
            "save": 1,
            "freed": range(config.lhs_depth + 1),
            "tap": range(config.table_depth),
        }
    )


class Words(wiring.Component):
    """A queue that a register holds: nothing in the walk depends on what is awaited in its cycle.

        laid -> fresh -> (behind ->) word

    A word that is laid out is offered two cycles later. Where it is not let go at once, the one
    after it waits in `behind` and a third in `fresh`; only then the walk stands still, and none of
    its cycles is lost when the queue moves again.

    Members
    -------
    starts : In(1)             the walk begins in the next cycle
    laid : In(word_layout)     the word that it lays out
    walk : Out(1)              it is taken, a register
    walking : Out(1)           the layer's last word is not laid out yet, a register
    offered : Out(1), word : Out(word_layout)
    issue : In(1)              the offered word goes
    coming : Out(word_layout)  the one that is offered next, if there is one
    """

    starts: Signal
    laid: data.View
    walk: Signal
    walking: Signal
    offered: Signal
    word: data.View
    issue: Signal
    coming: data.View

    def __init__(self, *, config: OverlayConfig) -> None:
        layout = word_layout(config)
        super().__init__(
            {
                "starts": In(1),
                "laid": In(layout),
                "walk": Out(1),
                "walking": Out(1),
                "offered": Out(1),
                "word": Out(layout),
                "issue": In(1),
                "coming": Out(layout),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        issue, offered, walk = self.issue, self.offered, self.walk
        fresh, behind = Signal.like(self.laid), Signal.like(self.laid)
        waits, full = Signal(), Signal()  # there is a word in `fresh`, in `behind`
        stays, goes_on, both, held = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.coming.eq(Mux(full, behind, fresh)),
            goes_on.eq(self.starts | (self.walking & ~(walk & self.laid.needs.layer_end))),
            both.eq(waits & full),
            held.eq(full | (waits & offered)),  # `behind`, if the offered word stays
            stays.eq(both & ~issue),
        ]
        m.d.sync += [
            self.walking.eq(goes_on),
            walk.eq(Mux(issue, goes_on & ~(walk & both), goes_on & ~((walk | both) & held))),
            waits.eq(walk | stays),
            full.eq(Mux(issue, both, held)),
            offered.eq((offered & ~issue) | full | waits),
        ]
        with m.If(~stays):
            m.d.sync += fresh.eq(self.laid)
        with m.If(~full | issue):
            m.d.sync += behind.eq(fresh)
        with m.If(~offered | issue):
            m.d.sync += self.word.eq(self.coming)
        return m
