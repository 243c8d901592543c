"""The lanes for fabrics with tables of six inputs: a heap of products, compressed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Cat, Const, Module, Value

from hw.delay import delayed
from hw.heap import Columns, add_rows, compress, count_products, product_heights, registered
from hw.heap_plan import HeapPlan, after_stages, plan_heap
from hw.lanes import Lanes, LaneSize, LaneTiming, addend_bits
from hw.xilinx import CarryCell


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The products of one sign: those of top bits of lhs, of rhs, of both or of neither.

    lhs_top, rhs_top   a top bit is in them: negative when that operand is signed
    lhs_bits, rhs_bits bits i and j of the digits that meet
    """

    lhs_top: bool
    rhs_top: bool
    lhs_bits: range
    rhs_bits: range

    @property
    def weight(self) -> int:
        """Place of the lowest product."""
        return self.lhs_bits.start + self.rhs_bits.start

    def columns(self, lanes: int) -> int:
        """Bits of the largest sum."""
        largest = lanes * ((1 << len(self.lhs_bits)) - 1) * ((1 << len(self.rhs_bits)) - 1)
        return largest.bit_length()

    def pairs(self) -> Iterator[tuple[int, int]]:
        """(i, j) of every product."""
        return ((i, j) for i in self.lhs_bits for j in self.rhs_bits)

    def plan(self, lanes: int) -> HeapPlan:
        """How its heap is compressed."""
        columns = self.columns(lanes)
        heights = product_heights([count * lanes for count in _products(self)])
        return plan_heap(heights[:columns], columns)

    def is_negative(self, lhs_signed: int, rhs_signed: int) -> int:
        """Its products count negative."""
        return (self.lhs_top & lhs_signed) ^ (self.rhs_top & rhs_signed)

    def negative(self, lhs_signed: Value, rhs_signed: Value) -> Value:
        """The same in hardware."""
        zero = Const(0, 1)
        return (lhs_signed if self.lhs_top else zero) ^ (rhs_signed if self.rhs_top else zero)


def kinds(p: int, q: int) -> list[Kind]:
    """All kinds of products of p- and q-bit digits: one, two or four."""
    sides = [
        [(False, range(bits - 1)), (True, range(bits - 1, bits))][bits == 1 :] for bits in (p, q)
    ]
    return [
        Kind(lhs_top=lhs_top, rhs_top=rhs_top, lhs_bits=lhs_bits, rhs_bits=rhs_bits)
        for lhs_top, lhs_bits in sides[0]
        for rhs_top, rhs_bits in sides[1]
    ]


def _products(kind: Kind) -> list[int]:
    """How many products of a lane each column has."""
    counts = [0] * (len(kind.lhs_bits) + len(kind.rhs_bits) - 1)
    for i, j in kind.pairs():
        counts[i + j - kind.weight] += 1
    return counts


