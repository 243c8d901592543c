"""The arrays worth looking at for a network, with bounds on its cycles: pure arithmetic.

An array is left out when a smaller one cuts every layer into as many tiles. Bounds are below what
any schedule can reach. A tile takes its words or its draining, whichever is longer; the last column
tile of a layer waits for the whole input, and the next layer's input for its end; all weights,
inputs and parameters pass the fetch stage once, a bus word or a piece a cycle.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import gcd
from typing import Any

from codegen.schedule import input_pieces
from codegen.shape import LayerShape
from codegen.styles import Style
from codegen.tiling import Tiling
from codegen.words import ceil_div
from hw.config import MOST_PIECE_BITS, OverlayConfig, padded_bits

MOST_COLUMNS = 64
MOST_LANES = 512


@dataclass(frozen=True, kw_only=True)
class Array:
    """Digits and sizes of an array. least: cycles that it cannot undercut with any buffers."""

    style: Style
    dm: int
    dk: int
    dn: int
    least: int

    def config(self, **others: Any) -> OverlayConfig:
        """An overlay with it."""
        return self.style(dm=self.dm, dk=self.dk, dn=self.dn, **others)


@dataclass(frozen=True, kw_only=True)
class Lanes:
    """A choice of requantizer lanes.

    bound: cycles that an array with them cannot undercut. least: nor when layers run in bands of
    their rows and sums in parts.
    """

    requant_lanes: int
    bound: int
    least: int


def arrays(
    style: Style, shapes: Sequence[LayerShape], *, memory_bits: int, latency: int
) -> list[Array]:
    """Every array of a style worth looking at, in order of size. shapes: the network's layers.

    memory_bits: F. latency: of a read, and of a write's answer, each of which stands between two
    layers, in cycles.
    """
    probe, waits = _probe(style, memory_bits), _waits(shapes, latency)
    work = [_work(shape, probe) for shape in shapes]
    return [
        Array(
            style=style,
            dm=dm,
            dk=dk,
            dn=dn,
            least=waits
            + sum(
                ceil_div(rows, dm) * ceil_div(depth, dk) * ceil_div(pixels, dn) * digits
                for rows, depth, pixels, digits in work
            ),
        )
        for dm, dk, dn in product(
            row_choices(style, shapes, memory_bits),
            lane_choices(style, shapes, memory_bits),
            column_choices(style, shapes, memory_bits),
        )
    ]


def lanes_of(
    array: Array, config: OverlayConfig, shapes: Sequence[LayerShape], *, latency: int
) -> list[Lanes]:
    """Every number of requantizer lanes that divides Dm, with its bounds.

    config: any overlay with the array, for the device. latency: as in `arrays`.
    """
    tilings, waits = _tilings(shapes, config), _waits(shapes, latency)
    weights = [_weight_cycles(tiling) for tiling in tilings]
    inputs = [_input_cycles(tiling) for tiling in tilings]
    fetch = sum(weights) + sum(inputs) + sum(tiling.param_beats for tiling in tilings)
    least = max(sum(weights), sum(_word_cycles(tiling) for tiling in tilings)) + waits
    found = []
    for lanes in divisors(array.dm):
        groups = array.dm // lanes
        layers = [_layer_cycles(t, i, groups) for t, i in zip(tilings, inputs, strict=True)]
        found.append(
            Lanes(
                requant_lanes=lanes,
                bound=max(sum(layers) + waits, fetch, array.least),
                least=max(least, array.least),
            )
        )
    return found


def divisors(dm: int) -> Iterator[int]:
    """Numbers of requantizer lanes that an array of so many rows can have."""
    return (lanes for lanes in range(1, dm + 1) if dm % lanes == 0)


def row_choices(style: Style, shapes: Sequence[LayerShape], memory_bits: int) -> list[int]:
    """Dm, unless a smaller one with ring writes as wide needs no more row tiles in any layer."""
    kept: dict[tuple[int, ...], int] = {}
    q = _probe(style, memory_bits).q
    for dm in range(1, memory_bits // q + 1):
        unit = gcd(dm * q, 8)
        if dm * q + 8 - unit <= memory_bits:
            tiles = tuple(ceil_div(s.rows, dm) for s in shapes)
            kept.setdefault((unit, *tiles), dm)
    return sorted(kept.values())


def lane_choices(style: Style, shapes: Sequence[LayerShape], memory_bits: int) -> list[int]:
    """Dk, unless a smaller one needs no more words in any layer.

    Words have 1, 2 or 4 bits or whole bytes, so that pieces begin on byte boundaries.
    """
    probe = _probe(style, memory_bits)
    kept: dict[tuple[int, ...], int] = {}
    for dk in range(1, _most_lanes(probe) + 1):
        if all(padded_bits(dk * digit) == dk * digit for digit in (probe.p, probe.q)):
            array = style(dm=1, dk=dk, dn=1, memory_bits=memory_bits)
            kept.setdefault(tuple(tiling.k_words for tiling in _tilings(shapes, array)), dk)
    return sorted(kept.values())


def column_choices(style: Style, shapes: Sequence[LayerShape], memory_bits: int) -> list[int]:
    """Dn, unless a smaller one needs no more column tiles in any layer.

    A row of the grid depends on how many kernel columns a word holds: the two extremes count.
    """
    smallest = _probe(style, memory_bits)
    lanes = (max(1, 8 // smallest.q), _most_lanes(smallest))
    probes = [style(dm=1, dk=dk, dn=1, memory_bits=memory_bits) for dk in lanes]
    pixels = [tiling.virtual_pixels for p in probes for tiling in _tilings(shapes, p)]
    kept: dict[tuple[int, ...], int] = {}
    for dn in range(1, MOST_COLUMNS + 1):
        kept.setdefault(tuple(ceil_div(n, dn) for n in pixels), dn)
    return sorted(kept.values())


def _probe(style: Style, memory_bits: int) -> OverlayConfig:
    """The smallest array of a style."""
    return style(dm=1, dk=1, dn=1, memory_bits=memory_bits)


def _most_lanes(probe: OverlayConfig) -> int:
    """The largest Dk whose words can be written to the buffers at once."""
    return min(MOST_LANES, MOST_PIECE_BITS // max(probe.p, probe.rhs_ways * probe.q))


def _waits(shapes: Sequence[LayerShape], latency: int) -> int:
    return 2 * latency * len(shapes)


def _work(shape: LayerShape, probe: OverlayConfig) -> tuple[int, int, int, int]:
    """(digits of all rows' weights, K, pixels, digits of an activation) of a layer."""
    row_bits = shape.row_bits or (shape.weights.bits,) * shape.rows
    rows = sum(ceil_div(bits, probe.p) for bits in row_bits)
    return rows, shape.depth, shape.pixels, ceil_div(shape.activations.bits, probe.q)


def _tilings(shapes: Sequence[LayerShape], config: OverlayConfig) -> list[Tiling]:
    """The layers on an array; the host packs the first one's input."""
    return [Tiling(shape=s, config=config, from_host=i == 0) for i, s in enumerate(shapes)]


def _layer_cycles(tiling: Tiling, inputs: int, groups: int) -> int:
    """Cycles of a layer whose input takes `inputs` to arrive: the last column tile needs it all."""
    config, latencies = tiling.config, tiling.config.latencies()
    period = max(groups * tiling.shape.thresholds, tiling.steps)
    drain = tiling.columns * period
    words = [digits * tiling.k_words * tiling.a_digits for digits in tiling.row_digits]
    column = sum(max(count, drain) for count in words)
    array = max(tiling.col_tiles * column, inputs + column) - max(0, drain - words[-1])
    ending = latencies.issue_to_drain + latencies.requantize + period - 1
    return max(array + ending, tiling.output_bytes // config.bus_bytes)


def _word_cycles(tiling: Tiling) -> int:
    """Cycles that the array takes for a layer's own pixels, wherever tiles are cut."""
    pixels = tiling.shape.out_height * tiling.shape.out_width
    words = sum(tiling.row_digits) * tiling.k_words * tiling.a_digits
    return ceil_div(pixels, tiling.config.dn) * words


def _input_cycles(tiling: Tiling) -> int:
    """Cycles in which a layer's input passes the fetch stage: its bus words, or its pieces."""
    return sum(
        max(
            ceil_div(tiling.input_pixels * tiling.a_digits * bits, tiling.config.memory_bits),
            input_pieces(tiling, part),
        )
        for part, bits in enumerate(tiling.part_bits)
    )


def _weight_cycles(tiling: Tiling) -> int:
    """Cycles in which a layer's weights pass the fetch stage at least."""
    config = tiling.config
    pieces = ceil_div(config.dm, config.lhs_rows)
    beats = config.dm * config.lhs_word_bits / config.memory_bits
    return int(tiling.lhs_words_total * max(pieces, beats))
