"""How a heap of bits is compressed to three rows: which bits meet in which stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

ROWS = 3
"""A heap of so many rows is added up in one go."""

LUTS = {7: 2, 6: 2, 5: 2, 3: 1}
"""{bits of a counter: its lookup tables}. A counter of three has two outputs, the others three."""


@dataclass(frozen=True, kw_only=True)
class HeapPlan:
    """stages[s][c]: sizes of the counters of column c in stage s; other bits pass through.

    luts     of all counters
    heights  bits left in each column: at most ROWS
    """

    stages: tuple[tuple[tuple[int, ...], ...], ...]
    luts: int
    heights: tuple[int, ...]


@lru_cache(maxsize=256)
def plan_heap(heights: tuple[int, ...], columns: int) -> HeapPlan:
    """The cheapest of a few greedy plans, then the shortest.

    columns : those above hold nothing: the sum is known to be below 2^columns
    """
    habits = [(six, five, three) for six in (0, 1) for five in (0, 1) for three in (0, 1)]
    plans = [_greedy(heights, columns, *map(bool, habit)) for habit in habits]
    return min(plans, key=lambda plan: (plan.luts, len(plan.stages)))


def _greedy(
    heights: tuple[int, ...], columns: int, sixes: bool, fives: bool, threes: bool
) -> HeapPlan:
    """Counters of seven wherever they fit; smaller ones in a stage that has none, or by habit."""
    stages: list[tuple[tuple[int, ...], ...]] = []
    luts = 0
    heights = heights + (0,) * (columns - len(heights))
    while max(heights) > ROWS:
        sevens = max(heights) >= 7
        wanted = {7, *([6] if sixes or not sevens else []), *([5] if fives and not sevens else [])}
        if threes or not sevens:
            wanted.add(3)
        stage = tuple(_counters(height, wanted, eager=threes) for height in heights)
        luts += sum(LUTS[size] for column in stage for size in column)
        stages.append(stage)
        heights = after(heights, stage)
    return HeapPlan(stages=tuple(stages), luts=luts, heights=heights)


def _counters(height: int, wanted: set[int], *, eager: bool) -> tuple[int, ...]:
    """Sizes of the counters that a column of `height` bits gets."""
    sizes = [7] * (height // 7)
    rest = height % 7
    if rest in wanted and rest > ROWS:
        sizes.append(rest)
    elif 3 in wanted and (rest > ROWS or (eager and rest == ROWS)):
        sizes.append(3)
    return tuple(sizes)


def after(heights: tuple[int, ...], stage: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """Heights when a stage's counters have counted."""
    left = [height - sum(sizes) for height, sizes in zip(heights, stage, strict=True)]
    for column, sizes in enumerate(stage):
        for size in sizes:
            for place in range(2 if size == 3 else 3):
                if column + place < len(left):
                    left[column + place] += 1
    return tuple(left)


def after_stages(
    heights: tuple[int, ...], columns: int, stages: tuple[tuple[tuple[int, ...], ...], ...]
) -> Iterator[tuple[int, ...]]:
    """Heights before the first stage, and after each."""
    heights = heights + (0,) * (columns - len(heights))
    yield heights
    for stage in stages:
        heights = after(heights, stage)
        yield heights
