"""Sums of a tile over the parts of a K that is too long for the weight banks."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.product import times


def sums_layout(config: OverlayConfig) -> data.StructLayout:
    """The accumulators of a row group in one column, and the column's sum of activations."""
    acc = signed(config.acc_bits)
    return data.StructLayout({"rows": data.ArrayLayout(acc, config.requant_lanes), "column": acc})


class PartialSums(wiring.Component):
    """Adds what a tile's turns yield: a word for each row group of each column, read and written
    in the cycle in which the group leaves the drain chain, so that turns may follow at any pace.

    Accumulators never overflow on the way: each part's sums lie within the whole's exact bound.

    Members
    -------
    sums : In(sums_layout)       of the row group that is selected
    column, group : In           which it is
    adds : In(1)                 turns before this one have left sums
    keeps : In(1)                turns follow: the total stays here
    total : Out(sums_layout)     combinational
    """

    sums: data.View
    column: Signal
    group: Signal
    adds: Signal
    keeps: Signal
    total: data.View

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "sums": In(sums_layout(config)),
                "column": In(range(config.dn)),
                "group": In(max(1, (config.row_groups - 1).bit_length())),
                "adds": In(1),
                "keeps": In(1),
                "total": Out(sums_layout(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, layout = self.config, sums_layout(self.config)
        m.submodules.kept = kept = memory.Memory(
            shape=layout.size, depth=config.dn * config.row_groups, init=[]
        )
        read, write = kept.read_port(domain="comb"), kept.write_port()
        before = data.View(layout, read.data)
        place = times(self.column, config.row_groups) + self.group
        m.d.comb += [
            read.addr.eq(place),
            write.addr.eq(place),
            write.en.eq(self.keeps),
            write.data.eq(self.total.as_value()),
        ]
        own = [*self.sums.rows, self.sums.column]
        earlier = [*before.rows, before.column]
        for total, new, old in zip(
            [*self.total.rows, self.total.column], own, earlier, strict=True
        ):
            m.d.comb += total.eq(new + Mux(self.adds, old, 0))
        return m
