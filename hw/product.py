"""Products with a constant."""

from __future__ import annotations

from functools import reduce
from operator import add

from amaranth.hdl import Value


def times(value: Value, constant: int) -> Value:
    """value * constant as a sum of shifts: of a product yosys makes a multiplier of the fabric."""
    places = (place for place in range(constant.bit_length()) if constant >> place & 1)
    return reduce(add, (value << place for place in places))
