"""Rotating a row of words, and what stands where there is no word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from hw.xilinx import lut6_2

Rotate = Callable[..., list[Value]]
"""(m, words, amount, absent) -> words, as in `portable`."""


@dataclass(frozen=True, kw_only=True)
class Absent:
    """Words that are not there: bits whose place is a multiple of `digit` are 1, or nothing is said.

    hidden : In(len(words))    word n is not there: its other bits are 0
    filled : In(len(words))    and those bits are 1; without it they are whatever was rotated there
    digit                      bits of a digit
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
    turned = _turned(words, amount, len(amount))
    return [_present(word, absent, n) for n, word in enumerate(turned)]


def lut6(m: Module, words: Sequence[Value], amount: Value, absent: Absent) -> list[Value]:
    """The same, two multiplexers to a table of two outputs.

    A synthesizer makes wider multiplexers of the levels, which take a third more tables. In the
    last level two words half the row apart choose from the same two: there is room in their table
    for what absent words are.
    """
    count, levels = len(words), len(amount)
    if count != 1 << levels or count == 1:
        return portable(m, words, amount, absent)
    for level in range(levels - 1):
        words = _level(m, words, amount[level], 1 << level)
    return _last_level(m, words, amount[levels - 1], absent)


def _turned(words: Sequence[Value], amount: Value, levels: int) -> list[Value]:
    count, words = len(words), list(words)
    for level in range(levels):
        moved = [words[(n + (1 << level)) % count] for n in range(count)]
        words = [Mux(amount[level], *pair) for pair in zip(moved, words, strict=True)]
    return words


def _present(word: Value, absent: Absent, number: int) -> Value:
    bits = []
    for place in range(len(word)):
        signal, value = absent.applies(number, place)
        bits.append(word[place] | signal if value else word[place] & ~signal)
    return Cat(*bits)


def _level(m: Module, words: Sequence[Value], moves: Value, distance: int) -> list[Value]:
    """Each word, or the one `distance` further; neighbours share a table."""
    count = len(words)
    bits: list[list[Value]] = [[] for _ in words]
    for place in range(len(words[0])):
        for n in range(0, count, 2):
            inputs = [words[i % count][place] for i in (n, n + distance, n + 1, n + 1 + distance)]
            high, low = lut6_2(m, [*inputs, moves], _second, _first)
            bits[n].append(low)
            bits[n + 1].append(high)
    return [_named(m, row, f"turned_{distance}_{n}") for n, row in enumerate(bits)]


def _first(here: int, there: int, _here: int, _there: int, moves: int) -> int:
    return there if moves else here


def _second(_here: int, _there: int, here: int, there: int, moves: int) -> int:
    return there if moves else here


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
    return [_named(m, row, f"rotated_{n}") for n, row in enumerate(bits)]


def _ends(value: bool) -> tuple[Callable[..., int], Callable[..., int]]:
    """The tables of the upper and the lower word, whose absent bits are `value`."""

    def upper(a: int, b: int, moves: int, _lower_absent: int, absent: int) -> int:
        return int(value) if absent else (a if moves else b)

    def lower(a: int, b: int, moves: int, absent: int, _upper_absent: int) -> int:
        return int(value) if absent else (b if moves else a)

    return upper, lower


def _named(m: Module, bits: Sequence[Value], name: str) -> Signal:
    word = Signal(len(bits), name=name)
    m.d.comb += word.eq(Cat(*bits))
    return word
