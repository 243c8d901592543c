"""The bit-serial dot-product unit."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Member, Out, Signature

from hw.popcount import Popcount, stages
from hw.shared import Shared

STEP = data.StructLayout(
    {"valid": unsigned(1), "clear": unsigned(1), "shift": unsigned(1), "negate": unsigned(1)}
)
"""What happens to the accumulator; travels down the pipeline with the data."""


def latency(lanes: int) -> int:
    """Cycles from the operands to the accumulator that contains them."""
    return stages(lanes) + 1


def dpu_members(lanes: int, acc_bits: int) -> dict[str, Member]:
    """The unit's ports."""
    return {"lhs": In(lanes), "rhs": In(lanes), "step": In(STEP), "acc": Out(signed(acc_bits))}


class DPU(wiring.Component):
    """acc = (0 if clear else acc << shift) + (-1 if negate else 1) * popcount(lhs & rhs)

    `acc` holds the sum `latency(lanes)` cycles after the operands and `step.valid`. Digit pairs are
    visited with falling exponents, so one bit of shift is all that is ever needed. Sums beyond
    acc_bits wrap: not guarded, codegen refuses layers whose exact bound does not fit.

    Parameters
    ----------
    lanes : Dk, digits in a word
    acc_bits : accumulator width

    Members
    -------
    lhs, rhs : In(lanes), one digit-plane each
    step : In(STEP), already delayed to meet the count (the array delays it once for all)
    acc : Out(signed(acc_bits))

    Source: BISMO's dot-product unit; ours needs no barrel shifter because of the order of the digit
    pairs.
    """

    lhs: Signal
    rhs: Signal
    step: data.View

    acc: Signal

    def __init__(self, *, lanes: int, acc_bits: int) -> None:
        self.lanes = lanes
        self.acc_bits = acc_bits
        super().__init__(dpu_members(lanes, acc_bits))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.popcount = popcount = Popcount(lanes=self.lanes)
        m.d.comb += popcount.bits.eq(self.lhs & self.rhs)
        count = Cat(popcount.count, 0).as_signed()
        negate = self.step.negate
        # -count is ~count + 1: the XOR and the carry-in fold into the accumulator's adder
        folded = Signal(signed(len(count)))
        m.d.comb += folded.eq(count ^ Cat(negate.replicate(len(count))).as_signed())
        base = Mux(self.step.clear, 0, Mux(self.step.shift, self.acc << 1, self.acc))
        with m.If(self.step.valid):
            m.d.sync += self.acc.eq(base + folded + negate)
        return m


STEP_DELAY = stages
"""Cycles by which `step` must follow the operands."""


class SharedDPU(Shared):
    """A unit that is emitted once for all of its size. Parameters and members as in DPU."""

    lhs: Signal
    rhs: Signal
    step: data.View
    acc: Signal

    def __init__(self, *, lanes: int, acc_bits: int) -> None:
        super().__init__(
            lambda: DPU(lanes=lanes, acc_bits=acc_bits),
            signature=Signature(dpu_members(lanes, acc_bits)),
            name=f"dpu_{lanes}x{acc_bits}",
        )
