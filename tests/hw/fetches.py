"""Fetch instructions of every kind at random, their data, and what they must write."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cached_property

from hw.config import OverlayConfig, padded_bits
from ir.isa import ENTRY_BITS, Kind

Write = tuple[int, int, int]
"""(bank, address, word)"""


@dataclass(frozen=True, kw_only=True)
class Digits(OverlayConfig):
    """Sizes alone, with digits of any width: the fetch stage does not ask what a lane computes."""

    weight_digit: int = 1
    activation_digit: int = 1

    @property
    def p(self) -> int:
        return self.weight_digit

    @property
    def q(self) -> int:
        return self.activation_digit


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def bus_words_of(pieces: list[tuple[int, int]], memory_bits: int) -> list[int]:
    """A string of (value, bits), first in the lowest bits, as bus words."""
    string, place = 0, 0
    for value, bits in pieces:
        string |= value << place
        place += bits
    mask = (1 << memory_bits) - 1
    return [string >> at & mask for at in range(0, place, memory_bits)]


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """fields: of the instruction, but `address`. words: what the bus brings. writes: expected.

    tokens: units that are complete with each token (lhs: row tiles, rhs: positions).
    """

    fields: dict[str, int]
    words: list[int]
    writes: list[Write]
    tokens: list[int] = field(default_factory=list)


def weights(config: OverlayConfig, rng: random.Random, *, tiles: int, k_words: int) -> Fetch:
    """Row tiles of k_words words, the first at address 0: one write for each piece."""
    words, writes = [], []
    rows = config.lhs_rows
    for k in range(tiles * k_words):
        digits = [rng.getrandbits(config.lhs_bits) for _ in range(config.dm)]
        for row in range(config.dm):
            writes.append((row, k % config.lhs_depth, digits[row]))
        words.append([(digit, config.lhs_word_bits) for digit in digits])
    cut = [
        bus_words_of(sum(words[tile * k_words : (tile + 1) * k_words], []), config.memory_bits)
        for tile in range(tiles)
    ]
    fields = {
        "kind": Kind.LHS,
        "segments": tiles,
        "segment_beats": len(cut[0]),
        "repeats": 1,
        "reserve": k_words,
        "units": tiles,
        "groups": k_words,
        "chunks": ceil_div(config.dm, rows),
        "piece_bits": rows * config.lhs_word_bits,
        "tail_bits": ((config.dm - 1) % rows + 1) * config.lhs_word_bits,
    }
    return Fetch(fields=fields, words=sum(cut, []), writes=writes, tokens=[*range(1, tiles + 1)])


def table(config: OverlayConfig, rng: random.Random, kind: Kind, *, rows: int) -> Fetch:
    """`rows` rows of a table from entry 5 on."""
    lanes = config.requant_lanes if kind is Kind.PARAMS else 1
    each = config.param_lanes if kind is Kind.PARAMS else 1
    entries = [[rng.getrandbits(ENTRY_BITS) for _ in range(lanes)] for _ in range(rows)]
    words = bus_words_of([(e, ENTRY_BITS) for row in entries for e in row], config.memory_bits)
    fields = {
        "kind": kind,
        "segments": 1,
        "segment_beats": len(words),
        "repeats": 1,
        "units": 1,
        "groups": rows,
        "chunks": ceil_div(lanes, each),
        "piece_bits": each * ENTRY_BITS,
        "tail_bits": ((lanes - 1) % each + 1) * ENTRY_BITS,
        "base": 5,
    }
    writes = [
        (lane, 5 + row, entry)
        for row, line in enumerate(entries)
        for lane, entry in enumerate(line)
    ]
    return Fetch(fields=fields, words=words, writes=writes)


@dataclass(frozen=True, kw_only=True)
class Image:
    """An activation tensor on its way to the banks, in raster order.

    channel_bits: of a pixel's plane in memory. inner, others: words of a plane that other tensors
    take before and after this one's. window: kernel columns in a word, with `padding` left of row.
    """

    config: OverlayConfig
    height: int
    width: int
    channels: int
    planes: int
    stride: int = 1
    virtual_width: int = 0
    inner: int = 0
    others: int = 0
    window: int = 0
    padding: int = 0
    silent: bool = False

    @property
    def channel_bits(self) -> int:
        return padded_bits(self.channels * self.config.q)

    @property
    def slot_bits(self) -> int:
        return max(4, self.channel_bits)

    @property
    def words(self) -> int:
        """Of a plane of a pixel."""
        return ceil_div(self.channels * self.config.q, self.config.rhs_bits)

    @property
    def plane_words(self) -> int:
        return self.inner + self.words + self.others

    @property
    def tile_stride(self) -> int:
        return self.planes * self.plane_words

    @property
    def out_width(self) -> int:
        return (self.width + 2 * self.padding - self.window) // self.stride + 1

    @property
    def pitch(self) -> int:
        """Virtual width."""
        columns = self.out_width if self.window else ceil_div(self.width, self.stride)
        return max(self.virtual_width, columns)

    @property
    def phase_size(self) -> int:
        places = ceil_div(self.height, self.stride) * self.pitch
        return ceil_div(places, self.config.dn) * self.tile_stride

    @property
    def window_first(self) -> int:
        return self.window - 1 - self.padding

    @property
    def positions(self) -> int:
        """Of a row."""
        if not self.window:
            return self.width
        return max(self.width, self.window_first + (self.out_width - 1) * self.stride + 1)

    def fields(self, *, units: int, beats: int, keep: bool) -> dict[str, int]:
        """The instruction."""
        ways = 1 if self.window else self.config.rhs_ways
        pieces = ceil_div(self.words, ways)
        piece = ways * self.config.rhs_bits
        pitch_tiles, pitch_banks = divmod(self.pitch, self.config.dn)
        phase_words = 0 if self.window else self.phase_size
        rows = self.phase_size if self.window else self.stride * self.phase_size
        return {
            "kind": Kind.RHS,
            "segments": 1,
            "segment_beats": beats,
            "repeats": 1,
            "units": units,
            "groups": self.planes,
            "chunks": pieces,
            "piece_bits": piece,
            "tail_bits": self.channel_bits - (pieces - 1) * piece,
            "tail_words": self.words - (pieces - 1) * ways,
            "width": self.width,
            "stride": self.stride,
            "phase_words": phase_words,
            "phase_row_words": rows,
            "tile_stride": self.tile_stride,
            "pitch_banks": pitch_banks,
            "pitch_words": pitch_tiles * self.tile_stride,
            "plane_words": self.plane_words,
            "inner": self.inner,
            "keep": int(keep),
            "silent": int(self.silent),
            "window": self.window,
            "slot_bits": self.slot_bits if self.window else 0,
            "window_first": self.window_first if self.window else 0,
            "pushes": self.positions,
        }

    def column(self, x: int) -> int | None:
        """The place of position x in its row of the grid, if it has one."""
        if not self.window:
            return x // self.stride
        steps, rest = divmod(x - self.window_first, self.stride)
        return steps if steps >= 0 and rest == 0 else None

    def fetches(self, rng: random.Random, splits: list[int]) -> list[Fetch]:
        """One fetch after the other, each up to a position of `splits`, the last of them final."""
        image = _Pixels(self, rng)
        found, begin, places = [], 0, 0
        for end in splits:
            positions = range(begin, end)
            words = bus_words_of(
                [piece for p in positions for piece in image.memory(p)], self.config.memory_bits
            )
            tokens = []
            for p in positions:
                places += self.column(p % self.positions) is not None
                if places == self.config.dn or (p + 1 == splits[-1] and places):
                    tokens.append(p + 1 - begin)
                    places = 0
            fields = self.fields(units=end - begin, beats=len(words), keep=end != splits[-1])
            writes = [write for p in positions for write in image.words(p)]
            found.append(
                Fetch(
                    fields=fields,
                    words=words,
                    writes=writes,
                    tokens=[] if self.silent else tokens,
                )
            )
            begin = end
        return found


@dataclass(frozen=True)
class _Pixels:
    """The digits of an image: random, zeros outside."""

    image: Image
    rng: random.Random

    @cached_property
    def codes(self) -> dict[tuple[int, int, int], int]:
        image = self.image
        return {
            (y, x, plane): self.rng.getrandbits(image.channels * image.config.q)
            for y in range(image.height)
            for x in range(image.width)
            for plane in range(image.planes)
        }

    def memory(self, position: int) -> list[tuple[int, int]]:
        """(value, bits) of a position's planes in the stream."""
        y, x = divmod(position, self.image.positions)
        if x >= self.image.width:
            return []
        bits = self.image.channel_bits
        return [(self.codes[y, x, plane], bits) for plane in range(self.image.planes)]

    def word(self, y: int, x: int, plane: int, index: int) -> int:
        """A word as the bank holds it."""
        image, bits = self.image, self.image.config.rhs_bits
        if not image.window:
            return self.codes[y, x, plane] >> index * bits & (1 << bits) - 1
        slots = range(image.window)
        packed = sum(
            self.codes.get((y, x - slot, plane), 0) << slot * image.slot_bits for slot in slots
        )
        return packed & (1 << bits) - 1

    def words(self, position: int) -> list[Write]:
        """Writes of a position."""
        image = self.image
        y, x = divmod(position, image.positions)
        column = image.column(x)
        if column is None:
            return []
        flat = y // image.stride * image.pitch + column
        phase = y % image.stride
        if not image.window:
            phase = phase * image.stride + x % image.stride
        tile, bank = divmod(flat, image.config.dn)
        base = phase * image.phase_size + tile * image.tile_stride + image.inner
        return [
            (bank, base + plane * image.plane_words + index, self.word(y, x, plane, index))
            for plane in range(image.planes)
            for index in range(image.words)
        ]
