"""Pipelined population count."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

LEVELS_PER_STAGE = 2
"""Adder levels between two registers."""


def levels(lanes: int) -> int:
    """Adder levels of a binary tree over `lanes` bits."""
    return (lanes - 1).bit_length()


def stages(lanes: int) -> int:
    """Register stages of `Popcount`, the input not counted: at least one."""
    return max(1, -(-levels(lanes) // LEVELS_PER_STAGE))


class Popcount(wiring.Component):
    """count = number of ones in `bits`, `stages(lanes)` cycles later.

    A binary tree of adders with registers between levels: never `sum(bits)`, which yosys turns into
    one badly mapped macro cell, nor a linear chain.

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
        row: list[Value] = list(self.bits)
        for stage in range(stages(self.lanes)):
            for _ in range(LEVELS_PER_STAGE):
                row = [a + b for a, b in zip(row[::2], row[1::2], strict=False)] + (
                    [row[-1]] if len(row) % 2 else []
                )
            registers = [Signal(len(v), name=f"sum_{stage}_{i}") for i, v in enumerate(row)]
            m.d.sync += [r.eq(v) for r, v in zip(registers, row, strict=True)]
            row = list(registers)
        m.d.comb += self.count.eq(row[0])
        return m
