"""Buffer depths: the smallest with which an overlay runs given layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Words that layers need of an array's buffers, whatever depths and requantizers it has.

    lhs     of a weight bank: all weights of any layer        tiles  two row tiles of any layer
    whole   two row tiles of any layer whose sums cannot be taken in parts
    rhs     of an activation bank        ring  of the result ring
    table   of the tap and row tables    rules of the requantizers' tables, for each row group
    """

    lhs: int
    tiles: int
    whole: int
    rhs: int
    ring: int
    table: int
    rules: int

    def depths(self, *, row_groups: int, most_lhs: int = MOST_LHS) -> dict[str, int]:
        """The sizes of an overlay that has room for them.

        row_groups: requantizer lanes take turns. most_lhs: words of a weight bank beyond which
        weights are streamed.
        """
        longest = max(self.whole, MOST_LHS)
        streamed = max(min(self.tiles, longest), most_lhs)
        return {
            "lhs_depth": power_of_two(self.lhs if self.lhs <= most_lhs else streamed),
            "k_split": int(self.tiles > longest),
            "rhs_depth": power_of_two(self.rhs),
            "ring_depth": power_of_two(self.ring),
            "table_depth": power_of_two(2 * max(self.table, self.rules * row_groups)),
        }


def buffer_needs(
    config: OverlayConfig, shapes: Sequence[LayerShape], *, tiles_in_ring: int = 3
) -> Needs:
    """What `shapes` need of an overlay as large as `config`, run one after the other."""
    tilings = [Tiling(shape=s, config=config, from_host=i == 0) for i, s in enumerate(shapes)]
    return Needs(
        lhs=max(t.lhs_words_total for t in tilings),
        tiles=2 * max(t.lhs_words for t in tilings),
        whole=max((2 * t.lhs_words for t in tilings if not t.splittable), default=0),
        rhs=max(t.rhs_words for t in tilings),
        ring=max(tiles_in_ring * t.ring_words for t in tilings) + 1,
        table=max(max(t.tap_count, t.row_tiles) for t in tilings),
        rules=max(t.row_tiles * t.shape.thresholds for t in tilings),
    )


def fit_buffers(
    config: OverlayConfig,
    shapes: Sequence[LayerShape],
    *,
    tiles_in_ring: int = 3,
    most_lhs: int = MOST_LHS,
) -> OverlayConfig:
    """`config` with the depths that `shapes` need, run one after the other."""
    needs = buffer_needs(config, shapes, tiles_in_ring=tiles_in_ring)
    sizes = needs.depths(row_groups=config.row_groups, most_lhs=most_lhs)
    return replace(config, **sizes | {"k_split": config.k_split or sizes["k_split"]})
