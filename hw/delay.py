"""Registers that let control travel beside the data."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data


def delayed(m: Module, value: Value, cycles: int, *, name: str) -> Value:
    """`value`, `cycles` clock cycles later."""
    for cycle in range(cycles):
        register = Signal(value.shape(), name=f"{name}_{cycle}")
        m.d.sync += register.eq(value)
        value = register
    return value


def delayed_view(m: Module, view: data.View, cycles: int, *, name: str) -> data.View:
    """The same for a structure."""
    return data.View(view.shape(), delayed(m, view.as_value(), cycles, name=name))
