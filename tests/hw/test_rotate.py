"""Rotating a row of words: how much of it is written. What it does is seen in test_operands."""

from __future__ import annotations

import pytest
from amaranth.back import verilog
from amaranth.hdl import Module, Signal

from hw.rotate import Absent, portable


@pytest.mark.parametrize("bits", [4, 48])
def test_a_level_is_written_once_however_many_bits_are_taken(bits: int) -> None:
    """One multiplexer a word and level, where 48 bits took 48 copies of all levels below."""
    m, columns = Module(), 5
    words = [Signal(bits, name=f"word_{n}") for n in range(columns)]
    rotated = [Signal(bits, name=f"rotated_{n}") for n in range(columns)]
    amount = Signal(3)
    hidden, filled = Signal(columns), Signal(columns)
    absent = Absent(hidden=hidden, filled=filled, digit=2)
    for signal, word in zip(rotated, portable(m, words, amount, absent), strict=True):
        m.d.comb += signal.eq(word)
    text = verilog.convert(
        m, name="rotation", ports=[*words, *rotated, amount, hidden, filled], emit_src=False
    )
    assert text.count(" ? ") == columns * len(amount)
