"""The lanes of a dot-product unit: the sum of Dk products of a p-bit and a q-bit digit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from amaranth.hdl import Array, Cat, Const, Module, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Member, Out

from hw.popcount import Popcount, registered_sum, stages


def step_layout(p: int, q: int) -> data.StructLayout:
    """What happens to the accumulator with a word of operands; travels beside the data.

    valid          the word counts
    clear          the sum begins with it
    shift          places by which the sum so far moves up, in digits of the narrower operand
    lhs_signed     the weights' digits are two's complement: top digits of signed weights
    rhs_signed     likewise the activations'
    """
    return data.StructLayout(
        {
            "valid": unsigned(1),
            "clear": unsigned(1),
            "shift": unsigned((max(p, q) // min(p, q)).bit_length()),
            "lhs_signed": unsigned(1),
            "rhs_signed": unsigned(1),
        }
    )


@dataclass(frozen=True, kw_only=True)
class LaneTiming:
    """Cycles after the operands in which signs are due and in which the sum is there.

    wide, signs   when `wide_signed`, and `lhs_signed` and `rhs_signed`, belong to the operands
    addend        when `addend` and `carry` do
    """

    wide: int
    signs: int
    addend: int


class LaneSize(NamedTuple):
    """What lanes take of their fabric: tables (LUTs; two for a CCU2C) and flip-flops."""

    tables: int
    registers: int


def tree_stages(lanes: int) -> int:
    """Cycles from the operands to the sums of each bit of the narrower digit."""
    return stages(lanes)


def lane_stages(lanes: int, p: int, q: int) -> int:
    """Cycles from the operands to `addend`."""
    return tree_stages(lanes) + (stages(min(p, q) + 1) if p * q > 1 else 0)


def addend_bits(lanes: int, p: int, q: int) -> int:
    """Bits of a signed sum of products: lanes * (2^p - 1) * (2^q - 1) and its negative fit."""
    return (lanes * ((1 << p) - 1) * ((1 << q) - 1)).bit_length() + 1


class Lanes(wiring.Component):
    """addend + carry = sum over lanes of lhs digit * rhs digit, after timing(lanes, p, q).addend

    This version is for any fabric; hw/fabric.py lists those that are made of a fabric's own cells,
    with the same members and another timing.

    A digit is two's complement when its operand is `signed`, else unsigned. One adder tree for each
    bit j of the narrower digit adds up the wider digits that the bit selects:

        T_j = sum over lanes of (narrow bit j) * wide            products = sum of 2^j * T_j

    - A signed narrow digit: its top tree counts negative; -T is ~T + 1.
    - A signed wide digit of w bits: its top bit t is worth -t * 2^(w-1) = (~t) * 2^(w-1) - 2^(w-1),
      so the selected top bits enter their trees inverted, which costs nothing, and a constant for
      each tree corrects the sum.

    All constants together are one of four numbers, a last term beside the trees. When p = q = 1 it
    is left out: a signed bit is worth -1, so the one tree is a population count that is negated,
    and the + 1 is `carry`, for the accumulator's adder.

    Parameters
    ----------
    lanes, p, q : Dk, bits of a digit of lhs and of rhs

    Members
    -------
    lhs : In(lanes * p), rhs : In(lanes * q)   lane 0 in the lowest bits
    wide_signed : In(1)                        timing.wide cycles after the operands
    lhs_signed, rhs_signed : In(1)             timing.signs cycles after them
    addend : Out(signed), carry : Out(1)

    Source: Baugh and Wooley's two's complement multiplier, summed lanes first instead of bits
    first: the trees add short numbers for as long as possible.
    """

    lhs: Signal
    rhs: Signal
    wide_signed: Signal
    lhs_signed: Signal
    rhs_signed: Signal
    addend: Signal
    carry: Signal

    def __init__(self, *, lanes: int, p: int, q: int) -> None:
        self.lanes, self.p, self.q = lanes, p, q
        members: dict[str, Member] = {
            "lhs": In(lanes * p),
            "rhs": In(lanes * q),
            "wide_signed": In(1),
            "lhs_signed": In(1),
            "rhs_signed": In(1),
            "addend": Out(signed(addend_bits(lanes, p, q))),
            "carry": Out(1),
        }
        super().__init__(members)

    @staticmethod
    def timing(lanes: int, p: int, q: int) -> LaneTiming:
        """When signs are due and the sum is there."""
        addend = lane_stages(lanes, p, q)
        return LaneTiming(wide=0, signs=tree_stages(lanes), addend=addend)

    @classmethod
    def size(cls, lanes: int, p: int, q: int) -> LaneSize | None:
        """What they take, by their structure; None where the synthesizer decides."""
        return None

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.p == self.q == 1:
            self._popcount(m)
        else:
            self._trees(m)
        return m

    def _popcount(self, m: Module) -> None:
        m.submodules.popcount = popcount = Popcount(lanes=self.lanes)
        negative = self.lhs_signed ^ self.rhs_signed
        m.d.comb += [
            popcount.bits.eq(self.lhs & self.rhs),
            self.addend.eq(_inverted_if(negative, popcount.count)),
            self.carry.eq(negative),
        ]

    def _trees(self, m: Module) -> None:
        narrow, wide = (self.lhs, self.rhs) if self.p <= self.q else (self.rhs, self.lhs)
        bits, top = min(self.p, self.q), max(self.p, self.q) - 1
        signs = (self.lhs_signed, self.rhs_signed)
        narrow_signed, wide_signed = signs if self.p <= self.q else signs[::-1]
        terms = []
        for j in range(bits):
            selected = [
                _selected(wide.word_select(lane, top + 1), narrow[lane * bits + j])
                ^ Cat(Const(0, top), self.wide_signed)
                for lane in range(self.lanes)
            ]
            total = registered_sum(m, selected, name=f"bit_{j}")
            total = total[: (self.lanes * (2 << top) - self.lanes).bit_length()]
            negative = narrow_signed if j == bits - 1 else Const(0, 1)
            terms.append(_inverted_if(negative, total) << j)
        constants = Array(self._correction(s, n) for s in (0, 1) for n in (0, 1))
        width = addend_bits(self.lanes, self.p, self.q)
        correction = Signal(signed(width))
        m.d.comb += correction.eq(constants[Cat(narrow_signed, wide_signed)])
        terms.append(correction)
        m.d.comb += self.addend.eq(registered_sum(m, terms, name="sum"))

    def _correction(self, wide_signed: int, narrow_signed: int) -> int:
        """What the trees' inverted bits leave out."""
        bits, top = min(self.p, self.q), max(self.p, self.q) - 1
        top_tree = 1 << (bits - 1)
        # what all trees weigh together: the top one is negative when the narrow digit is signed
        weight = top_tree - 1 + (-top_tree if narrow_signed else top_tree)
        return narrow_signed * top_tree - wide_signed * weight * self.lanes * (1 << top)


def _selected(digit: Value, bit: Value) -> Value:
    return digit & bit.replicate(len(digit))


def _inverted_if(condition: Value, count: Value) -> Value:
    """-count - 1 on `condition`, else count; signed, one bit longer."""
    extended = Cat(count, 0)
    return (extended ^ condition.replicate(len(extended))).as_signed()
