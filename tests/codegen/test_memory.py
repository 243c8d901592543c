"""Memory images: there and back, and every bit of a small one."""

import random

import numpy as np
import pytest

from codegen.memory import (
    Regions,
    pack_activations,
    pack_params,
    pack_taps,
    pack_weights,
    unpack_activations,
    unpack_elements,
)
from codegen.tiling import device_channels, padded_bits
from hw.overlays.bit_serial import BitSerial
from ir.errors import EncodingError
from ir.isa import ENTRY_BITS, PARAM, TAP, unpack
from ir.precision import Precision, weight_precision
from tests.hw.layers import Case, random_codes


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("pad", [padded_bits, device_channels])
def test_activations_round_trip(seed: int, pad) -> None:
    rng = random.Random(seed)
    bits = rng.randint(1, 8)
    precision = weight_precision(bits, bool(rng.getrandbits(1)))
    shape = (rng.randint(1, 40), rng.randint(1, 5), rng.randint(1, 5))
    bus_bytes = rng.choice([4, 8, 16, 32])
    codes = random_codes(rng, precision, shape)
    raw = pack_activations(codes, precision, channel_bits=pad(shape[0]), bus_bytes=bus_bytes)
    assert len(raw) % bus_bytes == 0
    assert len(raw) - bus_bytes < shape[1] * shape[2] * bits * pad(shape[0]) / 8 <= len(raw)
    back = unpack_activations(raw, precision, shape, channel_bits=pad(shape[0]))
    assert np.array_equal(back, codes)
    ones = np.unpackbits(np.frombuffer(raw, np.uint8)).sum()
    assert ones == precision.planes(codes).sum(), "padding must be zeros"


def test_activations_bit_by_bit() -> None:
    """Pixel, plane from the top, channel: 3 unsigned bits, 2 channels, 2 pixels."""
    codes = np.array([[[0b101, 0b010]], [[0b001, 0b111]]])  # (C=2, H=1, W=2)
    raw = pack_activations(codes, Precision(3, False), channel_bits=2, bus_bytes=4)
    planes = [(1, 0), (0, 0), (1, 1), (0, 1), (1, 1), (0, 1)]  # (channel 0, channel 1)
    bits = [bit for plane in planes for bit in plane]
    assert int.from_bytes(raw, "little") == sum(bit << place for place, bit in enumerate(bits))


@pytest.mark.parametrize("seed", range(10))
def test_elements_round_trip(seed: int) -> None:
    data = np.random.default_rng(seed)
    codes = data.integers(-(2**31), 2**31, (5, 2, 3))
    raw = codes.transpose(1, 2, 0).astype("<i4").tobytes() + bytes(4)
    assert np.array_equal(unpack_elements(raw, (5, 2, 3)), codes)


@pytest.mark.parametrize("seed", range(20))
def test_weights_lie_as_the_array_meets_them(seed: int) -> None:
    """Row tile, plane from the top, kernel position, word of channels, row, channel."""
    rng = random.Random(seed)
    config = BitSerial(dm=rng.randint(1, 4), dk=rng.choice([1, 3, 8, 12]), dn=2)
    case = Case(
        channels=rng.randint(1, 20),
        height=4,
        width=4,
        rows=rng.randint(1, 9),
        kernel=rng.randint(1, 3),
        w_bits=rng.randint(1, 8),
    )
    tiling, precision = case.tiling(config), weight_precision(case.w_bits)
    codes = random_codes(rng, precision, (case.rows, case.channels, case.kernel, case.kernel))
    raw = np.frombuffer(pack_weights(codes, tiling), np.uint8)
    bits = np.unpackbits(raw, bitorder="little").reshape(tiling.row_tiles, -1)
    planes = precision.planes(codes)[::-1]
    for _ in range(60):
        row, channel = rng.randrange(case.rows), rng.randrange(case.channels)
        y, x = rng.randrange(case.kernel), rng.randrange(case.kernel)
        plane = rng.randrange(case.w_bits)
        tile, m = divmod(row, config.dm)
        chunk, lane = divmod(channel, config.dk)
        word = plane * tiling.k_words + (y * case.kernel + x) * tiling.chunks + chunk
        place = (word * config.dm + m) * tiling.word_bits + lane
        assert bits[tile, place] == planes[plane, row, channel, y, x]
    assert len(raw) == tiling.row_tiles * tiling.row_tile_beats * config.bus_bytes
    assert bits.sum() == planes.sum(), "padding must be zeros"


def test_tables_round_trip() -> None:
    config = BitSerial(dm=4, dk=8, dn=3, requant_lanes=2, memory_bits=128)
    tiling = Case(channels=2, height=4, width=4, rows=5).tiling(config)
    data = np.random.default_rng(0)
    multiplier, offset = data.integers(-(2**15), 2**15, 5), data.integers(-(2**47), 2**47, 5)
    raw = pack_params(multiplier, offset, tiling)
    size = ENTRY_BITS // 8
    entries = [int.from_bytes(raw[at : at + size], "little") for at in range(0, len(raw), size)]
    found = [unpack(PARAM, entry) for entry in entries[:5]]
    assert [(e["multiplier"], e["offset"]) for e in found] == list(
        zip(multiplier.tolist(), offset.tolist(), strict=True)
    )
    assert entries[5:] == [0] * 3, "rows that pad a tile"
    raw = pack_taps(tiling)
    entries = [int.from_bytes(raw[at : at + size], "little") for at in range(0, len(raw), size)]
    for entry, tap in zip(entries, tiling.taps, strict=False):
        assert unpack(TAP, entry) == vars(tap)
    assert len(raw) == tiling.tap_beats * config.bus_bytes


def test_a_parameter_that_does_not_fit() -> None:
    tiling = Case(channels=2, height=4, width=4, rows=1).tiling(BitSerial(dm=1, dk=8, dn=1))
    with pytest.raises(EncodingError, match="multiplier = 32768 does not fit its field"):
        pack_params(np.array([1 << 15]), np.array([0]), tiling)


def test_regions_do_not_overlap() -> None:
    regions = Regions(BitSerial(dm=8, dk=8, dn=1, memory_bits=256))
    sizes = [1, 64, 65, 300, 0, 7]
    places = [regions.take(size) for size in sizes]
    assert all(place % 64 == 0 for place in places)
    ends = [place + size for place, size in zip(places, sizes, strict=True)]
    assert all(end <= begin for end, begin in zip(ends, [*places[1:], regions.size], strict=True))
