"""The words between the walk, which lays them out, and the gate, which lets them go."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data, memory, wiring
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
    """A queue that a register heads: nothing in the walk depends on what is awaited in its cycle.

        laid -> two places -> word

    A word that is laid out is offered two cycles later. Where it is not let go at once, the two
    after it wait in a small memory, whose output is the next word; only then the walk stands still,
    and none of its cycles is lost when the queue moves again.

    Members
    -------
    starts : In(1)             the walk begins in the next cycle
    laid : In(word_layout)     the word that it lays out
    walk : Out(1)              it is taken, a register
    walking : Out(1)           the layer's last word is not laid out yet, a register
    offered : Out(1), word : Out(word_layout)
    issue : In(1)              the offered word goes
    coming : Out(word_layout)  the one that is offered next; where there is none yet, the one that
                               was laid out in the cycle before
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
        goes_on, load = Signal(), Signal()
        into, out_of = Signal(), Signal()  # places of the memory
        some, both = Signal(), Signal()  # words wait there
        fills = Signal()  # both places, with what is laid out
        m.submodules.kept = kept = memory.Memory(shape=self.laid.shape(), depth=2, init=[])
        write, read = kept.write_port(), kept.read_port(domain="comb")
        m.d.comb += [
            write.addr.eq(into),
            write.data.eq(self.laid),
            write.en.eq(~both),  # where none waits, the next word is seen as it is laid out
            read.addr.eq(out_of),
            self.coming.eq(read.data),
            load.eq(issue | ~offered),
            fills.eq(some & (walk | both) & ~load),
            goes_on.eq(self.starts | (self.walking & ~(walk & self.laid.needs.layer_end))),
        ]
        # it never walks while both places are taken
        m.d.sync += [
            self.walking.eq(goes_on),
            some.eq(walk | both | (some & ~load)),
            both.eq(fills),
            walk.eq(goes_on & ~fills),
            offered.eq((offered & ~issue) | some),
            into.eq(into ^ walk),
            out_of.eq(out_of ^ (some & load)),
        ]
        with m.If(load):
            m.d.sync += self.word.eq(self.coming)
        return m
