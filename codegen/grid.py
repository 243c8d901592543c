"""Where the pixels of a layer's input lie on the chip, and which of them a column tile needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from codegen.words import Words, ceil_div
from ir.isa import SLOT_BITS, Stage, most


@dataclass(frozen=True, kw_only=True)
class Grid(Words):
    """The grid of pixels that column tiles walk over, in the activation banks.

    A bank holds every Dn-th pixel; a stride sorts pixels into phases, so that neighbouring outputs
    read neighbouring words.
    """

    # neighbours in a word

    @cached_property
    def window(self) -> int:
        """Kernel columns packed into a word (0: none), so that few channels still fill it.

        Neighbours are packed as they arrive, zeros beyond the image's edges: the padding must not
        reach past the first word, and strides take the whole kernel row in one word. Bipolar
        weights see the sum of all lanes, so their words hold nothing beyond the kernel.
        """
        shape, config = self.shape, self.config
        if not self._may_pack or self.channel_bits not in SLOT_BITS:
            return 0
        most = min(config.rhs_bits // self.channel_bits, shape.kernel[1])
        while any(self.row_bipolar) and most and shape.kernel[1] % most:
            most -= 1
        if most < 2 or shape.padding[1] >= most or (shape.stride > 1 and most < shape.kernel[1]):
            return 0
        return most

    @property
    def words_per_row(self) -> int:
        """Words of a plane in a row of the kernel: kernel columns, or groups of packed ones."""
        return ceil_div(self.shape.kernel[1], self.window or 1)

    @property
    def stream_width(self) -> int:
        """Positions of a row of the input on the chip: pixels, or words of packed neighbours."""
        if not self.window:
            return self.shape.width
        return self.shape.out_width + (self.words_per_row - 1) * self.window

    @property
    def pushes(self) -> int:
        """Positions of a row as it passes: its pixels, and for the packer zeros on its right."""
        if not self.window:
            return self.shape.width
        last = (self.stream_width - 1) * self.shape.stride + self.window - self.shape.padding[1]
        return max(self.shape.width, last)

    # the grid

    @property
    def virtual_width(self) -> int:
        """Row width of the grid of input phases and output: one offset serves all columns."""
        if self.window:
            return self.stream_width
        return max(ceil_div(self.shape.width, self.shape.stride), self.shape.out_width)

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
    def tile_stride(self) -> int:
        """Words of a pixel: planes * chunks."""
        return self.a_digits * self.chunks

    @property
    def phase_words(self) -> int:
        """Words of one phase in a bank."""
        rows = ceil_div(self.shape.height, self.shape.stride)
        return ceil_div(rows * self.virtual_width, self.config.dn) * self.tile_stride

    @property
    def phases_per_row(self) -> int:
        """Phases that the pixels of a row fall into: packed neighbours need but one."""
        return 1 if self.window else self.shape.stride

    @property
    def rhs_words(self) -> int:
        """Words of the layer's input in a bank."""
        return self.phase_words * self.phases_per_row * self.shape.stride

    # its arrival

    @cached_property
    def positions_needed(self) -> np.ndarray:
        """(col_tiles,) input positions, in stream order, that each column tile must wait for."""
        shape = self.shape
        place = np.arange(self.col_tiles * self.config.dn)
        y = np.minimum(place // self.virtual_width, shape.out_height - 1)
        x = np.minimum(place % self.virtual_width, shape.out_width - 1)
        reach_y, reach_x = ((size - 1) * shape.dilation for size in shape.kernel)
        low_y = y * shape.stride + reach_y - shape.padding[0]
        low_x = x * shape.stride + reach_x - shape.padding[1]
        if self.window:
            low_x = x + (self.words_per_row - 1) * self.window
        last = np.clip(low_y, 0, shape.height - 1) * self.stream_width + np.clip(
            low_x, 0, self.stream_width - 1
        )
        reached = np.maximum.accumulate(last)[self.config.dn - 1 :: self.config.dn]
        return reached + 1

    @property
    def input_pixels(self) -> int:
        """Input pixels that are fetched: those behind the last one needed are not."""
        needed = int(self.positions_needed[-1])
        if self.window:
            return ceil_div(needed, self.stream_width) * self.shape.width
        return needed

    @property
    def rhs_tokens(self) -> tuple[int, int, int]:
        """(first, step, total): column tile c waits for min(first + step*c, total) tokens."""
        need = -(-self.positions_needed // self.config.dn)
        step = min(self.shape.stride * self.phases_per_row, most(Stage.EXECUTE, "rhs_step"))
        first = int((need - step * np.arange(len(need))).max())
        return max(first, 1), step, int(need[-1])

    def pixels_before(self, tiles: int) -> int:
        """Input pixels that the first `tiles` column tiles need, up to where a fetch can be cut.

        A cut lies on a bus word that begins a pixel (and, with packed neighbours, a row).
        """
        if tiles >= self.col_tiles or len(self.shape.parts) > 1:
            return self.input_pixels
        first, step, total = self.rhs_tokens
        needed = min(first + step * (tiles - 1), total) * self.config.dn
        grain = self.config.memory_bits // math.gcd(self.config.memory_bits, self.pixel_input_bits)
        if self.window:
            needed = ceil_div(needed, self.stream_width) * self.shape.width
            grain = math.lcm(grain, self.shape.width)
        return min(ceil_div(needed, grain) * grain, self.input_pixels)

    @property
    def input_beats(self) -> int:
        """Bus words of the tensors that are fetched."""
        return sum(
            ceil_div(self.input_pixels * self.a_digits * bits, self.config.memory_bits)
            for bits in self.part_bits
        )
