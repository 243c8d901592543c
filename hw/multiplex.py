"""A choice between two words."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from hw.xilinx import lut6_2

Multiplex = Callable[[Module, Value, Value, Value], Value]
"""(m, moves, there, here) -> `there` while `moves` is high, else `here`."""


def portable(m: Module, moves: Value, there: Value, here: Value) -> Value:
    """Left to the synthesizer.

    A signal, since whoever takes a bit of an expression has all of it written once more.
    """
    chosen = Signal(len(here), name="chosen")
    m.d.comb += chosen.eq(Mux(moves, there, here))
    return chosen


def lut6(m: Module, moves: Value, there: Value, here: Value) -> Value:
    """Two bits in a table of two outputs.

    A synthesizer makes tables of more inputs of what stands around, and such have no partner.
    """
    bits: list[Value] = []
    for place in range(0, len(here), 2):
        inputs = [word[i] for i in (place, place + 1) if i < len(here) for word in (there, here)]
        inputs += [Const(0, 1)] * (4 - len(inputs))
        high, low = lut6_2(m, [*inputs, moves], _second, _first)
        bits += [low, high]
    chosen = Signal(len(here), name="chosen")
    m.d.comb += chosen.eq(Cat(*bits))
    return chosen


def _first(there: int, here: int, _there: int, _here: int, moves: int) -> int:
    return there if moves else here


def _second(_there: int, _here: int, there: int, here: int, moves: int) -> int:
    return there if moves else here
