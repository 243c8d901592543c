"""The accumulator of a dot-product unit: acc = (0 if clear else acc << shift) + addend + carry.

Each version is a function that adds it to a module; `acc` is the register.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data

from hw import ecp5
from hw.delay import delayed_view
from hw.xilinx import CarryCell, Place, carry_chain, lut6_2

Accumulate = Callable[..., None]
"""(m, acc, addend, carry, step=..., before=..., narrow=..., wide=...)

acc       the register, signed                addend, carry : one sum of products
step      what happens with it                before : the same, one cycle earlier
narrow, wide : bits of the digits; `step.shift` counts narrow ones, up to a wide one
"""


def portable(
    m: Module,
    acc: Signal,
    addend: Value,
    carry: Value,
    *,
    step: data.View,
    before: data.View,
    narrow: int,
    wide: int,
) -> None:
    """Left to the synthesizer."""
    with m.If(step.valid):
        base = Mux(step.clear, 0, shifted(acc, step.shift, narrow, wide))
        m.d.sync += acc.eq(base + addend + carry)


def shifted(acc: Signal, shift: Value, narrow: int, wide: int) -> Value:
    """The sum so far, moved up by a whole number of narrow digits."""
    moved: Value = acc
    for places in range(1, wide // narrow + 1):
        moved = Mux(shift == places, acc << narrow * places, moved)
    return moved


def lut4(
    m: Module,
    acc: Signal,
    addend: Value,
    carry: Value,
    *,
    step: data.View,
    before: data.View,
    narrow: int,
    wide: int,
) -> None:
    """A table that chooses and one with the carry chain for each bit, left to the synthesizer.

    The step is registered here once more: it goes to every bit.
    """
    step = delayed_view(m, before, 1, name="step")
    base, added = Signal(len(acc), name="base"), Signal(len(acc), name="added")
    chosen = shifted(acc, step.shift, narrow, wide)
    m.d.comb += [base.eq(Mux(step.clear, 0, chosen)), added.eq(addend)]
    with m.If(step.valid):
        m.d.sync += acc.eq((Cat(Const(1, 1), base) + Cat(carry, added))[1 : len(acc) + 1])


def ecp5_chain(
    m: Module,
    acc: Signal,
    addend: Value,
    carry: Value,
    *,
    step: data.View,
    before: data.View,
    narrow: int,
    wide: int,
) -> None:
    """A place of ECP5's carry chain for each bit, the choice of a shift by one digit included.

    `base` is the sum so far for the next word: its flip-flops are reset when that word clears, so
    that clearing takes no table. `acc` keeps the sum for whoever drains it.
    """
    base = Signal(len(acc), name="base")
    valid, stays = Signal(name="step_valid"), Signal(name="step_stays")
    shift = Signal.like(before.shift, name="step_shift")
    m.d.sync += [valid.eq(before.valid), stays.eq(before.shift == 0), shift.eq(before.shift)]
    moved: Value = base << narrow
    for count in range(2, wide // narrow + 1):
        moved = Mux(shift == count, base << narrow * count, moved)
    added = Signal(len(acc), name="added")
    m.d.comb += added.eq(addend)
    total = ecp5.choose_and_add(m, base, moved[: len(acc)], stays, added, carry=carry)
    with m.If(valid):
        m.d.sync += [acc.eq(total), base.eq(total)]
    with m.If(before.valid & before.clear):
        m.d.sync += base.eq(0)


def lut6(
    m: Module,
    acc: Signal,
    addend: Value,
    carry: Value,
    *,
    step: data.View,
    before: data.View,
    narrow: int,
    wide: int,
    cell: CarryCell = "CARRY4",
) -> None:
    """A table and a place of the carry chain for each bit, the choice of what is added to included.

    The step is registered here once more: it goes to every bit.
    """
    choice, select = _choice(m, acc, before, narrow=narrow, wide=wide)
    valid = Signal(name="step_valid")
    m.d.sync += valid.eq(before.valid)
    places = []
    for place in range(len(acc)):
        inputs, chosen = choice(place)
        added = addend[min(place, len(addend) - 1)]
        size = len(inputs) + len(select)
        sum_bit, base = lut6_2(
            m,
            [*inputs, *select, added],
            lambda *bits, chosen=chosen: chosen(*bits[:-1]) ^ bits[-1],
            lambda *bits, chosen=chosen, size=size: chosen(*bits[:size]),
        )
        places.append(Place(s=sum_bit, di=base))
    sums, _ = carry_chain(m, places, carry, cell)
    with m.If(valid):
        m.d.sync += acc.eq(Cat(*sums))


Choice = Callable[[int], tuple[list[Value], Callable[..., int]]]
"""Of a place: the bits to choose from, and which one it is by them and the selecting bits."""


def _choice(
    m: Module, acc: Signal, before: data.View, *, narrow: int, wide: int
) -> tuple[Choice, Sequence[Value]]:
    """How a bit is chosen to which the addend is added, and the registered bits that say so."""
    ratio = wide // narrow
    shift, clear = before.shift, before.clear
    bits = [Signal(name=f"select_{i}") for i in range(2)]
    if ratio == 1:
        m.d.sync += [bits[0].eq(shift), bits[1].eq(clear)]
        return lambda place: (
            [acc[place], _below(acc, place - narrow)],
            lambda here, below, moved, cleared: (below if moved else here) & ~cleared & 1,
        ), bits
    if ratio == 2:
        m.d.sync += Cat(*bits).eq(Mux(clear, 0, shift + 1))
        return lambda place: (
            [_below(acc, place - narrow * n) for n in range(3)],
            lambda a, b, c, low, high: (0, a, b, c)[low + 2 * high],
        ), bits
    # Four places or fewer are chosen ahead, in a table of their own.
    m.d.sync += [bits[0].eq(shift == ratio), bits[1].eq(clear)]
    low = Signal(2, name="select_low")
    m.d.sync += low.eq(shift)
    ahead = Signal(len(acc), name="moved")
    m.d.comb += ahead.eq(shifted(acc, low, narrow, (ratio - 1) * narrow))
    return lambda place: (
        [ahead[place], _below(acc, place - wide)],
        lambda near, far, is_far, cleared: (far if is_far else near) & ~cleared & 1,
    ), bits


def _below(acc: Signal, place: int) -> Value:
    """Bit `place`, or the zero below the lowest."""
    return acc[place] if place >= 0 else Const(0, 1)
