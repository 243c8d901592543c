"""Tiling arithmetic against brute force: naive windows, and banks emulated in numpy."""

import random
from dataclasses import replace

import numpy as np
import pytest

from codegen.tiling import Tiling, ceil_div, padded_bits
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
        dk=rng.choice([1, 3, 4, 8]),
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


def window(tiling: Tiling, y: int, x: int) -> list[tuple[int, int]]:
    """Input pixels that output pixel (y, x) sees."""
    shape = tiling.shape
    pixels = [
        (y * shape.stride + ky - shape.padding, x * shape.stride + kx - shape.padding)
        for ky in range(shape.kernel[0])
        for kx in range(shape.kernel[1])
    ]
    return [(iy, ix) for iy, ix in pixels if 0 <= iy < shape.height and 0 <= ix < shape.width]


def banks(tiling: Tiling) -> np.ndarray:
    """(Dn, words) of the activation banks; -1 where nothing lies, else pixel * stride + word."""
    shape, dn = tiling.shape, tiling.config.dn
    memory = np.full((dn, tiling.rhs_words), -1)
    for y in range(shape.height):
        for x in range(shape.width):
            phase = y % shape.stride * shape.stride + x % shape.stride
            flat = y // shape.stride * tiling.virtual_width + x // shape.stride
            begin = phase * tiling.phase_words + flat // dn * tiling.tile_stride
            for word in range(tiling.tile_stride):
                assert memory[flat % dn, begin + word] == -1, "two pixels at one place"
                pixel = y * shape.width + x
                memory[flat % dn, begin + word] = pixel * tiling.tile_stride + word
    return memory


@pytest.mark.parametrize("seed", SEEDS)
def test_rotating_banks_is_im2col(seed: int) -> None:
    """For every tap each column finds its pixel, and the Dn columns use Dn different banks."""
    tiling = random_tiling(seed)
    shape, dn, memory = tiling.shape, tiling.config.dn, banks(tiling)
    for (tile, column), (y, x) in output_pixels(tiling).items():
        for tap in tiling.taps:
            in_y, in_x = y * shape.stride + tap.dy, x * shape.stride + tap.dx
            if not (0 <= in_y < shape.height and 0 <= in_x < shape.width):
                continue  # masked
            bank = (column + tap.rotate) % dn
            carry = tiling.tile_stride if bank < tap.rotate else 0
            begin = tile * tiling.tile_stride + tap.offset + carry
            pixel = in_y * shape.width + in_x
            expected = pixel * tiling.tile_stride + np.arange(tiling.tile_stride)
            found = memory[bank, begin : begin + tiling.tile_stride]
            assert np.array_equal(found, expected), (tile, column, tap)


@pytest.mark.parametrize("seed", SEEDS)
def test_pixels_needed_is_the_last_pixel_any_window_meets(seed: int) -> None:
    tiling = random_tiling(seed)
    shape, needed = tiling.shape, np.zeros(tiling.col_tiles, np.int64)
    for (tile, _), (y, x) in output_pixels(tiling).items():
        last = max((iy * shape.width + ix for iy, ix in window(tiling, y, x)), default=-1)
        needed[tile] = max(needed[tile], last + 1)
    needed = np.maximum.accumulate(needed)
    assert (tiling.pixels_needed >= needed).all(), "a tile would read what has not arrived"
    if shape.padding < shape.kernel[0]:  # every window meets the image
        assert np.array_equal(tiling.pixels_needed, needed)
    assert tiling.input_pixels <= shape.height * shape.width


@pytest.mark.parametrize("seed", SEEDS)
def test_tokens_cover_what_is_needed(seed: int) -> None:
    tiling = random_tiling(seed)
    first, step, total = tiling.rhs_tokens
    waits = np.minimum(first + step * np.arange(tiling.col_tiles), total)
    arrived = np.minimum(waits * tiling.config.dn, tiling.input_pixels)
    assert (arrived >= tiling.pixels_needed).all()
    assert total == ceil_div(tiling.input_pixels, tiling.config.dn)
    assert waits[-1] == total, "tokens would be left over"


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
    assert tiling.words_per_tile == tiling.k_words * shape.weights.bits * shape.activations.bits
    assert tiling.period >= max(config.row_groups, tiling.steps)
    assert tiling.output_bytes * 8 >= shape.pixels * shape.rows * shape.out_bits
    assert tiling.ring_words * config.memory_bits >= tiling.columns * tiling.pixel_bits


@pytest.mark.parametrize(
    ("count", "bits"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (8, 8), (9, 16), (64, 64)]
)
def test_padded_bits(count: int, bits: int) -> None:
    assert padded_bits(count) == bits


CASE = Case(channels=3, height=8, width=8, rows=5, w_bits=4, a_bits=2, out_bits=3)
TOO_SMALL = [
    ({"lhs_depth": 32}, r"lhs_depth \(words of a row tile's weights\) = 36, the overlay has 32"),
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
