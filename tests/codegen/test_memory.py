"""Memory images: there and back, and every bit of a small one."""

import random

import numpy as np
import pytest

from codegen.memory import (
    lane_map,
    pack_activations,
    pack_params,
    pack_rows,
    pack_taps,
    pack_weights,
    unpack_activations,
    unpack_elements,
)
from codegen.schedule import row_tile_beats
from codegen.tiling import Tiling
from codegen.words import ceil_div, device_channels
from hw.config import padded_bits
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from ir.errors import EncodingError
from ir.isa import ENTRY_BITS, PARAM, ROW, TAP, unpack
from ir.precision import Precision, weight_precision
from tests.hw.layers import Case, random_codes


@pytest.mark.parametrize("q", [1, 2, 4, 8])
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("pad", [padded_bits, device_channels])
def test_activations_round_trip(seed: int, pad, q: int) -> None:
    rng = random.Random(seed)
    bits = rng.randint(1, 8)
    precision = weight_precision(bits, bool(rng.getrandbits(1)))
    shape = (rng.randint(1, 40), rng.randint(1, 5), rng.randint(1, 5))
    bus_bytes, channel_bits = rng.choice([4, 8, 16, 32]), pad(shape[0] * q)
    codes = random_codes(rng, precision, shape)
    raw = pack_activations(codes, precision, q=q, channel_bits=channel_bits, bus_bytes=bus_bytes)
    size = shape[1] * shape[2] * ceil_div(bits, q) * channel_bits
    assert len(raw) % bus_bytes == 0
    assert len(raw) - bus_bytes < size / 8 <= len(raw)
    back = unpack_activations(raw, precision, shape, q=q, channel_bits=channel_bits)
    assert np.array_equal(back, codes)
    if bits % q == 0:
        ones = np.unpackbits(np.frombuffer(raw, np.uint8)).sum()
        assert ones == precision.planes(codes).sum(), "padding must be zeros"


@pytest.mark.parametrize(
    ("q", "signed", "planes"),
    [  # (channel 0, channel 1) of each plane of each pixel, lowest bit first
        (1, False, ["10", "00", "11", "01", "11", "01"]),
        (2, False, ["1000", "1010", "0010", "0111"]),
        (2, True, ["1100", "1010", "0011", "0111"]),
        (4, False, ["10101000", "01001110"]),
        (4, True, ["10111000", "01001111"]),
    ],
)
def test_activations_bit_by_bit(q: int, signed: bool, planes: list[str]) -> None:
    """Pixel, plane from the top, channel: codes of 3 bits, 2 channels, 2 pixels."""
    codes = np.array([[[0b101, 0b010]], [[0b001, 0b111]]])  # (C=2, H=1, W=2)
    codes = np.where(codes >= 4, codes - 8, codes) if signed else codes
    raw = pack_activations(
        codes, Precision(3, signed), q=q, channel_bits=padded_bits(2 * q), bus_bytes=4
    )
    assert int.from_bytes(raw, "little") == int("".join(planes)[::-1], 2)


@pytest.mark.parametrize("seed", range(10))
def test_elements_round_trip(seed: int) -> None:
    data = np.random.default_rng(seed)
    codes = data.integers(-(2**31), 2**31, (5, 2, 3))
    raw = codes.transpose(1, 2, 0).astype("<i4").tobytes() + bytes(4)
    assert np.array_equal(unpack_elements(raw, (5, 2, 3)), codes)


def digit_values(raw: bytes, tiling: Tiling) -> list[np.ndarray]:
    """What each row tile's image holds: (digits, k_words, Dm, Dk) unsigned digits."""
    config, tiles, at = tiling.config, [], 0
    for digits in tiling.row_digits:
        size = row_tile_beats(tiling, digits) * config.bus_bytes
        bits = np.unpackbits(np.frombuffer(raw[at : at + size], np.uint8), bitorder="little")
        shape = (digits, tiling.k_words, config.dm, config.lhs_word_bits)
        words, rest = bits[: np.prod(shape)].reshape(shape), bits[np.prod(shape) :]
        assert not rest.any() and not words[..., config.lhs_bits :].any(), "padding must be zeros"
        lanes = words[..., : config.lhs_bits].reshape(*shape[:3], config.dk, config.p)
        tiles.append(lanes @ (1 << np.arange(config.p)))
        at += size
    assert at == len(raw)
    return tiles


def filters_of(raw: bytes, tiling: Tiling) -> np.ndarray:
    """(rows, k_words, Dk): the numbers that the digits of a weight image are worth."""
    config, signed, found = tiling.config, tiling.shape.weights.signed, []
    for digits, bipolar in zip(digit_values(raw, tiling), tiling.row_bipolar, strict=True):
        if bipolar:
            found.append(2 * digits[0].astype(np.int64) - 1)
            continue
        count = len(digits)
        worth = [1 << config.p * (count - 1 - i) for i in range(count)]
        top = digits[0] - (signed * (digits[0] >> (config.p - 1)) << config.p)
        found.append(np.tensordot(worth, np.array([top, *digits[1:]]), axes=1))
    return np.concatenate([tile.transpose(1, 0, 2) for tile in found])


