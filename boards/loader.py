"""A board: what an overlay may use and what stands around it.

One YAML file in this folder = one board, and the file's name is the board's name.
"""

from dataclasses import dataclass
from typing import Literal

from ir import plugins
from ir.config import bind
from ir.errors import ConfigError, shorten
from ir.yaml_reader import read_yaml

FOLDER = "boards"
SUFFIX = ".yaml"


def _require_positive(thing: object, *fields: str) -> None:
    for field in fields:
        value = getattr(thing, field)
        if value <= 0:
            raise ConfigError(f"{field} must be positive, not {shorten(value)}")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What the part holds. LUTs have `lut_inputs` inputs; a block RAM stores `bram_block_bits`."""

    luts: int
    lut_inputs: Literal[4, 6]
    ffs: int
    bram_blocks: int
    bram_block_bits: int
    dsps: int

    def __post_init__(self) -> None:
        _require_positive(self, "luts", "ffs", "bram_blocks", "bram_block_bits")
        if self.dsps < 0:
            raise ConfigError(f"dsps must not be negative, not {self.dsps}")


@dataclass(frozen=True, kw_only=True)
class Clock:
    """`clk_period_ns`: what the overlay is built for. `oscillator_period_ns`: what is soldered."""

    clk_period_ns: float
    oscillator_period_ns: float

    def __post_init__(self) -> None:
        _require_positive(self, "clk_period_ns", "oscillator_period_ns")

    @property
    def frequency_hz(self) -> float:
        """Of the overlay's clock."""
        return 1e9 / self.clk_period_ns


@dataclass(frozen=True, kw_only=True)
class Memory:
    """The memory behind the overlay's AXI port, in the words of the reference memory.

    `bus_bits` a beat, first beat `latency_cycles` after its address, at most `outstanding` bursts
    a direction. An on-chip memory is made of the same block RAMs that the overlay's buffers use.
    """

    place: Literal["external", "on_chip"]
    bus_bits: Literal[32, 64, 128, 256]
    latency_cycles: int
    outstanding: int = 16
    size_bytes: int

    def __post_init__(self) -> None:
        _require_positive(self, "latency_cycles", "outstanding", "size_bytes")


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board. `part` and `toolchain` are in the words of the tool that places and routes."""

    name: str
    description: str
    part: str
    family: Literal["simulation", "ecp5", "ice40", "xc7"]
    toolchain: Literal["none", "nextpnr-ecp5", "nextpnr-ice40", "vivado"]
    budget: Budget
    clock: Clock
    memory: Memory

    def __post_init__(self) -> None:
        if not self.part.strip():
            raise ConfigError("part must not be empty")
        if self.bram_blocks_for_buffers <= 0:
            raise ConfigError(
                f"an on-chip memory of {self.memory.size_bytes} bytes leaves no block RAM of "
                f"{self.budget.bram_blocks} to the overlay"
            )

    @property
    def bram_blocks_for_buffers(self) -> int:
        """The block RAMs that are left to the overlay."""
        if self.memory.place == "external":
            return self.budget.bram_blocks
        used = -(-self.memory.size_bytes * 8 // self.budget.bram_block_bits)
        return self.budget.bram_blocks - used


def board_names() -> list[str]:
    """Every board there is, sorted."""
    return plugins.names(FOLDER, SUFFIX)


def load_board(name: str) -> Board:
    """The board of that name. UnknownPluginError lists the boards; ConfigError names the field."""
    file = plugins.path(FOLDER, name, SUFFIX)
    document = read_yaml(file)
    if isinstance(document, dict):
        if "name" in document:
            raise ConfigError(f"{file}: name is the file's name and is not written inside")
        document = {**document, "name": name}
    return bind(Board, document, str(file))
