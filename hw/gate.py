"""What a word of a tile waits for: operands, the drain chain, room for the result."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.kept import kept_bits, kept_layout
from ir.isa import Stage

NEEDS = data.StructLayout({"drain": 1, "ring": 1, "columns": 1, "layer_end": 1})
"""Of a word.

drain       the last of a tile
ring        the last of a column tile's first row tile: its results take room in the ring
columns     the last before another column tile, whose columns must be laid out
layer_end   the last of the layer
"""

TOKEN_TO_ISSUE = 2
"""Cycles from a token to the word that waited for it: it is counted, then compared."""


def tokens_layout(config: OverlayConfig) -> data.StructLayout:
    """What must have arrived before a word may go, with all bits inverted: that is its negative
    less one, so that an adder takes it as it comes.

    lhs     row tiles of weights before the last one that was taken, over all layers (modulo)
    rhs     tokens of the layer's activations
    """
    return data.StructLayout(
        {
            "lhs": config.lhs_depth.bit_length() + 1,
            "rhs": kept_bits(config, Stage.EXECUTE)["rhs_total"] + 1,
        }
    )


class Gate(wiring.Component):
    """Lets the word that is `offered` go, in the first cycle in which all that it needs is there.

    - its weights and activations have arrived (tokens of the fetch stage);
    - the last word of a tile waits for the drain chain (it would arrive before the tile ahead has
      left), in the first row tile for room in the result ring, and for the next tile's columns.
      Past that point nothing can hold a tile, so nothing need stop the array.

    Each of these is one register's bit: what arrived beyond the need is counted, and is negative
    while something is missing; whether chain, columns or ring hold a word is known as it comes.

    Members
    -------
    now : In                          the execute instruction
    offered : In(1), needs : In(NEEDS)
    load : Out(1)                     another word is offered in the next cycle, if there is one
    coming : In(NEEDS), awaits : In(tokens_layout)    what that one waits for
    lhs_token, rhs_token : In(1)      operands have arrived
    ring_room : In(1)                 the result ring has room
    lays : In(1)                      the next tile's columns will not be laid out in the next cycle
    issue : Out(1)                    the word goes
    waits_lhs, waits_rhs, waits_result : Out(1)    it does not; why
    """

    now: data.View
    offered: Signal
    needs: data.View
    load: Signal
    coming: data.View
    awaits: data.View
    lhs_token: Signal
    rhs_token: Signal
    ring_room: Signal
    lays: Signal
    issue: Signal
    waits_lhs: Signal
    waits_rhs: Signal
    waits_result: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "now": In(kept_layout(config, Stage.EXECUTE)),
                "offered": In(1),
                "needs": In(NEEDS),
                "load": Out(1),
                "coming": In(NEEDS),
                "awaits": In(tokens_layout(config)),
                "lhs_token": In(1),
                "rhs_token": In(1),
                "ring_room": In(1),
                "lays": In(1),
                "issue": Out(1),
                "waits_lhs": Out(1),
                "waits_rhs": Out(1),
                "waits_result": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        needs, awaits = self.needs, self.awaits
        lhs, rhs, result = Signal(), Signal(), Signal()
        ends = self.issue & needs.layer_end
        # weights are numbered from 0 on, activations counted: one of these is there from the start
        lhs_missing = self._missing(m, self.lhs_token, awaits.lhs, name="lhs", least=0)
        rhs_missing = self._missing(m, self.rhs_token, awaits.rhs, name="rhs", least=1, clear=ends)
        m.d.comb += [
            lhs.eq(lhs_missing),
            rhs.eq(rhs_missing),
            result.eq(self._held(m)),
            self.issue.eq(self.offered & ~(lhs | rhs | result)),
            self.load.eq(self.issue | ~self.offered),
            self.waits_lhs.eq(self.offered & lhs),
            self.waits_rhs.eq(self.offered & rhs & ~lhs),
            self.waits_result.eq(self.offered & result & ~(lhs | rhs)),
        ]
        return m

    def _missing(
        self,
        m: Module,
        token: Signal,
        need: Value,
        *,
        name: str,
        least: int,
        clear: Value | None = None,
    ) -> Value:
        """Whether no more than needed of `least` + the tokens so far have arrived.

        need: inverted, of the word that is offered after `load`. clear: tokens so far belong to the
        layer that ends.
        """
        bits = len(need)
        heard = Signal(name=f"{name}_heard")
        arrived = Signal(bits, name=f"{name}_arrived", init=least)
        spare = Signal(signed(bits), name=f"{name}_spare", init=-1)
        beyond = Signal(bits + 1, name=f"{name}_beyond")
        m.d.sync += [heard.eq(token), arrived.eq(arrived + heard)]
        if clear is not None:
            with m.If(clear):
                m.d.sync += arrived.eq(Mux(heard, least + 1, least))
        # with heard by one adder: its lowest place makes the carry
        m.d.comb += beyond.eq(Cat(heard, arrived) + Cat(heard, need))
        m.d.sync += spare.eq(Mux(self.load, beyond[1:], spare + heard))
        return spare[-1]

    def _held(self, m: Module) -> Value:
        """The offered word waits for the drain chain, the next tile's columns or the ring.

        The chain takes a tile every `tile_cycles`: counted down to -1 from one less than that
        after the last. Room in the ring is that of the cycle before, and none behind a word that
        takes it, of which the ring hears in that cycle.
        """
        cycles = Signal(signed(len(self.now.tile_cycles) + 1), name="cycles")
        left = Signal.like(cycles, init=-1, name="drain_left")
        held, drains, drain, columns, ring = Signal(), Signal(), Signal(), Signal(), Signal()
        last, takes = self.issue & self.needs.drain, self.issue & self.needs.ring
        m.d.sync += [
            cycles.eq(self.now.tile_cycles - 2),
            left.eq(Mux(last, cycles, left - ~left[-1])),
            held.eq((drain & drains) | (columns & self.lays) | (ring & (takes | ~self.ring_room))),
        ]
        m.d.comb += [
            drains.eq(Mux(last, ~cycles[-1], (left > 0))),
            drain.eq(Mux(self.load, self.coming.drain, self.needs.drain)),
            columns.eq(Mux(self.load, self.coming.columns, self.needs.columns)),
            ring.eq(Mux(self.load, self.coming.ring, self.needs.ring)),
        ]
        return held