@pytest.mark.parametrize(("p", "q"), [(1, 1), (2, 2), (4, 2), (1, 4), (8, 8)])
@pytest.mark.parametrize("seed", range(8))
def test_weights_lie_as_the_array_meets_them(seed: int, p: int, q: int) -> None:
    """Row tile, plane from the top, kernel position, word of channels, row, channel."""
    rng = random.Random(seed)
    config = BitSlice(dm=rng.randint(1, 4), dk=rng.choice([1, 3, 8, 12]), dn=2, p=p, q=q)
    case = Case(
        channels=rng.randint(config.dk, 20),
        height=4,
        width=4,
        rows=rng.randint(1, 9),
        kernel=rng.randint(1, 3),
        w_bits=rng.randint(1, 8),
        signed=bool(rng.randrange(4)),
    )
    tiling = case.tiling(config)  # too many channels to pack neighbours
    precision = tiling.shape.weights
    codes = random_codes(rng, precision, (case.rows, case.channels, case.kernel, case.kernel))
    found = filters_of(pack_weights(codes, tiling), tiling)
    for row, y, x, channel in np.ndindex(case.rows, case.kernel, case.kernel, case.channels):
        chunk, lane = divmod(channel, config.dk)
        word = (y * case.kernel + x) * tiling.chunks + chunk
        assert found[row, word, lane] == codes[row, channel, y, x]
    if not precision.bipolar or p > 1:  # else the padding is worth -1: activations there are zeros
        assert found[: case.rows].sum() == codes.sum(), "padding must be zeros"
        assert not found[case.rows :].any()


@pytest.mark.parametrize("config", [BitSerial(dm=2, dk=16, dn=2), BitSlice(dm=2, dk=32, dn=2)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_packed_kernel_columns_end_at_lane_zero(config, kernel: int) -> None:
    """The newest pixel of a word has the lowest slot: so has the last of its kernel columns."""
    case = Case(channels=3, height=8, width=8, rows=4, kernel=kernel, w_bits=3)
    tiling = case.tiling(config)
    slot = 4  # three channels are padded to four lanes
    assert tiling.window == min(kernel, 4 if config.dk == 16 else 8)
    lanes = lane_map(tiling)
    assert lanes.shape == (tiling.k_words, config.dk)
    expected = np.full_like(lanes, -1)
    for channel, y, x in np.ndindex(3, kernel, kernel):
        place, column = divmod(x, tiling.window)
        word = y * tiling.words_per_row + place
        lane = (tiling.window - 1 - column) * slot + channel
        expected[word, lane] = (channel * kernel + y) * kernel + x
    assert np.array_equal(lanes, expected)


def test_rows_may_read_different_elements() -> None:
    """A map for each row, as grouped layers need: row m meets channel m alone, in lane m."""
    config = BitSlice(dm=2, dk=4, dn=1)
    case = Case(channels=1, height=3, width=3, rows=3, kernel=3, w_bits=4)
    tiling = case.tiling(config, from_host=False)
    codes = random_codes(random.Random(0), tiling.shape.weights, (3, 1, 3, 3))
    lanes = np.full((3, 9, 4), -1)
    for row in range(3):
        lanes[row, :, row] = np.arange(9)
    found = filters_of(pack_weights(codes, tiling, lanes), tiling)
    assert found.shape == (4, 9, 4)
    for row in range(3):
        assert np.array_equal(found[row, :, row], codes[row].reshape(-1))
    assert found.sum() == codes.sum()


@pytest.mark.parametrize(("p", "bits", "digits"), [(1, 1, (3, 1, 2)), (2, 1, (4, 1, 2))])
def test_row_tiles_of_different_digits(p: int, bits: int, digits: tuple[int, ...]) -> None:
    """Each tile has its own number of planes; the row table says so."""
    config = BitSlice(dm=2, dk=8, dn=1, p=p, q=1)
    case = Case(channels=8, height=2, width=2, rows=6, kernel=1, padding=0, w_bits=8)
    tiling = case.tiling(config)
    vars(tiling).update(row_digits=digits, row_bipolar=(False, p == 1, False))
    codes = np.ones((6, 8, 1, 1), np.int64)
    codes[::2] = -bits
    found = filters_of(pack_weights(codes, tiling), tiling)
    assert np.array_equal(found[:, 0], codes[:, :, 0, 0])
    raw, size = pack_rows(tiling, [0, 5, 9]), ENTRY_BITS // 8
    entries = [int.from_bytes(raw[at : at + size], "little") for at in range(0, 3 * size, size)]
    assert [tuple(unpack(ROW, entry).values()) for entry in entries] == [
        (digits[0], 0, 0),
        (digits[1], int(p == 1), 5),
        (digits[2], 0, 9),
    ]
    assert len(raw) % config.bus_bytes == 0
    offsets = [
        unpack(ROW, int.from_bytes(pack_rows(tiling)[i * size :][:size], "little"))["offset"]
        for i in range(3)
    ]
    assert offsets == [0, 0, 0]


def test_a_weight_that_is_no_code() -> None:
    tiling = Case(channels=2, height=4, width=4, rows=1, w_bits=2).tiling(
        BitSlice(dm=1, dk=8, dn=1)
    )
    with pytest.raises(EncodingError, match="2 at .0, 0, 0, 0. is no code of 2-bit signed"):
        pack_weights(np.full((1, 2, 3, 3), 2), tiling)


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
    assert len(raw) == ceil_div(len(tiling.taps) * size, config.bus_bytes) * config.bus_bytes


def test_a_parameter_that_does_not_fit() -> None:
    tiling = Case(channels=2, height=4, width=4, rows=1).tiling(BitSerial(dm=1, dk=8, dn=1))
    with pytest.raises(EncodingError, match="multiplier = 32768 does not fit its field"):
        pack_params(np.array([1 << 15]), np.array([0]), tiling)
