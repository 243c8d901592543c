"""Memory images: how tensors, weights and tables lie in external memory, and back.

An activation tensor is one string of bits: pixel after pixel in raster order, in a pixel one plane
of q-bit digits after the other, most significant first, in a plane channel after channel, padded to
whole bytes (1, 2 and 4 bits of a host's tensor are kept). Weights lie as the array meets them: row
tile, plane of p-bit digits, word, row. All little-endian, least significant bit first.

Codes whose bits are no multiple of the digit are continued at their top, with their sign or with
zeros. Bipolar activations are the bits 0 and 1 for -1 and +1, in a digit of any width; bipolar
weights are such bits when digits have one bit, and the numbers -1 and +1 when they have more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codegen.tiling import Tiling
from codegen.words import ceil_div
from ir.isa import ENTRY_BITS, PARAM, ROW, TAP, pack
from ir.precision import Precision


def _bytes(bits: np.ndarray, bus_bytes: int) -> bytes:
    """A flat array of bits as bytes, filled up to a whole bus word."""
    raw = np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()
    return raw + bytes(-len(raw) % bus_bytes)


def _planes(codes: np.ndarray, digits: int, size: int) -> np.ndarray:
    """(digits, ..., size) bits of the digits of codes, most significant digit first."""
    bits = (codes.astype(np.int64)[..., np.newaxis] >> np.arange(digits * size)) & 1
    planes = bits.astype(np.uint8).reshape(*codes.shape, digits, size)
    return np.moveaxis(planes[..., ::-1, :], -2, 0)


def pack_activations(
    codes: np.ndarray, precision: Precision, *, q: int, channel_bits: int, bus_bytes: int
) -> bytes:
    """codes (C, H, W) -> the tensor's bytes, with `channel_bits` bits for a pixel's plane."""
    channels, height, width = codes.shape
    checked, digits = precision.check(codes), ceil_div(precision.bits, q)
    values = checked > 0 if precision.bipolar else checked
    pixels = values.reshape(channels, height * width).T
    bits = np.zeros((height * width, digits, channel_bits), np.uint8)
    planes = _planes(pixels, digits, q).reshape(digits, height * width, channels * q)
    bits[:, :, : channels * q] = planes.transpose(1, 0, 2)
    return _bytes(bits.reshape(-1), bus_bytes)


def unpack_activations(
    raw: bytes, precision: Precision, shape: tuple[int, int, int], *, q: int, channel_bits: int
) -> np.ndarray:
    """Inverse of `pack_activations`: (C, H, W) int64."""
    channels, height, width = shape
    digits = ceil_div(precision.bits, q)
    count = height * width * digits * channel_bits
    bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")[:count]
    planes = bits.reshape(height * width, digits, channel_bits)[:, ::-1, : channels * q]
    places = planes.reshape(height * width, digits, channels, q).transpose(1, 3, 2, 0)
    values = places.reshape(digits * q, channels, height, width).astype(np.int64)
    weights = 1 << np.arange(digits * q)
    if precision.bipolar:
        return 2 * np.tensordot(weights, values, axes=1) - 1
    if precision.signed:
        weights[-1] *= -1
    return np.tensordot(weights, values, axes=1)


def unpack_elements(raw: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """32-bit results, pixel after pixel -> (C, H, W) int64."""
    channels, height, width = shape
    values = np.frombuffer(raw, "<i4", count=channels * height * width)
    return values.reshape(height, width, channels).transpose(2, 0, 1).astype(np.int64)


def lane_map(tiling: Tiling) -> np.ndarray:
    """(words, Dk): which element of a filter's (C, kh, kw) meets each lane of each word; -1 none.

    A word holds Dk channels at a kernel position. When neighbours are packed (tiling.window), it
    holds all channels of several kernel columns, the last column in the lowest slot.
    """
    shape, lanes = tiling.shape, tiling.config.dk
    height, width = shape.kernel
    columns, slot = tiling.window or 1, tiling.channel_bits // tiling.config.q
    channels = tiling.chunks * lanes
    if tiling.window:
        channels = slot
    filters = np.full((channels, height, tiling.words_per_row * columns), -1)
    filters[: shape.channels, :, :width] = np.arange(shape.depth).reshape(-1, height, width)
    places = filters.reshape(channels, height, tiling.words_per_row, columns)[..., ::-1]
    words = places.transpose(1, 2, 3, 0).reshape(height * tiling.words_per_row, -1)
    if tiling.window:
        words = np.pad(words, ((0, 0), (0, lanes - columns * slot)), constant_values=-1)
    return words.reshape(-1, lanes)


def pack_weights(codes: np.ndarray, tiling: Tiling, lanes: np.ndarray | None = None) -> bytes:
    """codes (M, C, kh, kw) -> row tiles; in each the parts of K, filled up to a whole bus word.

    lanes: (words, Dk), or (M, words, Dk) when rows differ: which element of a row's filter meets
    each lane, -1 for none; default: `lane_map`. Zeros fill the last part.
    """
    config, precision = tiling.config, tiling.shape.weights
    filters = precision.check(codes).reshape(len(codes), -1)
    filters = np.pad(filters, ((0, tiling.row_tiles * config.dm - len(filters)), (0, 1)))
    elements = lane_map(tiling) if lanes is None else lanes
    tiles = []
    for tile, (digits, bipolar) in enumerate(
        zip(tiling.row_digits, tiling.row_bipolar, strict=True)
    ):
        rows = slice(tile * config.dm, (tile + 1) * config.dm)
        words = _words(filters[rows], elements[rows] if elements.ndim == 3 else elements)
        spare = tiling.k_words * tiling.weight_turns - words.shape[1]
        words = np.pad(words, ((0, 0), (0, spare), (0, 0)))
        for part in np.split(words > 0 if bipolar else words, tiling.weight_turns, axis=1):
            planes = _planes(part, digits, config.p)
            bits = np.zeros((digits, tiling.k_words, config.dm, config.lhs_word_bits), np.uint8)
            flat = planes.transpose(0, 2, 1, 3, 4).reshape(*bits.shape[:3], config.lhs_bits)
            bits[..., : config.lhs_bits] = flat
            tiles.append(_bytes(bits.reshape(-1), config.bus_bytes))
    return b"".join(tiles)


def _words(filters: np.ndarray, elements: np.ndarray) -> np.ndarray:
    """(rows, k_words, Dk) codes: the elements of each row's filter, the last of which is zero."""
    if elements.ndim == 2:
        return filters[:, elements]
    rows = np.full((len(filters), *elements.shape[1:]), -1)  # those that fill a tile have no filter
    rows[: len(elements)] = elements
    return np.take_along_axis(filters, rows.reshape(len(rows), -1), axis=1).reshape(rows.shape)


