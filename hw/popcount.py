"""Pipelined adder trees, the population count among them."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

LEVELS_PER_STAGE = 2
"""Adder levels between two registers."""


def levels(terms: int) -> int:
    """Adder levels of a binary tree over `terms` numbers."""
    return (terms - 1).bit_length()


def stages(terms: int) -> int:
    """Register stages of `registered_sum`: at least one."""
    return max(1, -(-levels(terms) // LEVELS_PER_STAGE))


def registered_sum(m: Module, terms: Sequence[Value], *, name: str) -> Value:
    """The sum of `terms`, all signed or all unsigned, `stages(len(terms))` cycles later.

    A binary tree of adders with registers between levels: never `sum(terms)`, which yosys turns
    into one badly mapped macro cell, nor a linear chain.
    """
    row = list(terms)
    for stage in range(stages(len(terms))):
        for _ in range(LEVELS_PER_STAGE):
            row = [a + b for a, b in zip(row[::2], row[1::2], strict=False)] + (
                [row[-1]] if len(row) % 2 else []
            )
        registers = [Signal(v.shape(), name=f"{name}_{stage}_{i}") for i, v in enumerate(row)]
        m.d.sync += [r.eq(v) for r, v in zip(registers, row, strict=True)]
        row = list[Value](registers)
    return row[0]


class Popcount(wiring.Component):
    """count = number of ones in `bits`, `stages(lanes)` cycles later.

    Parameters
    ----------
    lanes : bits to count

    Members
    -------
    bits : In(lanes)
    count : Out(bits to hold `lanes`)
    """

    bits: Signal
    count: Signal

    def __init__(self, *, lanes: int) -> None:
        if not isinstance(lanes, int) or lanes < 1:
            raise ValueError(f"lanes must be a positive integer, not {lanes!r}")
        self.lanes = lanes
        super().__init__({"bits": In(lanes), "count": Out(lanes.bit_length())})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.count.eq(registered_sum(m, list(self.bits), name="sum"))
        return m
