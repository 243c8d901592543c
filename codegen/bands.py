"""Layers whose input exceeds the activation banks: bands of output rows, one after the other.

Tensors lie in raster order, so a band of rows is one stretch of memory on both sides. A band is a
layer of its own for the device: the same weights over neighbouring input rows, with a padding that
says where those lie; it is negative where they begin above the band's first window. Both ends of a
band begin on a bus word: output rows are cut where they do, and input rows are read from the last
one above that does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile

from codegen.buffers import power_of_two
from codegen.overlap import choose, cycles_in_turn
from codegen.schedule import Addresses, Plan
from codegen.tiling import Tiling
from codegen.words import ceil_div
from hw.config import MEMORY_WIDTHS
from ir.errors import CapacityError, ConfigError


@dataclass(frozen=True, kw_only=True)
class Band:
    """Rows of a layer's output as a job of their own; a layer that fits is a single band.

    tiling, plan: of the job. in_row, out_row: rows of the layer's input and output with which it
    begins.
    """

    tiling: Tiling
    plan: Plan = Plan(ahead=0)
    in_row: int = 0
    out_row: int = 0

    def addresses(self, layer: Addresses) -> Addresses:
        """Where its data lies when the layer's lies at `layer`."""
        tiling, shape = self.tiling, self.tiling.shape
        before = self.in_row * shape.width * tiling.a_digits
        first, *others = (
            place + before * bits // 8
            for place, bits in zip((layer.input, *layer.others), tiling.part_bits, strict=True)
        )
        written = self.out_row * shape.out_width * tiling.pixel_bits // 8
        return replace(layer, input=first, others=tuple(others), output=layer.output + written)


def in_bands(layer: Tiling) -> list[Band]:
    """The layer as a whole if it fits, else in as few bands as the activation banks allow.

    Bands are as long as can be, or of equal length: whichever the cycle model says is faster.
    CapacityError names the buffer that is too small, and what would do.
    """
    if _fits(layer):
        return [Band(tiling=layer.check())]
    cut = _Cut(layer=layer)
    longest = cut.longest()
    choices = [longest, cut.equal(len(longest))]
    if choices[0] == choices[1] or not all(_fits(band.tiling) for band in choices[1]):
        choices.pop()
    for band in longest:
        band.tiling.check()
    return min(choices, key=lambda bands: cycles_in_turn([band.tiling for band in bands]))


def planned(layers: Sequence[Sequence[Band]]) -> list[list[Band]]:
    """The bands of each layer with the order of their tiles and fetches, chosen for all of them."""
    chosen = iter(choose([band.tiling for bands in layers for band in bands]))
    return [
        [
            replace(band, tiling=tiling, plan=plan)
            for band, (tiling, plan) in zip(bands, chosen, strict=False)
        ]
        for bands in layers
    ]


def _fits(tiling: Tiling) -> bool:
    return tiling.rhs_words <= tiling.config.rhs_depth


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """Where a layer can be cut."""

    layer: Tiling

    @cached_property
    def in_grain(self) -> int:
        """Input rows of which every tensor has the first on a bus word."""
        layer = self.layer
        width = layer.shape.width * layer.a_digits
        return self._grain([width * bits for bits in layer.part_bits])

    @cached_property
    def out_grain(self) -> int:
        """Output rows that are whole bus words."""
        return self._grain([self.layer.shape.out_width * self.layer.pixel_bits])

    def _grain(self, row_bits: Sequence[int]) -> int:
        """Rows, of so many bits in each tensor, that are whole bus words."""
        bus = self.layer.config.memory_bits
        return math.lcm(*(bus // math.gcd(bus, bits) for bits in row_bits))

    def band(self, begin: int, end: int) -> Band:
        """Output rows [begin, end), and the input rows that their windows reach."""
        shape = self.layer.shape
        top = begin * shape.stride - shape.padding[0]
        bottom = top + (end - 1 - begin) * shape.stride + (shape.kernel[0] - 1) * shape.dilation
        first = min(max(top, 0), shape.height - 1) // self.in_grain * self.in_grain
        rows = replace(
            shape,
            height=max(min(bottom + 1, shape.height) - first, 1),
            out_height=end - begin,
            padding=(first - top, shape.padding[1]),
        )
        return Band(tiling=replace(self.layer, shape=rows), in_row=first, out_row=begin)

    def equal(self, count: int) -> list[Band]:
        """Up to `count` bands of equal length; the last one is of what is left."""
        height = self.layer.shape.out_height
        rows = ceil_div(height, count * self.out_grain) * self.out_grain
        return [self.band(begin, min(begin + rows, height)) for begin in range(0, height, rows)]

    def longest(self) -> list[Band]:
        """Each as long as it can be. CapacityError where one grain does not fit."""
        height, found, begin = self.layer.shape.out_height, [], 0
        while begin < height:
            ends = [*range(begin + self.out_grain, height, self.out_grain), height]
            tried = (self.band(begin, end) for end in ends)
            fitting = list(takewhile(lambda band: _fits(band.tiling), tried))
            if not fitting:
                raise self._refusal()
            found.append(fitting[-1])
            begin = ends[len(fitting) - 1]
        return found

    @property
    def least_words(self) -> int:
        """Words in a bank that the shortest bands need."""
        return max(band.tiling.rhs_words for band in self.equal(self.layer.shape.out_height))

    def _refusal(self) -> CapacityError:
        """What the layer and its shortest bands need, why they are not shorter, what would do."""
        shape, config, rows = self.layer.shape, self.layer.config, self.out_grain
        needs = f"{self.layer.rhs_words}"
        way = f"take a rhs_depth of {power_of_two(self.least_words)}"
        if rows < shape.out_height:
            needs += f", or {self.least_words} in bands of {rows}x{shape.out_width} pixels"
        if max(rows, self.in_grain) > 1:
            way = (
                f"bands begin on bus words of {config.memory_bits} bits: output row {rows}, input "
                f"row {self.in_grain} and their multiples; {way}{self._narrower()}"
            )
        return CapacityError(
            f"layer {shape.name!r} needs rhs_depth (words of the input) = {needs}, the overlay has "
            f"{config.rhs_depth}; {way}"
        )

    def _narrower(self) -> str:
        """Or the widest memory port with which bands are short enough, where there is one."""
        config = self.layer.config
        for bits in sorted(MEMORY_WIDTHS, reverse=True):
            with suppress(ConfigError):  # too narrow for the array's rows
                narrow = replace(self.layer, config=replace(config, memory_bits=bits))
                if bits < config.memory_bits and _Cut(layer=narrow).least_words <= config.rhs_depth:
                    return f", or memory_bits of {bits}"
        return ""
