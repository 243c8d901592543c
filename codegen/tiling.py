"""How a layer is cut into the overlay's tiles, words and buffers: pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from codegen.shape import LayerShape
from hw.config import OverlayConfig, padded_bits
from ir.errors import CapacityError
from ir.isa import ENTRY_BITS


def ceil_div(a: int, b: int) -> int:
    """a / b rounded up."""
    return -(-a // b)


def device_channels(channels: int) -> int:
    """Bits of a pixel's plane in a tensor that the overlay writes: whole bytes."""
    return 8 * ceil_div(channels, 8)


@dataclass(frozen=True, kw_only=True)
class Tap:
    """A kernel position: where its pixels lie relative to a column tile."""

    offset: int
    rotate: int
    dy: int
    dx: int


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """A layer on an overlay. from_host: the driver packed the input, no layer wrote it."""

    shape: LayerShape
    config: OverlayConfig
    from_host: bool

    # the matrix product

    @property
    def row_tiles(self) -> int:
        """Tm."""
        return ceil_div(self.shape.rows, self.config.dm)

    @property
    def chunks(self) -> int:
        """Words of Dk channels at a kernel position."""
        return ceil_div(self.shape.channels, self.config.dk)

    @property
    def k_words(self) -> int:
        """Tk: words of a digit pair."""
        return self.chunks * self.shape.kernel[0] * self.shape.kernel[1]

    @property
    def virtual_pixels(self) -> int:
        """Columns the tiles walk over: output pixels, and what the virtual width adds to rows."""
        shape = self.shape
        return (shape.out_height - 1) * self.virtual_width + shape.out_width

    @property
    def col_tiles(self) -> int:
        """Tn."""
        return ceil_div(self.virtual_pixels, self.config.dn)

    @property
    def columns(self) -> int:
        """Array columns that hold pixels."""
        return min(self.config.dn, self.virtual_pixels)

    @property
    def words_per_tile(self) -> int:
        """Cycles the array works on a tile."""
        return self.k_words * self.shape.weights.bits * self.shape.activations.bits

    # activations on the chip

    @property
    def virtual_width(self) -> int:
        """Row width of the grid of input phases and output: one offset serves all columns."""
        return max(ceil_div(self.shape.width, self.shape.stride), self.shape.out_width)

    @property
    def tile_stride(self) -> int:
        """Words of a pixel: planes * chunks."""
        return self.shape.activations.bits * self.chunks

    @property
    def phase_words(self) -> int:
        """Words of one of the stride^2 phases in a bank."""
        rows = ceil_div(self.shape.height, self.shape.stride)
        return ceil_div(rows * self.virtual_width, self.config.dn) * self.tile_stride

    @property
    def rhs_words(self) -> int:
        """Words of the layer's input in a bank."""
        return self.phase_words * self.shape.stride**2

    @cached_property
    def taps(self) -> list[Tap]:
        """The tap table, in the order of the weights: kernel rows, then columns."""
        shape, taps = self.shape, []
        for ky in range(shape.kernel[0]):
            for kx in range(shape.kernel[1]):
                dy, dx = ky - shape.padding, kx - shape.padding
                pixel = dy // shape.stride * self.virtual_width + dx // shape.stride
                phase = dy % shape.stride * shape.stride + dx % shape.stride
                tiles, rotate = divmod(pixel, self.config.dn)
                taps.append(
                    Tap(
                        offset=phase * self.phase_words + tiles * self.tile_stride,
                        rotate=rotate,
                        dy=dy,
                        dx=dx,
                    )
                )
        return taps

    @cached_property
    def pixels_needed(self) -> np.ndarray:
        """(col_tiles,) input pixels, in raster order, that each column tile must wait for."""
        shape = self.shape
        place = np.arange(self.col_tiles * self.config.dn)
        y = np.minimum(place // self.virtual_width, shape.out_height - 1)
        x = np.minimum(place % self.virtual_width, shape.out_width - 1)
        low_y, low_x = (
            y * shape.stride + shape.kernel[0] - 1 - shape.padding,
            x * shape.stride + shape.kernel[1] - 1 - shape.padding,
        )
        last = np.clip(low_y, 0, shape.height - 1) * shape.width + np.clip(
            low_x, 0, shape.width - 1
        )
        reached = np.maximum.accumulate(last)[self.config.dn - 1 :: self.config.dn]
        return reached + 1

    @property
    def input_pixels(self) -> int:
        """Input pixels that are fetched: those behind the last one needed are not."""
        return int(self.pixels_needed[-1])

    @property
    def rhs_tokens(self) -> tuple[int, int, int]:
        """(first, step, total): column tile c waits for min(first + step*c, total) tiles."""
        need = -(-self.pixels_needed // self.config.dn)
        step = min(self.shape.stride**2, 255)
        first = int((need - step * np.arange(len(need))).max())
        return max(first, 1), step, int(need[-1])

    # weights on the chip

    @property
    def lhs_words(self) -> int:
        """Words of a row tile in a bank."""
        return self.k_words * self.shape.weights.bits

    @property
    def lhs_stream(self) -> bool:
        """Whether the weights do not stay on the chip and come anew for every column tile."""
        return self.lhs_words * self.row_tiles > self.config.lhs_depth

    # memory

    @property
    def channel_bits(self) -> int:
        """Bits of a pixel's plane in the input tensor."""
        pad = padded_bits if self.from_host else device_channels
        return pad(self.shape.channels)

    @property
    def tail_bits(self) -> int:
        """Bits of the last chunk of a pixel's plane."""
        return self.channel_bits - (self.chunks - 1) * self.config.dk

    @property
    def input_beats(self) -> int:
        """Bus words of the input that are fetched."""
        bits = self.input_pixels * self.shape.activations.bits * self.channel_bits
        return ceil_div(bits, self.config.memory_bits)

    @property
    def word_bits(self) -> int:
        """Bits of a weight word in memory."""
        return padded_bits(self.config.dk)

    @property
    def row_tile_beats(self) -> int:
        """Bus words of a row tile's weights."""
        return ceil_div(self.lhs_words * self.config.dm * self.word_bits, self.config.memory_bits)

    @property
    def param_rows(self) -> int:
        """Rows of requant_lanes entries in the requantizer table."""
        return self.row_tiles * self.config.row_groups

    @property
    def param_beats(self) -> int:
        """Bus words of the requantizer table."""
        return ceil_div(
            self.param_rows * self.config.requant_lanes * ENTRY_BITS, self.config.memory_bits
        )

    @property
    def tap_beats(self) -> int:
        """Bus words of the tap table."""
        return ceil_div(len(self.taps) * ENTRY_BITS, self.config.memory_bits)

    # results

    @property
    def row_bits(self) -> int:
        """Bits of a pixel's plane in the output, or of a pixel when elements are written."""
        return self.shape.rows * 32 if self.shape.elements else device_channels(self.shape.rows)

    @property
    def pixel_bits(self) -> int:
        """Bits of a pixel in the output tensor."""
        return self.row_bits * (1 if self.shape.elements else self.shape.out_bits)

    @property
    def steps(self) -> int:
        """Ring writes of a column: planes, or rows as elements."""
        return self.config.dm if self.shape.elements else self.shape.out_bits

    @property
    def period(self) -> int:
        """Cycles that draining a column takes."""
        return max(self.config.row_groups, self.steps)

    @property
    def ring_words(self) -> int:
        """Ring words that a column tile may occupy."""
        return ceil_div(self.columns * self.pixel_bits, self.config.memory_bits) + 1

    @property
    def output_bytes(self) -> int:
        """Bytes of the output tensor, to the end of its last bus word."""
        bits = self.shape.pixels * self.pixel_bits
        return ceil_div(bits, self.config.memory_bits) * self.config.bus_bytes

    def check(self) -> Tiling:
        """Itself, or a CapacityError that says which buffer is too small and by how much."""
        config, name = self.config, self.shape.name
        for what, needs, has in (
            ("lhs_depth (words of a row tile's weights)", self.lhs_words, config.lhs_depth),
            ("rhs_depth (words of the input)", self.rhs_words, config.rhs_depth),
            (
                "ring_depth - 1 (bus words of a column tile's results)",
                self.ring_words,
                config.ring_depth - 1,
            ),
            ("table_depth / 2 (requantizer rows)", self.param_rows, config.table_depth // 2),
            ("table_depth / 2 (kernel positions)", len(self.taps), config.table_depth // 2),
        ):
            if needs > has:
                raise CapacityError(f"layer {name!r} needs {what} = {needs}, the overlay has {has}")
        return self
