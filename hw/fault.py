"""What went wrong, on its way from whoever saw it to the job's status."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Value, unsigned
from amaranth.lib import data

from hw.csr import Code
from ir.isa import Stage

NO_STAGE = 3
"""In the place of a stage: none, or not one of the three."""

INDEX_BITS = 16
"""Of an instruction's place in the program."""

FAULT = data.StructLayout(
    {"valid": unsigned(1), "code": Code, "stage": unsigned(2), "address": unsigned(32)}
)
"""valid for one cycle; stage: a Stage or NO_STAGE; address: 0 where there is none."""


def first_fault(m: Module, target: data.View, sources: Sequence[data.View]) -> None:
    """`target` is the first of `sources` that is valid."""
    for source in reversed(sources):
        with m.If(source.valid):
            m.d.comb += target.eq(source)


def report(
    m: Module,
    target: data.View,
    *,
    when: Value,
    code: Value | Code,
    stage: Stage | int = NO_STAGE,
    address: Value | int = 0,
) -> None:
    """Drive `target`; a later report in the same cycle replaces an earlier one."""
    with m.If(when):
        m.d.comb += [
            target.valid.eq(1),
            target.code.eq(code),
            target.stage.eq(int(stage)),
            target.address.eq(address),
        ]
