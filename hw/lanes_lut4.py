"""The lanes for fabrics with tables of four inputs: trees with a register at every level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Signal, Value

from hw import ecp5
from hw.delay import delayed
from hw.lanes import Lanes, LaneSize, LaneTiming, addend_bits
from hw.popcount import levels


def _depth(terms: int) -> int:
    """Registers of a tree over `terms` numbers that are registered already."""
    return levels(terms) if terms > 1 else 0


class _TreeSize(NamedTuple):
    """Tables, flip-flops and bits of the sum of a tree."""

    tables: int
    registers: int
    sum_bits: int


class Lut4Lanes(Lanes):
    """Parameters, members and sum as in Lanes; every adder is followed by a register.

    Bit j of the narrower digits selects the wider ones. Their lower bits and their top bits have a
    tree each, so that no product has a sign in it:

        sum of products = +- sum over j of 2^j * (U_j +- 2^(wide - 1) * V_j)

    The first level of a tree adds two products. Where products are single bits it is two tables of
    four inputs, and the next level, of two-bit numbers, is three; wider sums are left to carry
    chains. Flip-flops beside tables are free in these fabrics.

    Source: BISMO's popcount tree, registered at every level.
    """

    @staticmethod
    def timing(lanes: int, p: int, q: int) -> LaneTiming:
        """Trees, W_j = U_j +- V_j, the sum of all but the last W, the last one or the sign."""
        trees, narrow = max(1, levels(lanes)), min(p, q)
        if p == q == 1:
            return LaneTiming(wide=0, signs=trees, addend=trees + 1)
        return LaneTiming(wide=0, signs=trees, addend=trees + 2 + _depth(narrow - 1))

    @classmethod
    def size(cls, lanes: int, p: int, q: int) -> LaneSize:
        """All tables, those left to the synthesizer as it should find them; and flip-flops."""
        narrow, top = min(p, q), max(p, q) - 1
        tops = cls._tree_size(lanes, 1)
        if not top:
            return LaneSize(tops.tables + tops.sum_bits, tops.registers + tops.sum_bits + 2)
        low = cls._tree_size(lanes, top)
        both = max(low.sum_bits + 1 - top, tops.sum_bits + 1) + 1
        terms = [both + top] * narrow
        tables = narrow * (low.tables + tops.tables + cls._places(both, subtract=True))
        registers = narrow * (low.registers + tops.registers) + sum(terms)
        if narrow == 1:
            return LaneSize(tables + terms[0], registers + terms[0] + 1)
        row, place = terms[:-1], 1
        while len(row) > 1:
            sizes = [max(a - place, b) + 1 for a, b in zip(row[::2], row[1::2], strict=False)]
            tables += sum(cls._places(size) for size in sizes)
            row = [size + place for size in sizes] + (row[-1:] if len(row) % 2 else [])
            registers += sum(row) + terms[-1]
            place *= 2
        last = max(row[0] - narrow + 1, terms[-1]) + 1
        tables += cls._places(last, subtract=True)
        return LaneSize(tables, registers + addend_bits(lanes, p, q))

    @classmethod
    def _tree_size(cls, lanes: int, bits: int) -> _TreeSize:
        """Of the tree over words of so many bits, chosen by a bit each."""
        row = [bits + 1] * (lanes // 2) + [bits] * (lanes % 2)
        tables = lanes // 2 * cls._chosen_places(bits) + lanes % 2 * bits
        registers = sum(row)
        for _ in range(1, levels(lanes)):
            pairs = list(zip(row[::2], row[1::2], strict=False))
            for a, b in pairs:
                tables += 3 if a == b == 2 else cls._places(max(a, b) + 1)
            row = [max(pair) + 1 for pair in pairs] + (row[-1:] if len(row) % 2 else [])
            registers += sum(row)
        return _TreeSize(tables, registers, row[0])

    @classmethod
    def _places(cls, bits: int, *, subtract: bool = False) -> int:
        """Tables of an adder."""
        return bits * (1 + subtract)

    @classmethod
    def _chosen_places(cls, bits: int) -> int:
        """Tables of the sum of two chosen words."""
        return 2 if bits == 1 else 3 * bits + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        narrow, wide = (self.lhs, self.rhs) if self.p <= self.q else (self.rhs, self.lhs)
        bits, top = min(self.p, self.q), max(self.p, self.q) - 1
        signs = (self.lhs_signed, self.rhs_signed)
        narrow_signed, wide_signed = signs if self.p <= self.q else signs[::-1]
        words = [wide.word_select(lane, top + 1) for lane in range(self.lanes)]
        terms = []
        for j in range(bits):
            chosen = [narrow[lane * bits + j] for lane in range(self.lanes)]
            tops = self._tree(m, [word[top:] for word in words], chosen, name=f"top_{j}")
            if top:
                low = self._tree(m, [word[:top] for word in words], chosen, name=f"low_{j}")
                both = self._add(m, Cat(low, 0), Cat(tops, 0), top, wide_signed)
                terms.append(_registered(m, both, name=f"bit_{j}"))
        if not top:
            negative = narrow_signed ^ wide_signed
            return self._last(m, Cat(tops, 0), negative)
        later = delayed(m, narrow_signed, 1 + _depth(bits - 1), name="narrow_signed")
        if bits == 1:
            return self._last(m, terms[0], later)
        rest = self._sum(m, terms[:-1])
        last = delayed(m, terms[-1], _depth(bits - 1), name="last")
        m.d.sync += (total := Signal.like(self.addend, name="total")).eq(
            self._add(m, rest, last, bits - 1, later)
        )
        m.d.comb += self.addend.eq(total)
        return m

    def _last(self, m: Module, number: Value, negative: Value) -> Module:
        """The only number, negated: ~number + 1."""
        inverted = number ^ negative.replicate(len(number))
        m.d.comb += [
            self.addend.eq(_registered(m, inverted.as_signed(), name="total")),
            self.carry.eq(_registered(m, negative, name="negative")),
        ]
        return m

    def _tree(self, m: Module, words: list[Value], chosen: list[Value], *, name: str) -> Value:
        """The sum of the chosen words, unsigned."""
        row = [
            self.add_chosen(m, words[i : i + 2], chosen[i : i + 2]) for i in range(0, len(words), 2)
        ]
        row = [_registered(m, value, name=f"{name}_0_{i}") for i, value in enumerate(row)]
        for level in range(1, levels(len(words))):
            odd = row[-1:] if len(row) % 2 else []
            row = [self._plus(m, a, b) for a, b in zip(row[::2], row[1::2], strict=False)] + odd
            row = [_registered(m, value, name=f"{name}_{level}_{i}") for i, value in enumerate(row)]
        return row[0]

    def _sum(self, m: Module, terms: list[Value]) -> Value:
        """Of signed numbers, each twice the weight of the one before."""
        row, place = list(terms), 1
        for level in range(_depth(len(terms))):
            odd = row[-1:] if len(row) % 2 else []
            row = [
                self._add(m, a, b, place, None) for a, b in zip(row[::2], row[1::2], strict=False)
            ] + odd
            row = [_registered(m, value, name=f"sum_{level}_{i}") for i, value in enumerate(row)]
            place *= 2
        return row[0]

    def _plus(self, m: Module, a: Value, b: Value) -> Value:
        """a + b, unsigned. Two numbers of two bits are four inputs: a table for each bit."""
        if len(a) == len(b) == 2:
            carry = a[0] & b[0]
            one = a[1] ^ b[1]
            return Cat(a[0] ^ b[0], one ^ carry, a[1] & b[1] | one & carry)
        size = max(len(a), len(b)) + 1
        longer_a, longer_b = (Cat(value, Const(0, size - len(value))) for value in (a, b))
        return self.add_words(m, longer_a, longer_b, None)

    def _add(self, m: Module, a: Value, b: Value, place: int, subtract: Value | None) -> Value:
        """a + 2^place * b, or minus, of signed numbers; one bit longer than the longer one."""
        size = max(len(a) - place, len(b)) + 1
        high = self.add_words(m, _extended(a[place:], size), _extended(b, size), subtract)
        return Cat(a[:place], high).as_signed()

    def add_chosen(self, m: Module, words: Sequence[Value], chosen: Sequence[Value]) -> Value:
        """The sum of one or two words, each counted if it is chosen."""
        products = [w & c.replicate(len(w)) for w, c in zip(words, chosen, strict=True)]
        if len(products) == 1:
            return products[0]
        a, b = products
        return Cat(a ^ b, a & b) if len(a) == 1 else a + b

    def add_words(self, m: Module, a: Value, b: Value, subtract: Value | None) -> Value:
        """a + b, or a - b on `subtract`, of equal lengths and modulo 2^length."""
        if subtract is None:
            return (a + b)[: len(a)]
        inverted = b ^ subtract.replicate(len(b))
        return (Cat(Const(1, 1), a) + Cat(subtract, inverted))[1 : len(a) + 1]


class Ecp5Lanes(Lut4Lanes):
    """The same with ECP5's carry chains, whose tables take in two products or an inversion."""

    @classmethod
    def _places(cls, bits: int, *, subtract: bool = False) -> int:
        return 2 * -(-(bits + subtract) // 2)

    @classmethod
    def _chosen_places(cls, bits: int) -> int:
        return 2 if bits == 1 else 2 * -(-(bits + 1) // 2)

    def add_chosen(self, m: Module, words: Sequence[Value], chosen: Sequence[Value]) -> Value:
        """One place for two products."""
        if len(words) == 1 or len(words[0]) == 1:
            return super().add_chosen(m, words, chosen)
        places = [
            ecp5.Place(init=ecp5.ADD_PRODUCTS, a=a, b=chosen[0], c=b, d=chosen[1])
            for a, b in zip(words[0], words[1], strict=True)
        ]
        return Cat(*ecp5.carry_chain(m, [*places, ecp5.Place(init=ecp5.ADD)]))

    def add_words(self, m: Module, a: Value, b: Value, subtract: Value | None) -> Value:
        """One place for a bit, and one for the carry of a subtraction."""
        return ecp5.add(m, a, b, invert=subtract, carry=subtract)


def _extended(value: Value, size: int) -> Value:
    """A signed number in so many bits."""
    return Cat(value, value[-1].replicate(size - len(value)))


def _registered(m: Module, value: Value, *, name: str) -> Value:
    return delayed(m, value, 1, name=name)
