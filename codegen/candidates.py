"""The arrays worth looking at for a network, each with a bound on its cycles: pure arithmetic.

An array is left out when a smaller one cuts every layer into as many tiles. The bound is below what
any schedule can reach: a tile takes its words or its draining, whichever is longer, and all weights
pass the fetch stage once, a word a cycle.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd

from codegen.shape import LayerShape
from codegen.tiling import Tiling
from codegen.words import ceil_div
from hw.config import OverlayConfig

MOST_COLUMNS = 64
MOST_LANES = 512
SHORT_WORDS = (1, 2, 4)
"""Words below a byte; longer ones are whole bytes, so that pieces begin on byte boundaries."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An array with its requantizer lanes.

    bound: cycles that it cannot undercut. least: nor when layers run in bands of their rows and
    sums in parts.
    """

    dm: int
    dk: int
    dn: int
    requant_lanes: int
    bound: int
    least: int


def candidates(
    style: type[OverlayConfig], shapes: Sequence[LayerShape], *, memory_bits: int, latency: int
) -> list[Candidate]:
    """Every array worth looking at, in order of size. shapes: the network's layers.

    style: the overlay's class. memory_bits: F. latency: of a read, and of a write's answer, each of
    which stands between two layers, in cycles.
    """
    waits = 2 * latency * len(shapes)
    return [
        Candidate(
            dm=dm, dk=dk, dn=dn, requant_lanes=lanes, bound=cycles + waits, least=least + waits
        )
        for dm in row_choices(shapes, memory_bits)
        for dk in lane_choices(style, shapes, memory_bits)
        for dn in column_choices(style, shapes, memory_bits)
        for lanes, cycles, least in _lane_bounds(
            shapes, style(dm=dm, dk=dk, dn=dn, memory_bits=memory_bits)
        )
    ]


def row_choices(shapes: Sequence[LayerShape], memory_bits: int) -> list[int]:
    """Dm, unless a smaller one with ring writes as wide needs no more row tiles in any layer."""
    kept: dict[tuple[int, ...], int] = {}
    fits = [dm for dm in range(1, memory_bits + 1) if dm + 8 - gcd(dm, 8) <= memory_bits]
    for dm in fits:
        tiles = tuple(ceil_div(s.rows, dm) for s in shapes)
        kept.setdefault((gcd(dm, 8), *tiles), dm)
    return sorted(kept.values())


def lane_choices(
    style: type[OverlayConfig], shapes: Sequence[LayerShape], memory_bits: int
) -> list[int]:
    """Dk: short words and whole bytes, unless a smaller one needs no more words in any layer."""
    kept: dict[tuple[int, ...], int] = {}
    for dk in (*SHORT_WORDS, *range(8, MOST_LANES + 1, 8)):
        probe = style(dm=1, dk=dk, dn=1, memory_bits=memory_bits)
        kept.setdefault(tuple(tiling.k_words for tiling in _tilings(shapes, probe)), dk)
    return sorted(kept.values())


def column_choices(
    style: type[OverlayConfig], shapes: Sequence[LayerShape], memory_bits: int
) -> list[int]:
    """Dn, unless a smaller one needs no more column tiles in any layer.

    A row of the grid depends on how many kernel columns a word holds: the two extremes count.
    """
    probes = [style(dm=1, dk=dk, dn=1, memory_bits=memory_bits) for dk in (8, MOST_LANES)]
    pixels = [tiling.virtual_pixels for p in probes for tiling in _tilings(shapes, p)]
    kept: dict[tuple[int, ...], int] = {}
    for dn in range(1, MOST_COLUMNS + 1):
        kept.setdefault(tuple(ceil_div(n, dn) for n in pixels), dn)
    return sorted(kept.values())


def _tilings(shapes: Sequence[LayerShape], config: OverlayConfig) -> list[Tiling]:
    """The layers on an array; the host packs the first one's input."""
    return [Tiling(shape=s, config=config, from_host=i == 0) for i, s in enumerate(shapes)]


def _lane_bounds(
    shapes: Sequence[LayerShape], config: OverlayConfig
) -> Iterator[tuple[int, int, int]]:
    """(requantizer lanes, bound, least) for every number of lanes that divides Dm."""
    tilings = _tilings(shapes, config)
    fetch = sum(_weight_cycles(tiling) for tiling in tilings)
    least = max(fetch, sum(_word_cycles(tiling) for tiling in tilings))
    for lanes in range(1, config.dm + 1):
        if config.dm % lanes == 0:
            groups = config.dm // lanes
            whole = max(fetch, sum(_array_cycles(tiling, groups) for tiling in tilings))
            yield lanes, whole, least


def _array_cycles(tiling: Tiling, groups: int) -> int:
    """Cycles from a layer's first word to its last."""
    drain = tiling.columns * max(groups * tiling.shape.thresholds, tiling.steps)
    words = [digits * tiling.k_words * tiling.a_digits for digits in tiling.row_digits]
    return tiling.col_tiles * sum(max(count, drain) for count in words) - max(0, drain - words[-1])


def _word_cycles(tiling: Tiling) -> int:
    """Cycles that the array takes for a layer's own pixels, wherever tiles are cut."""
    pixels = tiling.shape.out_height * tiling.shape.out_width
    words = sum(tiling.row_digits) * tiling.k_words * tiling.a_digits
    return ceil_div(pixels, tiling.config.dn) * words


def _weight_cycles(tiling: Tiling) -> int:
    """Cycles in which a layer's weights pass the fetch stage at least."""
    config = tiling.config
    pieces = ceil_div(config.dm, config.lhs_rows)
    beats = config.dm * config.lhs_word_bits / config.memory_bits
    return int(tiling.lhs_words_total * max(pieces, beats))
