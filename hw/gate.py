"""What a word of a tile waits for: operands, the drain chain, room for the result."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.kept import kept_layout
from ir.isa import Stage

NEEDS = data.StructLayout({"lhs": 1, "rhs": 1, "drain": 1, "ring": 1, "layer_end": 1})
"""Of a word.

lhs         the first of a tile with weights that were not used before
rhs         the first of a column tile
drain       the last of a tile
ring        the last of a column tile's first row tile: its results take room in the ring
layer_end   the last of the layer
"""


class Gate(wiring.Component):
    """Lets the word that is `offered` go, in the first cycle in which all that it needs is there.

    - the first word of a tile waits for its weights or for the activations it reaches (tokens of
      the fetch stage);
    - the last word of a tile waits for the drain chain (it would arrive before the tile ahead has
      left) and, in the first row tile, for room in the result ring. Past that point nothing can
      hold a tile, so nothing need stop the array.

    Each of the four is one register's bit, mostly a sign: counts are kept as what is left beyond
    the need, which is negative while something is missing.

    Members
    -------
    now : In                          the execute instruction
    fresh : In(2)                     bit 0 in the first cycle in which it stands, bit 1 in the next
    offered : In(1), needs : In(NEEDS)
    lhs_token, rhs_token : In(1)      operands have arrived
    ring_room : In(1)                 the result ring has room
    issue : Out(1)                    the word goes
    waits_lhs, waits_rhs, waits_result : Out(1)    it does not; why
    """

    now: data.View
    fresh: Signal
    offered: Signal
    needs: data.View
    lhs_token: Signal
    rhs_token: Signal
    ring_room: Signal
    issue: Signal
    waits_lhs: Signal
    waits_rhs: Signal
    waits_result: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "now": In(kept_layout(config, Stage.EXECUTE)),
                "fresh": In(2),
                "offered": In(1),
                "needs": In(NEEDS),
                "lhs_token": In(1),
                "rhs_token": In(1),
                "ring_room": In(1),
                "issue": Out(1),
                "waits_lhs": Out(1),
                "waits_rhs": Out(1),
                "waits_result": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        needs = self.needs
        lhs, rhs, result = Signal(), Signal(), Signal()
        m.d.comb += [
            lhs.eq(needs.lhs & self._lhs_missing(m)),
            rhs.eq(needs.rhs & self._rhs_missing(m)),
            result.eq((needs.drain & self._draining(m)) | (needs.ring & ~self.ring_room)),
            self.issue.eq(self.offered & ~(lhs | rhs | result)),
            self.waits_lhs.eq(self.offered & lhs),
            self.waits_rhs.eq(self.offered & rhs & ~lhs),
            self.waits_result.eq(self.offered & result & ~(lhs | rhs)),
        ]
        return m

    def _lhs_missing(self, m: Module) -> Value:
        """Row tiles of weights that arrived and were not used yet, less one.

        A token is late in its cycle: it is counted a cycle later, and looked at until then.
        """
        token = Signal(name="lhs_arrived")
        spare = Signal(signed(self.config.lhs_depth.bit_length() + 1), init=-1, name="lhs_spare")
        m.d.sync += token.eq(self.lhs_token)
        with m.If(token ^ (self.issue & self.needs.lhs)):
            m.d.sync += spare.eq(spare + Mux(token, 1, -1))
        return spare[-1] & ~token

    def _rhs_missing(self, m: Module) -> Value:
        """Tokens beyond those that the column tile needs: `rhs_step` more than the one before.

        The last ones may need less, and a layer need not reach its last token: so what is asked for
        is never more than `rest`, and the layer's end clears what is left.
        """
        now, token = self.now, Signal(name="rhs_arrived")
        spare = Signal(signed(len(now.rhs_total) + 1), name="rhs_spare")
        more, rest, wanted, left, taken = (
            Signal.like(now.rhs_total, name=name)
            for name in ("more", "rest", "wanted", "left", "taken")
        )
        steps = Signal()
        m.d.comb += [
            steps.eq(self.fresh[1] | (self.issue & self.needs.ring)),
            wanted.eq(Mux(self.fresh[0], now.rhs_first, now.rhs_step)),
            left.eq(Mux(self.fresh[0], now.rhs_total, rest)),
            taken.eq(Mux(wanted < left, wanted, left)),
        ]
        with m.If(steps | self.fresh[0]):
            m.d.sync += [more.eq(taken), rest.eq(left - taken)]
        following = Signal.like(spare)
        m.d.comb += following.eq(Mux(token, spare + 1, spare))
        with m.If(steps):
            m.d.comb += following.eq(Mux(token, spare - more + 1, spare - more))
        with m.If(self.issue & self.needs.layer_end):
            m.d.comb += following.eq(token)
        m.d.sync += [token.eq(self.rhs_token), spare.eq(following)]
        return spare[-1] & ~(token & spare.all())

    def _draining(self, m: Module) -> Value:
        """The chain takes a tile every `tile_cycles`: counted down to -1 from one less than that
        after the last.
        """
        cycles = Signal(signed(len(self.now.tile_cycles) + 1), name="cycles")
        left = Signal.like(cycles, init=-1, name="drain_left")
        m.d.sync += cycles.eq(self.now.tile_cycles - 2)
        with m.If(self.issue & self.needs.drain):
            m.d.sync += left.eq(cycles)
        with m.Elif(~left[-1]):
            m.d.sync += left.eq(left - 1)
        return ~left[-1]
