"""A heap of weighted bits added up in tables of six inputs and carry chains.

Every function takes and returns columns: `columns[c]` are the bits of weight 2^c.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from amaranth.hdl import Const, Module, Signal, Value

from hw.xilinx import CarryCell, Place, carry_chain, lut6_2

Columns = list[list[Value]]

CHAIN_LUTS = 4
"""Full adders in a row between two registers when products are counted."""


def registered(m: Module, columns: Columns, *, name: str) -> Columns:
    """The same a cycle later. With reset, so that no table is spent on a shift register."""
    held: Columns = []
    for place, column in enumerate(columns):
        held.append([Signal(name=f"{name}_{place}_{i}") for i in range(len(column))])
        m.d.sync += [r.eq(bit) for r, bit in zip(held[-1], column, strict=True)]
    return held


def count_products(m: Module, pairs: Sequence[Sequence[tuple[Value, Value]]]) -> Columns:
    """Products of two bits into a heap: a full adder in one table takes two of them and a bit.

    pairs[c] : pairs whose products weigh 2^c
    """
    columns: Columns = [[] for _ in range(len(pairs) + 1)]
    for place, column in enumerate(pairs):
        for begin in range(0, len(column), 2 * CHAIN_LUTS):
            chain = column[begin : begin + 2 * CHAIN_LUTS]
            _product_chain(m, chain, columns[place], columns[place + 1])
    return columns if columns[-1] else columns[:-1]


def product_heights(counts: Sequence[int]) -> tuple[int, ...]:
    """Bits in each column that count_products leaves of so many products a column."""
    heights = [0] * (len(counts) + 1)
    for place, count in enumerate(counts):
        whole, rest = divmod(count, 2 * CHAIN_LUTS)
        heights[place] += whole + (rest > 0)
        heights[place + 1] += whole * CHAIN_LUTS + (0 if rest == 1 else (rest + 1) // 2)
    return tuple(heights if heights[-1] else heights[:-1])


def _product_chain(
    m: Module, pairs: Sequence[tuple[Value, Value]], ones: list[Value], twos: list[Value]
) -> None:
    """Two pairs a table; each hands its sum on to the next, the last sum goes to `ones`."""
    total: list[Value] = []
    for begin in range(0, len(pairs), 2):
        taken = pairs[begin : begin + 2]
        inputs = [bit for pair in taken for bit in pair] + total

        def counted(*bits: int, products: int = len(taken)) -> int:
            both = [bits[2 * i] & bits[2 * i + 1] for i in range(products)]
            return sum(both) + sum(bits[2 * products :])

        o6, o5 = lut6_2(m, inputs, lambda *b: counted(*b) & 1, lambda *b: counted(*b) >> 1)
        if len(taken) + len(total) > 1:
            twos.append(o5)
        total = [o6]
    ones += total


def compress(
    m: Module, columns: Columns, stage: Sequence[Sequence[int]], cell: CarryCell
) -> Columns:
    """One stage of a plan (hw/heap_plan.py); bits above its columns are known to be zero."""
    result: Columns = [[] for _ in range(len(stage) + 3)]
    for place, sizes in enumerate(stage):
        rest = list(columns[place]) if place < len(columns) else []
        for size in sizes:
            taken, rest = rest[:size], rest[size:]
            outputs = _full_adder(m, taken) if size == 3 else _counter(m, taken, cell)
            for above, bit in enumerate(outputs):
                result[place + above].append(bit)
        result[place] += rest
    return result[: len(stage)]


def _full_adder(m: Module, bits: Sequence[Value]) -> list[Value]:
    return list(lut6_2(m, bits, lambda a, b, c: a ^ b ^ c, lambda a, b, c: a + b + c >> 1))


def _counter(m: Module, bits: Sequence[Value], cell: CarryCell) -> list[Value]:
    """Number of ones of 5, 6 or 7 bits, in two tables and two places of a carry chain.

    Five bits are a parity and 0, 1 or 2 pairs. The chain adds to the parity the sixth bit and, as
    its carry, the seventh, then the pairs: (s, di) = (1, -) is one and (0, 1) is two.
    """
    five = list(bits[:5])
    one, two = lut6_2(m, five, lambda *b: sum(b) >> 1 & 1, lambda *b: sum(b) >> 2)
    if len(bits) == 5:
        return [lut6_2(m, five, lambda *b: sum(b) & 1, lambda *b: 0)[0], one, two]
    odd, odd_five = lut6_2(m, bits[:6], lambda *b: sum(b) & 1, lambda *b: sum(b) & 1)
    places = [Place(s=odd, di=odd_five), Place(s=one, di=two)]
    sums, carry = carry_chain(m, places, bits[6] if len(bits) == 7 else Const(0, 1), cell)
    return [*sums, carry]


def add_rows(
    m: Module,
    columns: Columns,
    controls: Sequence[Value],
    count: Callable[[int, tuple[int, ...], tuple[int, ...]], int],
    *,
    carry_in: Value,
    cell: CarryCell,
) -> list[Value]:
    """The sum over columns of 2^c * count(c, bits of column c, controls), a bit for each column.

    A count is 0 to 3. One table a column: its upper bit goes to the next table, its lower one and
    the upper one from below are added in the carry chain. Carries out of the last column are lost.
    `carry_in` is added twice: it enters the chain and the first table.
    """
    places: list[Place] = []
    below: Value = carry_in
    for place, bits in enumerate(columns):
        size = len(bits)

        def counted(*given: int, place: int = place, size: int = size) -> int:
            return count(place, given[:size], given[size + 1 :])

        s, upper = lut6_2(
            m,
            [*bits, below, *controls],
            lambda *b, size=size, counted=counted: counted(*b) & 1 ^ b[size],
            lambda *b, counted=counted: counted(*b) >> 1,
        )
        places.append(Place(s=s, di=below))
        below = upper
    return carry_chain(m, places, carry_in, cell)[0]