def _entries(values: list[int], bus_bytes: int) -> bytes:
    size = ENTRY_BITS // 8
    raw = b"".join(value.to_bytes(size, "little") for value in values)
    return raw + bytes(-len(raw) % bus_bytes)


def pack_params(multiplier: np.ndarray, offset: np.ndarray, tiling: Tiling) -> bytes:
    """(M,) or (thresholds, M) multipliers and offsets -> the requantizer table.

    Row tile, threshold, row; rows that pad a tile are zeros.
    """
    dm, values = tiling.config.dm, []
    pairs = np.stack([np.atleast_2d(multiplier), np.atleast_2d(offset)], axis=-1)
    for begin in range(0, pairs.shape[1], dm):
        for rows in pairs[:, begin : begin + dm]:
            values += [pack(PARAM, {"multiplier": int(m), "offset": int(b)}) for m, b in rows]
            values += [0] * (dm - len(rows))
    return _entries(values, tiling.config.bus_bytes)


def pack_taps(tiling: Tiling) -> bytes:
    """The tap table."""
    return _entries(
        [
            pack(TAP, {"offset": t.offset, "rotate": t.rotate, "dy": t.dy, "dx": t.dx})
            for t in tiling.taps
        ],
        tiling.config.bus_bytes,
    )


def pack_rows(tiling: Tiling, offsets: Sequence[int] | None = None) -> bytes:
    """The row table. offsets: rhs words that each row tile adds (default: the tiling's)."""
    rows = zip(
        tiling.row_digits,
        tiling.row_bipolar,
        tiling.row_reads[0] if offsets is None else offsets,
        strict=True,
    )
    return _entries(
        [
            pack(ROW, {"digits": digits, "bipolar": int(bipolar), "offset": offset})
            for digits, bipolar, offset in rows
        ],
        tiling.config.bus_bytes,
    )
