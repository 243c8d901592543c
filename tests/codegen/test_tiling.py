"""Tiling arithmetic against brute force: naive windows, and banks emulated in numpy."""

import random
from dataclasses import replace

import numpy as np
import pytest

from codegen.tiling import Tiling
from codegen.words import ceil_div
from hw.config import padded_bits
from hw.overlays.bit_serial import BitSerial
from ir.errors import CapacityError, ConfigError
from ir.isa import FORMATS, Stage
from tests.hw.layers import Case

SEEDS = range(60)


def random_tiling(seed: int) -> Tiling:
    """A layer of any stride, padding and kernel on an array of any size."""
    rng = random.Random(seed)
    kernel = rng.randint(1, 5)
    padding = rng.randint(0, 2)
    smallest = max(1, kernel - 2 * padding)
    case = Case(
        channels=rng.randint(1, 9),
        height=rng.randint(smallest, smallest + 6),
        width=rng.randint(smallest, smallest + 6),
        rows=rng.randint(1, 9),
        kernel=kernel,
        stride=rng.randint(1, 3),
        padding=padding,
        w_bits=rng.randint(1, 4),
        a_bits=rng.randint(1, 4),
        out_bits=rng.choice([1, 3, 8, 32]),
    )
    config = BitSerial(
        dm=rng.randint(1, 5),
        dk=rng.choice([1, 3, 4, 8, 16, 40]),
        dn=rng.choice([1, 2, 3, 5, 7, 8]),
        rhs_depth=1 << 14,
        lhs_depth=1 << 14,
        ring_depth=1 << 12,
        memory_bits=rng.choice([32, 64]),
    )
    return case.tiling(config)


def output_pixels(tiling: Tiling) -> dict[tuple[int, int], tuple[int, int]]:
    """{(column tile, column): (y, x)} of every output pixel."""
    shape, dn = tiling.shape, tiling.config.dn
    return {
        divmod(y * tiling.virtual_width + x, dn): (y, x)
        for y in range(shape.out_height)
        for x in range(shape.out_width)
    }


def positions(tiling: Tiling):
    """(y, position) of the input in stream order: pixels, or words of packed neighbours."""
    return [(y, x) for y in range(tiling.shape.height) for x in range(tiling.stream_width)]


def banks(tiling: Tiling) -> np.ndarray:
    """(Dn, words) of the activation banks; -1 where nothing lies, else place * stride + word."""
    shape, dn = tiling.shape, tiling.config.dn
    memory = np.full((dn, tiling.rhs_words), -1)
    step = 1 if tiling.window else shape.stride
    for place, (y, x) in enumerate(positions(tiling)):
        phase = y % shape.stride * tiling.phases_per_row + x % step
        flat = y // shape.stride * tiling.virtual_width + x // step
        begin = phase * tiling.phase_words + flat // dn * tiling.tile_stride
        for word in range(tiling.tile_stride):
            assert memory[flat % dn, begin + word] == -1, "two pixels at one place"
            memory[flat % dn, begin + word] = place * tiling.tile_stride + word
    return memory


def position_of(tiling: Tiling, tap: int, y: int, x: int) -> tuple[int, int] | None:
    """(row, position) that an output pixel reads at tap number `tap`; None: outside the image."""
    shape, (ky, group) = tiling.shape, divmod(tap, tiling.words_per_row)
    in_y = y * shape.stride + ky - shape.padding[0]
    in_x = x * shape.stride + group - shape.padding[1]
    if tiling.window:
        in_x = x + group * tiling.window
    inside = 0 <= in_y < shape.height and 0 <= in_x < tiling.stream_width
    return (in_y, in_x) if inside else None


@pytest.mark.parametrize("seed", SEEDS)
def test_rotating_banks_is_im2col(seed: int) -> None:
    """For every tap each column finds its pixel, and the Dn columns use Dn different banks."""
    tiling = random_tiling(seed)
    dn, memory = tiling.config.dn, banks(tiling)
    for (tile, column), (y, x) in output_pixels(tiling).items():
        for number, tap in enumerate(tiling.taps):
            place = position_of(tiling, number, y, x)
            assert tap.dy == number // tiling.words_per_row - tiling.shape.padding[0]
            if place is None:
                continue  # masked
            bank = (column + tap.rotate) % dn
            carry = tiling.tile_stride if bank < tap.rotate else 0
            begin = tile * tiling.tile_stride + tap.offset + carry
            first = (place[0] * tiling.stream_width + place[1]) * tiling.tile_stride
            found = memory[bank, begin : begin + tiling.tile_stride]
            assert np.array_equal(found, first + np.arange(tiling.tile_stride)), (tile, column, tap)


def test_packed_words_hold_every_kernel_column() -> None:
    """Group g of a packed row holds kernel columns g * window on; the grid ends in zeros."""
    seen = 0
    for seed in SEEDS:
        tiling = random_tiling(seed)
        shape, window = tiling.shape, tiling.window
        if not window:
            continue
        seen += 1
        assert window * tiling.channel_bits <= tiling.config.rhs_bits
        assert tiling.words_per_row * window >= shape.kernel[1]
        assert shape.stride == 1 or tiling.words_per_row == 1
        last = (tiling.stream_width - 1) * shape.stride - shape.padding[1] + window - 1
        assert tiling.pushes == max(shape.width, last + 1)
    assert seen > 5


