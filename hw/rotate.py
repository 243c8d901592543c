"""Rotating a row of words, and what stands where there is no word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Value

from hw import multiplex
from hw.xilinx import lut6_2

Rotate = Callable[..., list[Value]]
"""(m, words, amount, absent) -> words, as in `portable`."""


@dataclass(frozen=True, kw_only=True)
class Absent:
    """Words that are not there, and what stands for them.

    hidden : len(words) bits    word n is not there
    filled : len(words) bits    digits of one stand for it; without it, nobody looks at it
    digit                       bits of a digit
    """

    hidden: Value
    filled: Value
    digit: int

    def applies(self, word: int, place: int) -> tuple[Value, bool]:
        """(signal, value): while the signal is high, bit `place` of the word has the value."""
        if place % self.digit == 0:
            return self.filled[word], True
        return self.hidden[word], False


def portable(m: Module, words: Sequence[Value], amount: Value, absent: Absent) -> list[Value]:
    """Word n is word (n + amount) mod len(words), or absent.

    A bit of `amount` after the other: two inputs of a multiplexer for each, and not len(words).
    """
    words = _turned(m, words, amount, len(amount), multiplex.portable)
    return [_present(word, absent, n) for n, word in enumerate(words)]


def lut6(m: Module, words: Sequence[Value], amount: Value, absent: Absent) -> list[Value]:
    """The same, two multiplexers to a table of two outputs.

    A synthesizer makes wider multiplexers of the levels, which take a third more tables. In the
    last level two words half the row apart choose from the same two: there is room in their table
    for what absent words are.
    """
    levels = len(amount)
    if len(words) == 1 << levels and levels:
        words = _turned(m, words, amount, levels - 1, multiplex.lut6)
        return _last_level(m, words, amount[levels - 1], absent)
    words = _turned(m, words, amount, levels, multiplex.lut6)
    return [_present(word, absent, n) for n, word in enumerate(words)]


def _turned(
    m: Module, words: Sequence[Value], amount: Value, levels: int, choose: multiplex.Multiplex
) -> list[Value]:
    """Word n is word (n + the lowest `levels` bits of amount) mod len(words)."""
    words, count = list(words), len(words)
    for level in range(levels):
        moved = [words[(n + (1 << level)) % count] for n in range(count)]
        words = [choose(m, amount[level], *pair) for pair in zip(moved, words, strict=True)]
    return words


def _present(word: Value, absent: Absent, number: int) -> Value:
    bits = []
    for place in range(len(word)):
        signal, value = absent.applies(number, place)
        bits.append(word[place] | signal if value else word[place] & ~signal)
    return Cat(*bits)


def _last_level(m: Module, words: Sequence[Value], moves: Value, absent: Absent) -> list[Value]:
    """Each word or the one half a row further, or absent."""
    half = len(words) // 2
    bits: list[list[Value]] = [[] for _ in words]
    for place in range(len(words[0])):
        for n in range(half):
            (low_signal, value), (high_signal, _) = (
                absent.applies(word, place) for word in (n, n + half)
            )
            inputs = [words[n][place], words[n + half][place], moves, low_signal, high_signal]
            high, low = lut6_2(m, inputs, *_ends(value))
            bits[n].append(low)
            bits[n + half].append(high)
    return [Cat(*row) for row in bits]


def _ends(value: bool) -> tuple[Callable[..., int], Callable[..., int]]:
    """The tables of the upper and the lower word, whose absent bits are `value`."""

    def upper(a: int, b: int, moves: int, _lower_absent: int, absent: int) -> int:
        return int(value) if absent else (a if moves else b)

    def lower(a: int, b: int, moves: int, absent: int, _upper_absent: int) -> int:
        return int(value) if absent else (b if moves else a)

    return upper, lower
