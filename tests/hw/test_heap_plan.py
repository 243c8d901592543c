"""Plans of heaps: nothing is lost on the way, few rows are left, and few tables are used."""

from __future__ import annotations

import pytest

from hw.heap import product_heights
from hw.heap_plan import LUTS, ROWS, after, plan_heap


@pytest.mark.parametrize("heights", [(1,), (4,), (7, 7, 7), (8, 32), (64,), (3, 60, 5, 17)])
def test_stages_lead_to_three_rows(heights: tuple[int, ...]) -> None:
    largest = sum(height << place for place, height in enumerate(heights))
    columns = largest.bit_length()
    plan = plan_heap(heights, columns)
    now = heights + (0,) * (columns - len(heights))
    for stage in plan.stages:
        assert all(sum(sizes) <= height for sizes, height in zip(stage, now, strict=True))
        now = after(now, stage)
    assert now == plan.heights
    assert max(now) <= ROWS
    assert plan.luts == sum(LUTS[n] for stage in plan.stages for column in stage for n in column)
    assert sum(height << place for place, height in enumerate(now)) >= largest


def test_sixty_four_products_take_fifty_five_tables() -> None:
    """32 absorb the products, 16 compress, 7 add up three rows: the aim of the design is 66."""
    plan = plan_heap(product_heights([64]), 7)
    assert (product_heights([64]), plan.luts, len(plan.stages)) == ((8, 32), 16, 3)


@pytest.mark.parametrize(
    ("counts", "heights"),
    [([1], (1,)), ([2], (1, 1)), ([9], (2, 4)), ([8, 3], (1, 5, 2)), ([17], (3, 8))],
)
def test_product_heights(counts: list[int], heights: tuple[int, ...]) -> None:
    assert product_heights(counts) == heights
