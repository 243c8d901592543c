"""How the channels of a layer's tensors and rows of weights fill the overlay's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from codegen.shape import LayerShape
from hw.config import OverlayConfig, padded_bits
from ir.isa import SLOT_BITS


def ceil_div(a: int, b: int) -> int:
    """a / b rounded up."""
    return -(-a // b)


def device_channels(channels: int) -> int:
    """Bits of a pixel's plane in a tensor that the overlay writes: whole bytes."""
    return 8 * ceil_div(channels, 8)


def channel_words(parts: Sequence[int], dk: int) -> np.ndarray:
    """(channels,): the word in which each channel of tensors side by side lies."""
    places, first = [], 0
    for part in parts:
        places.append(first + np.arange(part) // dk)
        first += ceil_div(part, dk)
    return np.concatenate(places)


@dataclass(frozen=True, kw_only=True)
class Words:
    """A layer's words on an overlay. from_host: the driver packed the input, no layer wrote it."""

    shape: LayerShape
    config: OverlayConfig
    from_host: bool

    # of a pixel

    @cached_property
    def part_words(self) -> tuple[int, ...]:
        """Words of Dk channels that each tensor takes in a plane of a pixel."""
        return tuple(ceil_div(part, self.config.dk) for part in self.shape.parts)

    @property
    def chunks(self) -> int:
        """Words of a plane of a pixel: every tensor's, one after the other."""
        return sum(self.part_words)

    @cached_property
    def operand_words(self) -> tuple[tuple[int, int], ...]:
        """(first, count) of each operand's words in a plane of a pixel."""
        found, part, first = [], 0, 0
        for operand in self.shape.operands:
            count = sum(self.part_words[part : part + len(operand)])
            found.append((first, count))
            part, first = part + len(operand), first + count
        return tuple(found)

    @property
    def a_digits(self) -> int:
        """Digit-planes of the activations."""
        return ceil_div(self.shape.activations.bits, self.config.q)

    @property
    def out_digits(self) -> int:
        """Digit-planes of the output."""
        return ceil_div(self.shape.out_bits, self.config.q)

    @property
    def channel_bits(self) -> int:
        """Bits of a pixel's plane in the first tensor that is fetched."""
        return self.part_bits[0]

    @cached_property
    def part_bits(self) -> tuple[int, ...]:
        """Bits of a pixel's plane in each tensor that is fetched."""
        bits = [part * self.config.q for part in self.shape.parts]
        if self.from_host and len(bits) == 1:
            return (self._host_bits(bits[0]),)
        return tuple(device_channels(count) for count in bits)

    def _host_bits(self, bits: int) -> int:
        """The same, for a plane of `bits` in a tensor that the driver packs."""
        packs = self._may_pack and 2 * bits <= self.config.rhs_bits
        slot = next((slot for slot in SLOT_BITS if slot >= bits), 0)
        return slot if packs and slot else padded_bits(bits)

    @property
    def _may_pack(self) -> bool:
        """Whether every row reads all neighbours of one tensor, with zeros around it."""
        shape = self.shape
        whole = len(shape.parts) == shape.groups == shape.dilation == 1
        return whole and shape.kernel[1] > 1 and not shape.pad_ones and not shape.largest

    @property
    def pixel_input_bits(self) -> int:
        """Bits of a pixel of the first tensor that is fetched."""
        return self.a_digits * self.channel_bits

    # of the rows of weights

    @property
    def row_tiles(self) -> int:
        """Tm."""
        return ceil_div(self.shape.rows, self.config.dm)

    @cached_property
    def row_reads(self) -> tuple[tuple[int, ...], int]:
        """(first word of each row tile, words that any reads), in each operand.

        A row tile of a layer in groups reads the words in which its groups' channels lie.
        """
        shape, dm = self.shape, self.config.dm
        if shape.groups == 1:
            return (0,) * self.row_tiles, self.operand_words[0][1]
        rows, channels = shape.rows // shape.groups, shape.channels // shape.groups
        places = [channel_words(operand, self.config.dk) for operand in shape.operands]
        firsts, ends = [], []
        for begin in range(0, shape.rows, dm):
            end = min(begin + dm, shape.rows)
            first = begin // rows * channels
            last = ((end - 1) // rows + 1) * channels - 1
            firsts.append(min(int(place[first]) for place in places))
            ends.append(max(int(place[last]) for place in places) + 1)
        span = max(end - first for first, end in zip(firsts, ends, strict=True))
        most = max(count for _, count in self.operand_words) - span  # zeros meet what lies behind
        return tuple(min(first, max(most, 0)) for first in firsts), span

    @cached_property
    def row_digits(self) -> tuple[int, ...]:
        """Digit-planes of each row tile's weights: those of its widest row."""
        return tuple(ceil_div(bits, self.config.p) for bits in self._tile_bits)

    @cached_property
    def row_bipolar(self) -> tuple[bool, ...]:
        """Whether each row tile's weights are bits that mean {-1, +1}."""
        return tuple(self._bipolar_rows and bits == 1 for bits in self._tile_bits)

    @property
    def _bipolar_rows(self) -> bool:
        """Whether rows of one signed bit are coded as bits: wider digits hold -1.

        There is no bit for a zero: such rows take all that is in the words they read. The channels
        of other groups, and ones beyond the last channel, are none of theirs; then they get 2 bits.
        """
        shape = self.shape
        whole = shape.groups == 1 and not (
            shape.pad_ones and any(part % self.config.dk for part in shape.parts)
        )
        bipolar = shape.weights.bipolar or (shape.row_bits is not None and shape.weights.signed)
        return bipolar and whole and self.config.column_sums

    @cached_property
    def _tile_bits(self) -> tuple[int, ...]:
        """Bits of the widest row of each row tile."""
        shape, dm = self.shape, self.config.dm
        bits = shape.row_bits or (shape.weights.bits,) * shape.rows
        if (shape.weights.bipolar or shape.row_bits) and shape.weights.signed:
            bits = tuple(max(count, 1 if self._bipolar_rows else 2) for count in bits)
        return tuple(max(bits[i : i + dm]) for i in range(0, len(bits), dm))
