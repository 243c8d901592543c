"""Counting with the last number known together with it."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value


def counted(m: Module, *, count: Value, steps: Value, name: str) -> tuple[Signal, Signal]:
    """(number, last): from 1 to count and over again, one on with each of `steps`.

    Both are registers: whether the next number is the last one is compared while this one is under
    way, so `steps` may come late in its cycle. `count` stands for a cycle before the first step.
    """
    number = Signal.like(count, name=name, init=1)
    last, following = Signal(name=f"{name}_last"), Signal.like(count, name=f"{name}_following")
    m.d.comb += following.eq(number + 1)
    m.d.sync += last.eq(Mux(steps, Mux(last, count == 1, following == count), number == count))
    with m.If(steps):
        m.d.sync += number.eq(Mux(last, 1, following))
    return number, last
