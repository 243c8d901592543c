"""How a layer is cut into the overlay's tiles, words and buffers: pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from codegen.k_split import KSplit, split_k
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


def channel_words(parts: Sequence[int], dk: int) -> np.ndarray:
    """(channels,): the word in which each channel of tensors side by side lies."""
    places, first = [], 0
    for part in parts:
        places.append(first + np.arange(part) // dk)
        first += ceil_div(part, dk)
    return np.concatenate(places)


MOST_PERIOD = 255
"""Cycles that a column may take to drain: the instruction's field."""

SLOT_BITS = (4, 8, 16, 32)
"""Bits of a pixel's plane with which neighbours can be packed into one word."""


@dataclass(frozen=True, kw_only=True)
class Tap:
    """A kernel position: where its pixels lie relative to a column tile."""

    offset: int
    rotate: int
    dy: int
    dx: int


@dataclass(frozen=True, kw_only=True)
class Order:
    """In which order a layer's tiles run: column tiles of the first and of each further block.

    resident: the weights stay on the chip until the last block; else they come for each block.
    """

    block_first: int = 1
    block: int = 1
    resident: bool = True


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """A layer on an overlay. from_host: the driver packed the input, no layer wrote it."""

    shape: LayerShape
    config: OverlayConfig
    from_host: bool
    order: Order = Order()

    # the matrix product

    @property
    def row_tiles(self) -> int:
        """Tm."""
        return ceil_div(self.shape.rows, self.config.dm)

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

    @property
    def k_words(self) -> int:
        """Tk: words of a digit pair in a turn."""
        return self.chunk_words * self.tap_count // self.turns

    @property
    def turns(self) -> int:
        """Times that a tile is computed, each with further kernel positions.

        A maximum takes one for each kernel position, and shares the weights among them.
        """
        return self._places if self.shape.largest else self.k_split.parts

    @property
    def _places(self) -> int:
        """Kernel positions of all operands."""
        return len(self.operand_words) * self.shape.kernel[0] * self.words_per_row

    @property
    def tap_count(self) -> int:
        """Entries of the tap table."""
        entries = self._places * self.row_reads[1] // self.chunk_words
        return ceil_div(entries, self.weight_turns) * self.weight_turns

    @property
    def weight_turns(self) -> int:
        """Turns that take weights of their own."""
        return self.k_split.parts

    @property
    def chunk_words(self) -> int:
        """Words of a plane that an entry of the tap table reads."""
        return self.k_split.chunk_words or self.row_reads[1]

    @property
    def splittable(self) -> bool:
        """Whether its sums can be taken in parts: rows of a group read few words, and no sums."""
        return self.shape.groups == 1 and not self.shape.largest

    @cached_property
    def k_split(self) -> KSplit:
        """How K is cut where a row tile's weights exceed the banks."""
        config = self.config
        if not (config.k_split and self.splittable):
            return KSplit()
        span = self.row_reads[1]
        return split_k(
            words=span * self._places,
            span=span,
            most=config.lhs_depth // max(self.row_digits),
            entries=config.table_depth // 2,
            exact=any(self.row_bipolar),
            overlap=self.col_tiles == 1 < self.row_tiles,  # weights pass once, in parts or not
        )

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
        return bipolar and whole and self.config.p == 1

    @cached_property
    def _tile_bits(self) -> tuple[int, ...]:
        """Bits of the widest row of each row tile."""
        shape, dm = self.shape, self.config.dm
        bits = shape.row_bits or (shape.weights.bits,) * shape.rows
        if (shape.weights.bipolar or shape.row_bits) and shape.weights.signed:
            bits = tuple(max(count, 1 if self._bipolar_rows else 2) for count in bits)
        return tuple(max(bits[i : i + dm]) for i in range(0, len(bits), dm))

    @property
    def a_digits(self) -> int:
        """Digit-planes of the activations."""
        return ceil_div(self.shape.activations.bits, self.config.q)

    @property
    def out_digits(self) -> int:
        """Digit-planes of the output."""
        return ceil_div(self.shape.out_bits, self.config.q)

    @property
    def words_per_tile(self) -> int:
        """Cycles the array works on a row tile of the widest weights."""
        return self.k_words * max(self.row_digits) * self.a_digits

    # activations on the chip

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
    def _may_pack(self) -> bool:
        """Whether every row reads all neighbours of one tensor, with zeros around it."""
        shape = self.shape
        whole = len(shape.parts) == shape.groups == shape.dilation == 1
        return whole and shape.kernel[1] > 1 and not shape.pad_ones and not shape.largest

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
        """Pixels that pass the packer in a row, zeros on its right included."""
        if not self.window:
            return 0
        last = (self.stream_width - 1) * self.shape.stride + self.window - self.shape.padding[1]
        return max(self.shape.width, last)

    @property
    def virtual_width(self) -> int:
        """Row width of the grid of input phases and output: one offset serves all columns."""
        if self.window:
            return self.stream_width
        return max(ceil_div(self.shape.width, self.shape.stride), self.shape.out_width)

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

    @cached_property
    def taps(self) -> list[Tap]:
        """The tap table, in the order of the weights.

        Operands; in each kernel rows, then columns or their groups; in each, where K is split, the
        parts of its words. Zeros meet the entries that fill the last part.
        """
        words = self.chunk_words
        taps = [
            replace(tap, offset=tap.offset + chunk)
            for tap in self._positions
            for chunk in range(0, self.row_reads[1], words)
        ]
        return taps + [taps[0]] * (-len(taps) % self.weight_turns)

    @cached_property
    def _positions(self) -> list[Tap]:
        """The kernel positions of all operands."""
        return [tap for first, _ in self.operand_words for tap in self._taps(first)]

    def _taps(self, first: int) -> list[Tap]:
        """Those of an operand whose words begin at `first`."""
        shape, taps = self.shape, []
        for ky in range(shape.kernel[0]):
            for place in range(self.words_per_row):
                dy = ky * shape.dilation - shape.padding[0]
                dx = place * shape.dilation - shape.padding[1]
                phase = dy % shape.stride * self.phases_per_row
                if self.window:  # the grid begins with the padding, and zeros are in its words
                    pixel, dx = dy // shape.stride * self.virtual_width + place * self.window, 0
                else:
                    pixel = dy // shape.stride * self.virtual_width + dx // shape.stride
                    phase += dx % shape.stride
                tiles, rotate = divmod(pixel, self.config.dn)
                taps.append(
                    Tap(
                        offset=phase * self.phase_words + tiles * self.tile_stride + first,
                        rotate=rotate,
                        dy=dy,
                        dx=dx,
                    )
                )
        return taps

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
        step = min(self.shape.stride * self.phases_per_row, 255)
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

    # weights on the chip

    @property
    def lhs_words(self) -> int:
        """Words of the widest row tile in a bank, in a turn."""
        return self.k_words * max(self.row_digits)

    @property
    def lhs_words_total(self) -> int:
        """Words of all weights in a bank."""
        return self.k_words * self.weight_turns * sum(self.row_digits)

    # memory

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
    def pixel_input_bits(self) -> int:
        """Bits of a pixel of the first tensor that is fetched."""
        return self.a_digits * self.channel_bits

    @property
    def input_beats(self) -> int:
        """Bus words of the tensors that are fetched."""
        return sum(
            ceil_div(self.input_pixels * self.a_digits * bits, self.config.memory_bits)
            for bits in self.part_bits
        )

    @property
    def param_rows(self) -> int:
        """Rows of requant_lanes entries in the requantizer table."""
        return self.row_tiles * self.selects

    @property
    def param_beats(self) -> int:
        """Bus words of the requantizer table."""
        return ceil_div(
            self.param_rows * self.config.requant_lanes * ENTRY_BITS, self.config.memory_bits
        )

    @property
    def tap_table(self) -> bool:
        """Whether the layer needs a tap table: a single tap without offset needs none."""
        return self.taps != [Tap(offset=0, rotate=0, dy=0, dx=0)]

    @property
    def row_table(self) -> bool:
        """Whether row tiles differ, so that the row table says how."""
        return len({*zip(self.row_digits, self.row_bipolar, self.row_reads[0], strict=True)}) > 1

    # results

    @property
    def row_bits(self) -> int:
        """Bits of a pixel's plane in the output, or of a pixel when elements are written."""
        if self.shape.elements:
            return self.shape.rows * 32
        return device_channels(self.shape.rows * self.config.q)

    @property
    def pixel_bits(self) -> int:
        """Bits of a pixel in the output tensor."""
        return self.row_bits * (1 if self.shape.elements else self.out_digits)

    @property
    def steps(self) -> int:
        """Ring writes of a column: planes, or rows as elements."""
        return self.config.dm if self.shape.elements else self.out_digits

    @property
    def period(self) -> int:
        """Cycles that draining a column takes."""
        return max(self.selects, self.steps)

    @property
    def selects(self) -> int:
        """Row groups that are requantized in a column: all of them for each threshold."""
        return self.config.row_groups * self.shape.thresholds

    @property
    def ring_words(self) -> int:
        """Ring words that a column tile may occupy."""
        return ceil_div(self.columns * self.pixel_bits, self.config.memory_bits) + 1

    @property
    def ring_tiles(self) -> int:
        """Column tiles that the result ring holds at a time: the largest block."""
        return (self.config.ring_depth - 1) // self.ring_words

    @property
    def output_bytes(self) -> int:
        """Bytes of the output tensor, to the end of its last bus word."""
        bits = self.shape.pixels * self.pixel_bits
        return ceil_div(bits, self.config.memory_bits) * self.config.bus_bytes

    def check(self) -> Tiling:
        """Itself, or a CapacityError that says which buffer is too small and by how much."""
        config, name = self.config, self.shape.name
        entries = max(self.tap_count, self.row_tiles if self.row_table else 0)
        for what, needs, has in (
            (
                "lhs_depth (words of a row tile's weights"
                + (")" if config.k_split else "; k_split would cut them)"),
                self.lhs_words,
                config.lhs_depth,
            ),
            ("rhs_depth (words of the input)", self.rhs_words, config.rhs_depth),
            (
                "ring_depth - 1 (bus words of a column tile's results)",
                self.ring_words,
                config.ring_depth - 1,
            ),
            ("cycles a column (row groups * thresholds)", self.period, MOST_PERIOD),
            ("table_depth / 2 (requantizer rows)", self.param_rows, config.table_depth // 2),
            ("table_depth / 2 (kernel positions)", entries, config.table_depth // 2),
        ):
            if needs > has:
                raise CapacityError(f"layer {name!r} needs {what} = {needs}, the overlay has {has}")
        return self
