"""What an overlay is made of: one frozen configuration for hardware, codegen and cycle model."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from hw.fabric import PORTABLE, find_fabric
from ir.errors import ConfigError
from ir.isa import ENTRY_BITS, Stage, most

if TYPE_CHECKING:
    from amaranth.hdl import Elaboratable

MEMORY_WIDTHS = (32, 64, 128, 256)
MOST_PIECE_BITS = most(Stage.FETCH, "piece_bits")
"""Bits that can be written to the buffers at once."""


def padded_bits(count: int) -> int:
    """Bits that `count` bits of a plane take in memory: 1, 2, 4, or whole bytes."""
    return {1: 1, 2: 2, 3: 4, 4: 4}.get(count, 8 * -(-count // 8))


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """Pipeline constants in cycles, read by hardware and by codegen/cycles.py alike.

    issue_to_drain   from the cycle a tile's last word is issued to the first cycle of its draining
    requantize       from the cycle a row group is selected to the cycle its codes are collected
    """

    issue_to_drain: int
    requantize: int


@dataclass(frozen=True, kw_only=True)
class OverlayConfig:
    """Size of an overlay. A style (hw/overlays/) is a subclass that says what a lane computes.

    dm, dk, dn      rows, lanes and columns of the array
    memory_bits     F, bits of the memory port
    lhs_depth       words of Dk digits in each of the Dm weight banks, a power of two
    rhs_depth       words of Dk digits in each of the Dn activation banks, a power of two
    ring_depth      bus words of the result ring, a power of two
    table_depth     entries of the tap table and rows of the requantizer table, a power of two
    rhs_ways        activation words that are written at once (each bank has so many parts), a
                    power of two
    acc_bits        accumulator width
    requant_lanes   R, results requantized each cycle; divides dm
    k_split         1: sums can be added up over parts of K, so that row tiles of weights may exceed
                    the banks
    fabric          what the dot-product units are made of (hw/fabric.py): a board's family, or
                    "portable"
    """

    dm: int
    dk: int
    dn: int
    memory_bits: int = 64
    lhs_depth: int = 1024
    rhs_depth: int = 1024
    ring_depth: int = 512
    table_depth: int = 256
    rhs_ways: int = 2
    acc_bits: int = 32
    requant_lanes: int = 1
    k_split: int = 0
    fabric: Any = PORTABLE  # a str; callers unpack their sizes from {name: int}, which str refuses

    def __post_init__(self) -> None:
        find_fabric(self.fabric)
        for name, value in self.sizes.items():
            if name == "k_split":
                if value not in (0, 1) or isinstance(value, bool):
                    raise ConfigError(f"k_split must be 0 or 1, not {value!r}")
            elif not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"{name} must be a positive integer, not {value!r}")
        if self.rhs_ways & (self.rhs_ways - 1) or self.rhs_ways > 16:
            raise ConfigError(f"rhs_ways must be 1, 2, 4, 8 or 16, not {self.rhs_ways}")
        for name in ("lhs_depth", "rhs_depth", "ring_depth", "table_depth"):
            value = getattr(self, name)
            if value & (value - 1) or value < 4:
                raise ConfigError(f"{name} must be a power of two of at least 4, not {value}")
        if self.memory_bits not in MEMORY_WIDTHS:
            raise ConfigError(f"memory_bits must be one of {MEMORY_WIDTHS}, not {self.memory_bits}")
        if self.dm * self.q + 8 - self.write_unit > self.memory_bits:
            raise ConfigError(
                f"dm = {self.dm} (digits of {self.q} bits) is too large for memory_bits = "
                f"{self.memory_bits}: a tile's rows, padded to whole bytes, must fit a bus word"
            )
        if self.dm > 255 or self.dn > 255 or self.dk > 2048:
            raise ConfigError(
                f"array {self.dm}x{self.dk}x{self.dn} is beyond 255x2048x255, "
                "the limits of the instruction fields"
            )
        pieces = (self.lhs_rows * self.lhs_word_bits, self.rhs_ways * self.rhs_bits)
        if max(pieces) > MOST_PIECE_BITS:
            raise ConfigError(
                f"dk = {self.dk} is too large: {self.rhs_ways} words (rhs_ways) of {self.rhs_bits} "
                f"bits, or a row's {self.lhs_bits} bits, are more than {MOST_PIECE_BITS} at once"
            )
        if self.dm % self.requant_lanes:
            raise ConfigError(f"requant_lanes = {self.requant_lanes} must divide dm = {self.dm}")
        if not 4 <= self.acc_bits <= 32:
            raise ConfigError(f"acc_bits must be 4 to 32, not {self.acc_bits}")

    @property
    def sizes(self) -> dict[str, int]:
        """Every field that is a number."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "fabric"}

    @property
    def style(self) -> str:
        """The plug-in's name: its file name."""
        return type(self).__module__.rpartition(".")[2]

    @classmethod
    def digit_choices(cls) -> tuple[tuple[int, int], ...]:
        """(p, q) that overlays of this style can have. Of several, p and q are its fields."""
        return ((1, 1),)

    @property
    def p(self) -> int:
        """Bits of a weight digit: one digit-plane holds so many bit-planes."""
        return 1

    @property
    def q(self) -> int:
        """Bits of an activation digit."""
        return 1

    @property
    def lhs_bits(self) -> int:
        """Bits of a word in a weight bank: Dk digits."""
        return self.dk * self.p

    @property
    def rhs_bits(self) -> int:
        """Bits of a word in an activation bank: Dk digits."""
        return self.dk * self.q

    @property
    def lhs_word_bits(self) -> int:
        """Bits of a weight word in memory: 1, 2, 4, or whole bytes."""
        return padded_bits(self.lhs_bits)

    @property
    def lhs_rows(self) -> int:
        """Weight banks that are written at once: enough to keep up with the memory."""
        return min(self.dm, -(-self.memory_bits // self.lhs_word_bits))

    @property
    def param_lanes(self) -> int:
        """Requantizer tables that are written at once."""
        return min(self.requant_lanes, max(1, self.memory_bits // ENTRY_BITS))

    @property
    def bus_bytes(self) -> int:
        """Bytes of a bus word."""
        return self.memory_bits // 8

    @property
    def write_unit(self) -> int:
        """Bits of the smallest ring write: row tiles begin on multiples of it."""
        return math.gcd(self.dm * self.q, 8)

    @property
    def column_sums(self) -> bool:
        """Whether the array has a row that sums activations: one-bit weights may be bipolar."""
        return self.p == 1

    @property
    def row_groups(self) -> int:
        """Groups of requant_lanes rows in a column of the array."""
        return self.dm // self.requant_lanes

    @property
    def places(self) -> int:
        """Pixels that the activation banks hold at most: a word each."""
        return self.dn * self.rhs_depth

    @property
    def hash(self) -> int:
        """32-bit fingerprint of style and sizes, readable in the ID register.

        Not of the fabric: a program runs on any, only the cycles differ.
        """
        text = f"{self.style}:{sorted(self.sizes.items())}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")

    def build(self) -> Elaboratable:
        """The overlay as Amaranth hardware."""
        raise NotImplementedError

    def latencies(self) -> Latencies:
        """Pipeline constants of this overlay."""
        raise NotImplementedError


def piece_bits(config: OverlayConfig) -> int:
    """Longest piece: words of digits and padding to a byte, table entries, or a bus word."""
    return max(
        config.lhs_rows * config.lhs_word_bits,
        config.rhs_ways * config.rhs_bits + (7 if config.rhs_bits % 8 else 0),
        config.param_lanes * ENTRY_BITS,
        config.memory_bits,
    )
