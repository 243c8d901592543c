"""The dot-product unit: lanes and an accumulator."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Member, Out, Signature

from hw.lanes import Lanes, lane_stages, step_layout, tree_stages
from hw.shared import Shared

STEP_DELAY = lane_stages
"""Cycles by which the accumulator's step follows its operands, of (lanes, p, q)."""


def latency(lanes: int, p: int, q: int) -> int:
    """Cycles from the operands to the accumulator that contains them."""
    return STEP_DELAY(lanes, p, q) + 1


def dpu_members(lanes: int, p: int, q: int, acc_bits: int) -> dict[str, Member]:
    """The unit's ports."""
    steps = data.ArrayLayout(step_layout(p, q), STEP_DELAY(lanes, p, q) + 1)
    return {
        "lhs": In(lanes * p),
        "rhs": In(lanes * q),
        "steps": In(steps),
        "acc": Out(signed(acc_bits)),
    }


class DPU(wiring.Component):
    """acc = (0 if clear else acc << min(p, q) * shift) + sum over lanes of lhs digit * rhs digit

    `acc` holds the sum `latency(lanes, p, q)` cycles after the operands. Digit pairs are visited
    with falling exponents, so the accumulator moves by a narrow digit at a time, or by what is left
    of a wide one: never by a barrel. Sums beyond acc_bits wrap, and so do sums on the way: only the
    last must fit (arithmetic modulo 2^acc_bits), which codegen sees to by refusing layers whose
    exact bound does not.

    Parameters
    ----------
    lanes : Dk, digits in a word       p, q : bits of a digit of lhs and of rhs
    acc_bits : accumulator width

    Members
    -------
    lhs : In(lanes * p), rhs : In(lanes * q)   one digit-plane each, lane 0 in the lowest bits
    steps : In, `steps[i]` the step i cycles after its operands: the array delays it once for all
    acc : Out(signed(acc_bits))

    Source: BISMO's dot-product unit, and for wider digits Bit Fusion's bricks; ours needs no barrel
    shifter because of the order of the digit pairs, and no shifter in a lane because the digits'
    widths are those of the overlay.
    """

    lhs: Signal
    rhs: Signal
    steps: data.View

    acc: Signal

    def __init__(self, *, lanes: int, p: int, q: int, acc_bits: int) -> None:
        self.lanes, self.p, self.q = lanes, p, q
        super().__init__(dpu_members(lanes, p, q, acc_bits))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.lanes = lanes = Lanes(lanes=self.lanes, p=self.p, q=self.q)
        first, middle = self.steps[0], self.steps[tree_stages(self.lanes)]
        last = self.steps[STEP_DELAY(self.lanes, self.p, self.q)]
        m.d.comb += [
            lanes.lhs.eq(self.lhs),
            lanes.rhs.eq(self.rhs),
            lanes.wide_signed.eq(first.rhs_signed if self.p <= self.q else first.lhs_signed),
            lanes.lhs_signed.eq(middle.lhs_signed),
            lanes.rhs_signed.eq(middle.rhs_signed),
        ]
        with m.If(last.valid):
            base = Mux(last.clear, 0, self._shifted(last.shift))
            m.d.sync += self.acc.eq(base + lanes.addend + lanes.carry)
        return m

    def _shifted(self, shift: Value) -> Value:
        """The sum so far, moved up by a whole number of narrow digits."""
        narrow, wide = sorted((self.p, self.q))
        moved: Value = self.acc
        for places in range(1, wide // narrow + 1):
            moved = Mux(shift == places, self.acc << narrow * places, moved)
        return moved


class SharedDPU(Shared):
    """A unit that is emitted once for all of its size. Parameters and members as in DPU."""

    lhs: Signal
    rhs: Signal
    steps: data.View
    acc: Signal

    def __init__(self, *, lanes: int, p: int, q: int, acc_bits: int) -> None:
        super().__init__(
            lambda: DPU(lanes=lanes, p=p, q=q, acc_bits=acc_bits),
            signature=Signature(dpu_members(lanes, p, q, acc_bits)),
            name=f"dpu_{lanes}x{p}x{q}x{acc_bits}",
        )


__all__ = ["DPU", "STEP_DELAY", "SharedDPU", "latency", "step_layout"]
