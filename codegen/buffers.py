"""Buffer depths: the smallest with which an overlay runs given layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codegen.shape import LayerShape
from codegen.tiling import Tiling
from hw.config import OverlayConfig

SMALLEST = 16
MOST_LHS = 1 << 15
"""Words of a weight bank beyond which weights are streamed, and long sums split, not kept whole."""


def power_of_two(least: int) -> int:
    """The smallest power of two that is at least `least`, and a depth worth having."""
    return max(SMALLEST, 1 << (least - 1).bit_length())


def worst_case_acc_bits(shapes: Sequence[LayerShape]) -> int:
    """Accumulator bits that hold any sum of the layers' precisions, whatever the weights."""
    most = 1
    for shape in shapes:
        weight = max(abs(shape.weights.min), shape.weights.max)
        value = max(abs(shape.activations.min), shape.activations.max)
        most = max(most, shape.depth * weight * value)
    return max(4, min(32, most.bit_length() + 1))


def fit_buffers(
    config: OverlayConfig,
    shapes: Sequence[LayerShape],
    *,
    tiles_in_ring: int = 3,
    most_lhs: int = MOST_LHS,
) -> OverlayConfig:
    """`config` with the depths that `shapes` need, run one after the other."""
    tilings = [Tiling(shape=s, config=config, from_host=i == 0) for i, s in enumerate(shapes)]
    lhs = max(t.lhs_words_total for t in tilings)
    whole = max((2 * t.lhs_words for t in tilings if not t.splittable), default=0)
    least_lhs = 2 * max(t.lhs_words for t in tilings)
    longest = max(whole, MOST_LHS)
    return replace(
        config,
        lhs_depth=power_of_two(lhs if lhs <= most_lhs else max(min(least_lhs, longest), most_lhs)),
        k_split=int(config.k_split or least_lhs > longest),
        rhs_depth=power_of_two(max(t.rhs_words for t in tilings)),
        ring_depth=power_of_two(max(tiles_in_ring * t.ring_words for t in tilings) + 1),
        table_depth=power_of_two(
            2 * max(max(t.param_rows, t.tap_count, t.row_tiles) for t in tilings)
        ),
    )
