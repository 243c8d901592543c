"""Cutting a sum that is too long for the weight banks into parts, one turn of the array each."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ir import isa


@dataclass(frozen=True, kw_only=True)
class KSplit:
    """parts: turns of a tile, each with weights of its own.

    chunk_words: words that an entry of the tap table reads; 0 for all of a kernel position's.
    """

    parts: int = 1
    chunk_words: int = 0


def split_k(
    *, words: int, span: int, most: int, entries: int, exact: bool, overlap: bool = False
) -> KSplit:
    """Parts of a sum of `words` words, `span` of them at each kernel position.

    A bank holds `most` words of a digit-plane; half of that leaves room for the next part. Longer
    entries keep the tap table within `entries`. exact: no word may be left over, since none can
    stand for a zero (bipolar weights). overlap: a sum that leaves no room for the next one is cut
    too. One part when the sum fits, or when no cut does.
    """
    if words * (2 if overlap else 1) <= most:
        return KSplit()
    limit = min(words, isa.most(isa.Stage.EXECUTE, "turns"))
    for parts in range(math.ceil(words / max(most // 2, 1)), limit + 1):
        left = words % parts
        length = math.gcd(span, words // parts) if left == 0 else 1
        fits = math.ceil(words / parts) * parts // length <= entries
        if fits and not (exact and left):
            return KSplit(parts=parts, chunk_words=length)
    return KSplit()