@pytest.mark.parametrize("seed", SEEDS)
def test_positions_needed_is_the_last_one_any_window_meets(seed: int) -> None:
    tiling = random_tiling(seed)
    shape, needed = tiling.shape, np.zeros(tiling.col_tiles, np.int64)
    for (tile, _), (y, x) in output_pixels(tiling).items():
        places = (position_of(tiling, number, y, x) for number in range(len(tiling.taps)))
        for place in places:
            if place is not None:
                last = place[0] * tiling.stream_width + place[1]
                needed[tile] = max(needed[tile], last + 1)
    needed = np.maximum.accumulate(needed)
    assert (tiling.positions_needed >= needed).all(), "a tile would read what has not arrived"
    if shape.padding[0] < shape.kernel[0]:  # every window meets the image
        assert np.array_equal(tiling.positions_needed, needed)
    assert tiling.input_pixels <= shape.height * shape.width


@pytest.mark.parametrize("seed", SEEDS)
def test_tokens_cover_what_is_needed(seed: int) -> None:
    tiling = random_tiling(seed)
    first, step, total = tiling.rhs_tokens
    waits = np.minimum(first + step * np.arange(tiling.col_tiles), total)
    fetched = tiling.input_pixels // tiling.shape.width * tiling.stream_width
    if not tiling.window:
        fetched = tiling.input_pixels
    arrived = np.minimum(waits * tiling.config.dn, fetched)
    assert (arrived >= tiling.positions_needed).all()
    assert total == ceil_div(fetched, tiling.config.dn)
    assert waits[-1] == total, "tokens would be left over"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cut_input_begins_a_pixel_and_a_bus_word(seed: int) -> None:
    """What the first column tiles wait for is in the first part."""
    tiling = random_tiling(seed)
    first, step, total = tiling.rhs_tokens
    for tiles in range(1, tiling.col_tiles + 1):
        cut = tiling.pixels_before(tiles)
        if cut < tiling.input_pixels:
            assert cut * tiling.pixel_input_bits % tiling.config.memory_bits == 0
        positions = cut
        if tiling.window:
            assert cut % tiling.shape.width == 0
            positions = cut // tiling.shape.width * tiling.stream_width
        tokens = positions // tiling.config.dn if cut < tiling.input_pixels else total
        assert tokens >= min(first + step * (tiles - 1), total)


@pytest.mark.parametrize("seed", SEEDS)
def test_counts(seed: int) -> None:
    tiling = random_tiling(seed)
    shape, config = tiling.shape, tiling.config
    places = {tile for tile, _ in output_pixels(tiling)}
    assert tiling.col_tiles == max(places) + 1
    columns = {column for _, column in output_pixels(tiling)}
    assert tiling.columns >= max(columns) + 1
    products = shape.rows * shape.pixels * shape.depth
    lanes = config.dm * config.dk * config.dn
    tiles = tiling.row_tiles * tiling.col_tiles
    assert tiles * tiling.k_words * lanes >= products
    assert len(tiling.taps) == tiling.tap_count
    assert tiling.words_per_tile == tiling.k_words * shape.weights.bits * shape.activations.bits
    assert tiling.period >= max(config.row_groups, tiling.steps)
    assert tiling.output_bytes * 8 >= shape.pixels * shape.rows * shape.out_bits
    assert tiling.ring_words * config.memory_bits >= tiling.columns * tiling.pixel_bits


@pytest.mark.parametrize(
    ("count", "bits"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (8, 8), (9, 16), (64, 64)]
)
def test_padded_bits(count: int, bits: int) -> None:
    assert padded_bits(count) == bits


CASE = Case(channels=8, height=8, width=8, rows=5, w_bits=4, a_bits=2, out_bits=3)
TOO_SMALL = [
    (
        {"lhs_depth": 32},
        r"lhs_depth \(words of a row tile's weights\) = 36, the overlay has 32; k_split would cut",
    ),
    (
        {"lhs_depth": 32, "table_depth": 32, "dk": 1},
        r"lhs_depth .* = 288, the overlay has 32; not even k_split could cut them",
    ),
    (
        {"lhs_depth": 32, "table_depth": 32, "dk": 1, "k_split": 1},
        r"lhs_depth .* = 288, the overlay has 32; no cut leaves whole words and entries for the",
    ),
    ({"rhs_depth": 32}, r"rhs_depth \(words of the input\) = 64, the overlay has 32"),
    ({"ring_depth": 4, "memory_bits": 32, "dn": 4}, r"ring_depth - 1 .* = 4, the overlay has 3"),
    ({"table_depth": 4}, r"table_depth / 2 \(requantizer rows\) = 6, the overlay has 2"),
    ({"table_depth": 16}, r"table_depth / 2 \(kernel positions\) = 9, the overlay has 8"),
]


@pytest.mark.parametrize(("change", "message"), TOO_SMALL)
def test_capacity(change: dict[str, int], message: str) -> None:
    config = BitSerial(**({"dm": 2, "dk": 8, "dn": 2} | change))
    with pytest.raises(CapacityError, match=f"layer 'layer' needs {message}"):
        CASE.tiling(config)


def test_the_longest_drain_of_a_column_fits_its_field() -> None:
    config = BitSerial(dm=252, dk=1, dn=1, memory_bits=256, table_depth=2048, ring_depth=1024)
    for more in (253, 254, 255):
        with pytest.raises(ConfigError, match="too large"):
            replace(config, dm=more)
    case = Case(channels=1, height=1, width=1, rows=300, kernel=1, padding=0, out_bits=32)
    assert case.tiling(config).period == 252 <= FORMATS[Stage.RESULT]["period"].range[1]
