"""Counting with the last number known together with it."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value


def counted(
    m: Module, *, count: Value, steps: Value, begin: Value, name: str
) -> tuple[Signal, Signal]:
    """(number, last): from 1 to count and over again, one on with each of `steps`.

    Both are registers: whether the next number is the last one is compared while this one is under
    way, so `steps` may come late in its cycle: it enables them and is in nothing else. `begin`
    comes with another `count`, in a cycle before the first step, while the number is 1.
    """
    number = Signal.like(count, name=name, init=1)
    last, following = Signal(name=f"{name}_last"), Signal.like(count, name=f"{name}_following")
    m.d.comb += following.eq(number + 1)
    with m.If(steps | begin):
        m.d.sync += last.eq(Mux(last | begin, count == 1, following == count))
    with m.If(steps):
        m.d.sync += number.eq(Mux(last, 1, following))
    return number, last


def last_of(m: Module, *, count: Value, steps: Value, begin: Value, name: str) -> Signal:
    """The same `last` where nobody asks for the number: see counted_down."""
    return counted_down(m, count=count, steps=steps, begin=begin, name=name)[0]


def counted_down(
    m: Module, *, count: Value, steps: Value, begin: Value, name: str
) -> tuple[Signal, Signal]:
    """(last, following): `last` as in counted; what it will be behind a step, or with `begin`.

    What is left is counted down, and compared with constants: two steps before the end.
    """
    left = Signal.like(count, name=f"{name}_left")
    last, near, following = (
        Signal(name=f"{name}_{what}") for what in ("last", "near", "following")
    )
    restarts = last | begin
    m.d.comb += following.eq(Mux(restarts, count == 1, near))
    with m.If(steps | begin):
        m.d.sync += [
            left.eq(Mux(restarts, count, left - 1)),
            near.eq(Mux(restarts, count == 2, left == 3)),
            last.eq(following),
        ]
    return last, following


def under_way(m: Module, *, most: int, begins: Value, ends: Value, name: str) -> Signal:
    """How many of at most `most` things are under way: bit k says that more than k are.

    A register of as many ones from below, so that a bit says whether there are none, or all.
    `begins` and `ends` may come late in their cycle: behind them is one function of five inputs,
    and no enable. None may begin while all are under way, none end while none is.
    """
    more = Signal(most, name=name)
    above, below = Cat(more[1:], 0), Cat(1, more[:-1])
    rises, falls = begins & ~ends, ends & ~begins
    m.d.sync += more.eq((more & (above | ~falls.replicate(most))) | (below & rises.replicate(most)))
    return more
