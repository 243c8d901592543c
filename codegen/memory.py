"""Memory images: how tensors, weights and tables lie in external memory, and back.

An activation tensor is one string of bits: pixel after pixel in raster order, in a pixel plane
after plane, most significant first, in a plane channel after channel, padded to whole bytes (1, 2
and 4 channels of a host's tensor are kept). Weights lie as the array meets them: row tile, plane,
word, row. All little-endian, least significant bit first.
"""

from __future__ import annotations

import numpy as np

from codegen.tiling import Tiling
from hw.config import OverlayConfig
from ir.isa import ENTRY_BITS, PARAM, TAP, pack
from ir.precision import Precision


def _bytes(bits: np.ndarray, bus_bytes: int) -> bytes:
    """A flat array of bits as bytes, filled up to a whole bus word."""
    raw = np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()
    return raw + bytes(-len(raw) % bus_bytes)


def _planes(precision: Precision, codes: np.ndarray) -> np.ndarray:
    """(bits, ...) digit planes, most significant first."""
    return precision.planes(codes)[::-1]


def pack_activations(
    codes: np.ndarray, precision: Precision, *, channel_bits: int, bus_bytes: int
) -> bytes:
    """codes (C, H, W) -> the tensor's bytes, with `channel_bits` bits for a pixel's plane."""
    channels, height, width = codes.shape
    planes = _planes(precision, codes).reshape(precision.bits, channels, height * width)
    bits = np.zeros((height * width, precision.bits, channel_bits), np.uint8)
    bits[:, :, :channels] = planes.transpose(2, 0, 1)
    return _bytes(bits.reshape(-1), bus_bytes)


def unpack_activations(
    raw: bytes, precision: Precision, shape: tuple[int, int, int], *, channel_bits: int
) -> np.ndarray:
    """Inverse of `pack_activations`: (C, H, W) int64."""
    channels, height, width = shape
    count = height * width * precision.bits * channel_bits
    bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")[:count]
    planes = bits.reshape(height * width, precision.bits, channel_bits)[:, ::-1, :channels]
    return precision.from_planes(planes.transpose(1, 2, 0)).reshape(shape)


def unpack_elements(raw: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """32-bit results, pixel after pixel -> (C, H, W) int64."""
    channels, height, width = shape
    values = np.frombuffer(raw, "<i4", count=channels * height * width)
    return values.reshape(height, width, channels).transpose(2, 0, 1).astype(np.int64)


def pack_weights(codes: np.ndarray, tiling: Tiling) -> bytes:
    """codes (M, C, kh, kw) -> row tiles, each filled up to a whole bus word."""
    config, precision = tiling.config, tiling.shape.weights
    rows, channels, height, width = codes.shape
    planes = _planes(precision, codes)
    words = np.zeros(
        (precision.bits, tiling.row_tiles * config.dm, height * width, tiling.chunks * config.dk),
        np.uint8,
    )
    words[:, :rows, :, :channels] = planes.reshape(
        precision.bits, rows, channels, height * width
    ).transpose(0, 1, 3, 2)
    words = words.reshape(precision.bits, tiling.row_tiles, config.dm, tiling.k_words, config.dk)
    tiles = np.zeros(
        (tiling.row_tiles, precision.bits, tiling.k_words, config.dm, tiling.word_bits), np.uint8
    )
    tiles[..., : config.dk] = words.transpose(1, 0, 3, 2, 4)
    return b"".join(_bytes(tile.reshape(-1), config.bus_bytes) for tile in tiles)


def _entries(values: list[int], bus_bytes: int) -> bytes:
    size = ENTRY_BITS // 8
    raw = b"".join(value.to_bytes(size, "little") for value in values)
    return raw + bytes(-len(raw) % bus_bytes)


def pack_params(multiplier: np.ndarray, offset: np.ndarray, tiling: Tiling) -> bytes:
    """(M,) multipliers and offsets -> the requantizer table; rows that pad a tile are zeros."""
    values = [
        pack(PARAM, {"multiplier": int(m), "offset": int(b)})
        for m, b in zip(multiplier, offset, strict=True)
    ]
    values += [0] * (tiling.row_tiles * tiling.config.dm - len(values))
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


class Regions:
    """Hands out addresses, each region beginning on a 64-byte boundary."""

    ALIGN = 64

    def __init__(self, config: OverlayConfig) -> None:
        self._align = max(self.ALIGN, config.bus_bytes)
        self._next = 0

    def take(self, size: int) -> int:
        """Address of a new region of `size` bytes."""
        address = self._next
        self._next += size + -size % self._align
        return address

    @property
    def size(self) -> int:
        """Bytes in use."""
        return self._next
