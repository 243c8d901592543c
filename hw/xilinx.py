"""Lookup tables and carry chains of AMD's fabrics (7 series, UltraScale), as their own cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value

CarryCell = Literal["CARRY4", "CARRY8"]
"""7 series has the first, UltraScale the second."""

LUT_INPUTS = 6
Function = Callable[..., int]
"""Of the table's inputs, 0 or 1 each, to 0 or 1."""


def truth_table(function: Function, inputs: int, size: int) -> int:
    """INIT of a table of `size` inputs; those beyond `inputs` do not matter."""
    table = 0
    for index in range(1 << size):
        bits = [index >> place & 1 for place in range(inputs)]
        table |= (function(*bits) & 1) << index
    return table


def lut6_2(m: Module, inputs: Sequence[Value], o6: Function, o5: Function) -> tuple[Value, Value]:
    """(O6, O5): two functions of the same inputs.

    With five inputs or fewer they are independent. With six, O5 is O6 where the last input is 0:
    the caller's `o5` takes the first five and must agree.
    """
    count = len(inputs)
    if count == LUT_INPUTS:
        init = truth_table(o6, 6, 6)
        if init & ((1 << 32) - 1) != truth_table(o5, 5, 5):
            raise ValueError("with six inputs, O5 must be O6 where the last input is 0")
    else:
        init = truth_table(o6, count, 5) << 32 | truth_table(o5, count, 5)
    padded = [*inputs, *[Const(0, 1)] * (5 - count)]
    if len(padded) < LUT_INPUTS:
        padded.append(Const(1, 1))
    out6, out5 = Signal(name="o6"), Signal(name="o5")
    m.submodules += Instance(
        "LUT6_2",
        p_INIT=Const(init, 64),
        o_O6=out6,
        o_O5=out5,
        **{f"i_I{place}": value for place, value in enumerate(padded)},
    )
    return out6, out5


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place of a carry chain: sum = s ^ carry in, carry out = s ? carry in : di."""

    s: Value
    di: Value


def carry_chain(
    m: Module, places: Sequence[Place], carry_in: Value, cell: CarryCell
) -> tuple[list[Value], Value]:
    """(sums, carry out) of a chain, lowest place first."""
    width = 4 if cell == "CARRY4" else 8
    sums: list[Value] = []
    carry: Value = carry_in
    for begin in range(0, len(places), width):
        part = places[begin : begin + width]
        out, carries = Signal(width, name="o"), Signal(width, name="co")
        if cell == "CARRY8":
            ports = {"i_CI": carry, "i_CI_TOP": Const(0, 1), "p_CARRY_TYPE": "SINGLE_CY8"}
        elif begin == 0:
            ports = {"i_CI": Const(0, 1), "i_CYINIT": carry}
        else:
            ports = {"i_CI": carry, "i_CYINIT": Const(0, 1)}
        zeros = Const(0, width - len(part)) if len(part) < width else Const(0, 0)
        m.submodules += Instance(
            cell,
            o_O=out,
            o_CO=carries,
            i_S=Cat(*(place.s for place in part), zeros),
            i_DI=Cat(*(place.di for place in part), zeros),
            **ports,
        )
        sums += [out[i] for i in range(len(part))]
        carry = carries[len(part) - 1]
    return sums, carry
