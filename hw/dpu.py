"""The dot-product unit: lanes and an accumulator."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Member, Out, Signature

from hw.fabric import PORTABLE, find_fabric
from hw.lanes import step_layout
from hw.shared import Shared


def step_delay(lanes: int, p: int, q: int, fabric: str = PORTABLE) -> int:
    """Cycles by which the accumulator's step follows its operands."""
    return find_fabric(fabric).lanes.timing(lanes, p, q).addend


def latency(lanes: int, p: int, q: int, fabric: str = PORTABLE) -> int:
    """Cycles from the operands to the accumulator that contains them."""
    return step_delay(lanes, p, q, fabric) + 1


def dpu_members(lanes: int, p: int, q: int, acc_bits: int, fabric: str) -> dict[str, Member]:
    """The unit's ports."""
    steps = data.ArrayLayout(step_layout(p, q), step_delay(lanes, p, q, fabric) + 1)
    return {
        "lhs": In(lanes * p),
        "rhs": In(lanes * q),
        "steps": In(steps),
        "acc": Out(signed(acc_bits)),
    }


class DPU(wiring.Component):
    """acc = (0 if clear else acc << min(p, q) * shift) + sum over lanes of lhs digit * rhs digit

    `acc` holds the sum `latency(lanes, p, q, fabric)` cycles after the operands. Digit pairs are
    visited with falling exponents, so the accumulator moves by a narrow digit at a time, or by what
    is left of a wide one: never by a barrel. Sums beyond acc_bits wrap, and so do sums on the way:
    only the last must fit (arithmetic modulo 2^acc_bits), which codegen sees to by refusing layers
    whose exact bound does not.

    Parameters
    ----------
    lanes : Dk, digits in a word       p, q : bits of a digit of lhs and of rhs
    acc_bits : accumulator width
    fabric : what lanes and accumulator are made of (hw/fabric.py)

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

    def __init__(
        self, *, lanes: int, p: int, q: int, acc_bits: int, fabric: str = PORTABLE
    ) -> None:
        self.lanes, self.p, self.q, self.fabric = lanes, p, q, fabric
        super().__init__(dpu_members(lanes, p, q, acc_bits, fabric))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fabric = find_fabric(self.fabric)
        m.submodules.lanes = lanes = fabric.lanes(lanes=self.lanes, p=self.p, q=self.q)
        timing = lanes.timing(self.lanes, self.p, self.q)
        first, middle = self.steps[timing.wide], self.steps[timing.signs]
        m.d.comb += [
            lanes.lhs.eq(self.lhs),
            lanes.rhs.eq(self.rhs),
            lanes.wide_signed.eq(first.rhs_signed if self.p <= self.q else first.lhs_signed),
            lanes.lhs_signed.eq(middle.lhs_signed),
            lanes.rhs_signed.eq(middle.rhs_signed),
        ]
        fabric.accumulate(
            m,
            self.acc,
            lanes.addend,
            lanes.carry,
            step=self.steps[timing.addend],
            before=self.steps[timing.addend - 1],
            narrow=min(self.p, self.q),
            wide=max(self.p, self.q),
        )
        return m


class SharedDPU(Shared):
    """A unit that is emitted once for all of its size. Parameters and members as in DPU."""

    lhs: Signal
    rhs: Signal
    steps: data.View
    acc: Signal

    def __init__(
        self, *, lanes: int, p: int, q: int, acc_bits: int, fabric: str = PORTABLE
    ) -> None:
        made_of = "" if fabric == PORTABLE else f"_{fabric}"
        super().__init__(
            lambda: DPU(lanes=lanes, p=p, q=q, acc_bits=acc_bits, fabric=fabric),
            signature=Signature(dpu_members(lanes, p, q, acc_bits, fabric)),
            name=f"dpu_{lanes}x{p}x{q}x{acc_bits}{made_of}",
        )


__all__ = ["DPU", "SharedDPU", "latency", "step_delay", "step_layout"]