class Lut6Lanes(Lanes):
    """Parameters, members and sum as in Lanes, in LUT6_2 and carry cells.

    Products of equal sign are counted together: full adders that absorb two products each, then
    counters of seven bits in two tables, a register after each stage, then the last three rows at
    once. There a sum is negated for nothing: the rows enter inverted, and -(x + y + z) =
    ~x + ~y + ~z + 3, of which the carry chain adds two and one is left for whoever adds it.

    Digits of one bit have one kind of products, and `carry` is what is left. Others have two or
    four: they are added up in one or two more steps, with the constant that the signs ask for.

    Source: generalized parallel counters for carry chains (Kumm and Zipf, FPL 2014); ours takes the
    seventh bit as the carry, and absorbs the products.
    """

    cell: ClassVar[CarryCell] = "CARRY4"

    @staticmethod
    def timing(lanes: int, p: int, q: int) -> LaneTiming:
        """Operands, products, compressed heap, its sum, the sum of all kinds."""
        found = kinds(p, q)
        stages = [len(kind.plan(lanes).stages) for kind in found]
        signs = 1 + min(stages)
        return LaneTiming(wide=0, signs=signs, addend=2 + max(stages) + len(found) // 2)

    @classmethod
    def size(cls, lanes: int, p: int, q: int) -> LaneSize:
        """All tables and, but for a few that delay signs, all flip-flops."""
        found = kinds(p, q)
        longest = max(len(kind.plan(lanes).stages) for kind in found)
        tables = registers = 0
        for kind in found:
            plan, columns = kind.plan(lanes), kind.columns(lanes)
            heights = product_heights([count * lanes for count in _products(kind)])
            tables += sum((count * lanes + 1) // 2 for count in _products(kind))
            tables += plan.luts + columns
            held = [*after_stages(heights[:columns], columns, plan.stages)]
            registers += sum(sum(now) for now in held)
            registers += columns * (1 + longest - len(plan.stages))
        totals = len(found) // 2 * addend_bits(lanes, p, q)
        waiting = sum(kind.columns(lanes) for kind in found[1:3]) if len(found) > 2 else 0
        return LaneSize(tables=tables + totals, registers=registers + totals + waiting)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        found = kinds(self.p, self.q)
        stages = [len(kind.plan(self.lanes).stages) for kind in found]
        if len(found) == 1:
            return self._single(m, found[0])
        numbers = []
        for kind, count in zip(found, stages, strict=True):
            signs = self._signs(m, count - min(stages), name=f"sign_{len(numbers)}")
            negative = kind.negative(*signs)
            number = self._number(m, kind, negative, name=f"kind_{len(numbers)}")
            numbers.append(delayed(m, number, max(stages) - count, name=f"whole_{len(numbers)}"))
        self._total(m, found, numbers, self._signs(m, max(stages) - min(stages) + 1, name="signs"))
        return m

    def _single(self, m: Module, kind: Kind) -> Module:
        """One-bit digits: the count, inverted if negative, and the one that is left to add."""
        negative = kind.negative(self.lhs_signed, self.rhs_signed)
        number = self._number(m, kind, negative, name="count")
        left = delayed(m, negative, 1, name="negative")
        m.d.comb += [self.addend.eq(Cat(number, left).as_signed()), self.carry.eq(left)]
        return m

    def _signs(self, m: Module, cycles: int, *, name: str) -> tuple[Value, Value]:
        """(lhs_signed, rhs_signed) so many cycles after the ports."""
        both = delayed(m, Cat(self.lhs_signed, self.rhs_signed), cycles, name=name)
        return both[0], both[1]

    def _number(self, m: Module, kind: Kind, negative: Value, *, name: str) -> Value:
        """The sum of a kind's products, inverted if it is negative."""
        pairs: list[list[tuple[Value, Value]]] = [[] for _ in _products(kind)]
        for i, j in kind.pairs():
            pairs[i + j - kind.weight] += [
                (self.lhs[lane * self.p + i], self.rhs[lane * self.q + j])
                for lane in range(self.lanes)
            ]
        plan = kind.plan(self.lanes)
        columns = registered(m, count_products(m, pairs), name=f"{name}_products")
        for number, stage in enumerate(plan.stages):
            counted = compress(m, columns, stage, self.cell)
            columns = registered(m, counted, name=f"{name}_heap_{number}")
        columns += [[] for _ in range(kind.columns(self.lanes) - len(columns))]
        return self._sum(m, columns, negative, name=name)

    def _sum(self, m: Module, columns: Columns, negative: Value, *, name: str) -> Value:
        """Three rows at once, as they are or inverted."""

        def count(place: int, bits: tuple[int, ...], controls: tuple[int, ...]) -> int:
            inverted = controls[0]
            return sum(bit ^ inverted for bit in bits) + (3 - len(bits)) * inverted

        sums = add_rows(m, columns, [negative], count, carry_in=negative, cell=self.cell)
        return Cat(
            *(column[0] for column in registered(m, [[s] for s in sums], name=f"{name}_sum"))
        )

    def _total(
        self, m: Module, found: list[Kind], numbers: list[Value], signs: tuple[Value, Value]
    ) -> None:
        """All kinds, each at its weight; and the constant of the signs, a function of two bits."""
        width = addend_bits(self.lanes, self.p, self.q)
        constants = [
            sum(
                -kind.is_negative(index & 1, index >> 1)
                * ((1 << kind.columns(self.lanes)) - 1)
                * (1 << kind.weight)
                for kind in found
            )
            for index in range(4)
        ]

        def with_constant(place: int, bits: tuple[int, ...], controls: tuple[int, ...]) -> int:
            return sum(bits) + (constants[controls[0] + 2 * controls[1]] >> place & 1)

        rows = _columns(width, found[:1] + found[-1:], [numbers[0], numbers[-1]])
        zero = Const(0, 1)
        sums = add_rows(m, rows, signs, with_constant, carry_in=zero, cell=self.cell)
        total = registered(m, [[s] for s in sums], name="total")
        if len(found) > 2:
            held = [
                delayed(m, number, 1, name=f"held_{i}") for i, number in enumerate(numbers[1:3])
            ]
            others = _columns(width, found[1:3], held)
            rows = [mine + theirs for mine, theirs in zip(total, others, strict=True)]
            sums = add_rows(
                m, rows, [], lambda place, bits, _: sum(bits), carry_in=zero, cell=self.cell
            )
            total = registered(m, [[s] for s in sums], name="grand_total")
        m.d.comb += self.addend.eq(Cat(*(bits[0] for bits in total)).as_signed())


def _columns(width: int, found: list[Kind], numbers: list[Value]) -> Columns:
    """Numbers at their weights, as columns."""
    columns: Columns = [[] for _ in range(width)]
    for kind, number in zip(found, numbers, strict=True):
        for place, bit in enumerate(number):
            columns[kind.weight + place].append(bit)
    return columns


class Lut6UltraLanes(Lut6Lanes):
    """The same with the carry cells of UltraScale."""

    cell: ClassVar[CarryCell] = "CARRY8"
