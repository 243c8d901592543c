"""Carry chains of ECP5, as its own cells."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value

ADD = 0x96AA
"""INIT of a place that adds a and b, b inverted if c; d must be one."""

ADD_PRODUCTS = 0x7888
"""INIT of a place that adds a & b and c & d."""

CHOOSE_AND_ADD = 0x663C
"""INIT of a place that adds b and a if d, else b and c."""

INJECT = 0x000A
"""INIT of a place whose carry is a; c and d must be one."""

ZERO, ONE = Const(0, 1), Const(1, 1)


class Place(NamedTuple):
    """A place of a carry chain: p = INIT[{d, c, b, a}], g = INIT[{0, 0, b, a}].

    sum = p ^ carry in, carry out = p ? carry in : g
    """

    init: int
    a: Value = ZERO
    b: Value = ZERO
    c: Value = ZERO
    d: Value = ONE


def carry_chain(m: Module, places: Sequence[Place]) -> list[Value]:
    """The sums of a chain, lowest place first. No carry comes in, and that out of it is lost."""
    sums: list[Value] = []
    carry: Value = ZERO
    for low, high in zip_longest(places[::2], places[1::2], fillvalue=Place(init=ADD)):
        s0, s1, out = Signal(name="s0"), Signal(name="s1"), Signal(name="cout")
        pins = {
            f"i_{pin.upper()}{half}": getattr(place, pin)
            for half, place in enumerate((low, high))
            for pin in "abcd"
        }
        m.submodules += Instance(
            "CCU2C",
            p_INIT0=Const(low.init, 16),
            p_INIT1=Const(high.init, 16),
            p_INJECT1_0="NO",
            p_INJECT1_1="NO",
            i_CIN=carry,
            o_S0=s0,
            o_S1=s1,
            o_COUT=out,
            **pins,
        )
        sums += [s0, s1]
        carry = out
    return sums[: len(places)]


def add(m: Module, a: Value, b: Value, *, invert: Value | None, carry: Value | None) -> Value:
    """a + (b, inverted on `invert`) + carry, of equal lengths and modulo 2^length."""
    enter = [] if carry is None else [Place(init=INJECT, a=carry, c=ONE)]
    flip = ZERO if invert is None else invert
    places = [Place(init=ADD, a=x, b=y, c=flip) for x, y in zip(a, b, strict=True)]
    return Cat(*carry_chain(m, [*enter, *places])[len(enter) :])


def choose_and_add(
    m: Module, first: Value, second: Value, choice: Value, b: Value, *, carry: Value
) -> Value:
    """(`first` if `choice` else `second`) + b + carry, of equal lengths and modulo 2^length."""
    places = [
        Place(init=CHOOSE_AND_ADD, a=x, b=z, c=y, d=choice)
        for x, y, z in zip(first, second, b, strict=True)
    ]
    return Cat(*carry_chain(m, [Place(init=INJECT, a=carry, c=ONE), *places])[1:])
