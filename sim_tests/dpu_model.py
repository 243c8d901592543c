"""The dot-product unit in one line of Python, and words to try it with."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

STEP = ("valid", "clear", "shift", "lhs_signed", "rhs_signed")


@dataclass(frozen=True, kw_only=True)
class Word:
    """Operands, one digit a lane as plain bits, and what happens with them."""

    lhs: Sequence[int]
    rhs: Sequence[int]
    valid: int = 1
    clear: int = 0
    shift: int = 0
    lhs_signed: int = 0
    rhs_signed: int = 0

    @property
    def step(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in STEP}


def wrap(value: int, bits: int) -> int:
    """Two's complement of `bits` bits."""
    return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


def digit(value: int, bits: int, signed: int) -> int:
    """What a digit's bits are worth."""
    return wrap(value, bits) if signed else value


def model(words: list[Word], p: int, q: int, acc_bits: int) -> list[int]:
    """The accumulator after each word."""
    acc, values = 0, []
    for word in words:
        total = sum(
            digit(x, p, word.lhs_signed) * digit(y, q, word.rhs_signed)
            for x, y in zip(word.lhs, word.rhs, strict=True)
        )
        if word.valid:
            base = 0 if word.clear else acc << min(p, q) * word.shift
            acc = wrap(base + total, acc_bits)
        values.append(acc)
    return values


def packed(digits: Sequence[int], bits: int) -> int:
    """A word: lane 0 in the lowest bits."""
    return sum(value << bits * lane for lane, value in enumerate(digits))


def random_word(rng: random.Random, lanes: int, p: int, q: int) -> Word:
    """Any digits, in a third of all cases from the ends of their range."""

    def digits(bits: int) -> list[int]:
        ends = [0, (1 << bits) - 1, 1 << (bits - 1), (1 << (bits - 1)) - 1]
        return [rng.choice([rng.getrandbits(bits), rng.choice(ends)]) for _ in range(lanes)]

    return Word(
        lhs=digits(p),
        rhs=digits(q),
        valid=rng.randrange(4) > 0,
        clear=rng.randrange(6) == 0,
        shift=rng.randrange(max(p, q) // min(p, q) + 1),
        lhs_signed=rng.randrange(2),
        rhs_signed=rng.randrange(2),
    )
