"""A board: what an overlay may use and what stands around it.

One YAML file in this folder = one board, and the file's name is the board's name.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from boards.parts import find_part
from boards.pins import Pins
from ir import plugins
from ir.config import bind
from ir.errors import ConfigError, shorten
from ir.yaml_reader import read_yaml

FOLDER = "boards"
SUFFIX = ".yaml"

Family = Literal["simulation", "ecp5", "ice40", "xc7", "xcup"]
Toolchain = Literal["none", "nextpnr-ecp5", "nextpnr-ice40", "vivado"]


@dataclass(frozen=True, kw_only=True)
class FamilyFacts:
    """prefixes: what a part's name begins with. toolchain: who places it.

    lut_inputs, bram_block_bits: what its LUTs and block RAMs can be; a RAMB36 may count as two.
    """

    prefixes: tuple[str, ...]
    toolchain: Toolchain
    lut_inputs: tuple[int, ...]
    bram_block_bits: tuple[int, ...] = (18432, 36864)


FAMILIES: dict[str, FamilyFacts] = {
    "simulation": FamilyFacts(prefixes=("none",), toolchain="none", lut_inputs=(4, 6)),
    "ecp5": FamilyFacts(
        prefixes=("LFE5U",),
        toolchain="nextpnr-ecp5",
        lut_inputs=(4,),
        bram_block_bits=(18432,),
    ),
    "ice40": FamilyFacts(
        prefixes=("iCE40",),
        toolchain="nextpnr-ice40",
        lut_inputs=(4,),
        bram_block_bits=(4096,),
    ),
    "xc7": FamilyFacts(prefixes=("xc7",), toolchain="vivado", lut_inputs=(6,)),
    "xcup": FamilyFacts(prefixes=("xczu", "xck"), toolchain="vivado", lut_inputs=(6,)),
}
PART = re.compile(r"[A-Za-z0-9-]+")
"""A part's name goes into scripts as it is."""
PLATFORM = re.compile(r"[a-z0-9_]+\.[A-Z][A-Za-z0-9_]*Platform")
OPEN_FLOWS = ("nextpnr-ecp5", "nextpnr-ice40")
ON_CHIP_LATENCY = 3
LINK_BLOCKS = 1
"""Block RAMs of the host link, which stands beside an on-chip memory."""

LEAST_PERIOD_NS, MOST_PERIOD_NS = 0.5, 10_000.0
BAUDS = (9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 500_000, 576_000, 921_600)
BAUDS += (1_000_000, 1_152_000, 1_500_000, 2_000_000, 2_500_000, 3_000_000, 3_500_000, 4_000_000)
"""What a serial port of a host can be set to, and no frame takes longer than the driver waits."""

TOP_LUTS = {"ecp5": 1500, "ice40": 1700}
"""LUTs of all that stands around an overlay on a board with an open flow: yosys 0.70 counts 1,367
on ulx3s_85f and 1,578 on ice40_hx8k_evn."""


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

    @property
    def bram_data_bits(self) -> int:
        """Bits of a block that hold bytes: a ninth of blocks with parity bits does not."""
        return 1 << (self.bram_block_bits.bit_length() - 1)


@dataclass(frozen=True, kw_only=True)
class Clock:
    """`clk_period_ns`: what the overlay is built for. `oscillator_period_ns`: what is soldered."""

    clk_period_ns: float
    oscillator_period_ns: float

    def __post_init__(self) -> None:
        for name in ("clk_period_ns", "oscillator_period_ns"):
            if not LEAST_PERIOD_NS <= getattr(self, name) <= MOST_PERIOD_NS:
                raise ConfigError(
                    f"{name} must be {LEAST_PERIOD_NS:g} to {MOST_PERIOD_NS:g}, not "
                    f"{getattr(self, name)}"
                )

    @property
    def frequency_hz(self) -> float:
        """Of the overlay's clock."""
        return 1e9 / self.clk_period_ns


@dataclass(frozen=True, kw_only=True)
class Memory:
    """The memory behind the overlay's AXI port, in the words of the reference memory.

    `bus_bits` a beat, first beat `latency_cycles` after its address. An on-chip memory is made of
    the same block RAMs that the overlay's buffers use.
    """

    place: Literal["external", "on_chip"]
    bus_bits: Literal[32, 64, 128, 256]
    latency_cycles: int
    size_bytes: int

    def __post_init__(self) -> None:
        _require_positive(self, "latency_cycles", "size_bytes")


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board. `part` and `toolchain` are in the words of the tool that places and routes.

    pins        what the top needs; boards without an open flow have none
    uart_baud   of the host link
    platform    the board's class in amaranth-boards, whose pins are these: its module and name
    """

    name: str
    description: str
    part: str
    family: Family
    toolchain: Toolchain
    budget: Budget
    clock: Clock
    memory: Memory
    pins: Pins | None = None
    uart_baud: int = 115_200
    platform: str = ""

    def __post_init__(self) -> None:
        if not self.part.strip():
            raise ConfigError("part must not be empty")
        self._check_family()
        if self.platform and not PLATFORM.fullmatch(self.platform):
            raise ConfigError(
                "platform must be a class of amaranth-boards such as ulx3s.ULX3S_85F_Platform, not "
                f"{shorten(self.platform)}"
            )
        self._check_top()
        if self.luts_for_overlay <= 0:
            raise ConfigError(
                f"budget.luts must be more than the {TOP_LUTS[self.family]} of the top around the "
                f"overlay, not {self.budget.luts}"
            )
        if self.bram_blocks_for_buffers <= 0:
            raise ConfigError(
                f"an on-chip memory of {self.memory.size_bytes} bytes leaves no block RAM of "
                f"{self.budget.bram_blocks} to the overlay"
            )

    def _check_family(self) -> None:
        facts = FAMILIES[self.family]
        if not self.part.startswith(facts.prefixes):
            raise ConfigError(
                f"part {shorten(self.part)} is not of family {self.family!r}, whose parts begin "
                f"with {' or '.join(facts.prefixes)}"
            )
        if not PART.fullmatch(self.part):
            raise ConfigError(f"part must be letters, digits and '-', not {shorten(self.part)}")
        if self.toolchain != facts.toolchain:
            raise ConfigError(
                f"toolchain must be {facts.toolchain!r} for family {self.family!r}, not "
                f"{self.toolchain!r}"
            )
        for name in ("lut_inputs", "bram_block_bits"):
            found, known = getattr(self.budget, name), getattr(facts, name)
            if found not in known:
                raise ConfigError(
                    f"budget.{name} must be {' or '.join(map(str, known))} for family "
                    f"{self.family!r}, not {found}"
                )

    def _check_top(self) -> None:
        """A board with an open flow gets a top, which needs pins and a memory of its own."""
        if self.uart_baud not in BAUDS:
            raise ConfigError(
                f"uart_baud must be a serial port's: {', '.join(map(str, BAUDS))}, not "
                f"{self.uart_baud}"
            )
        if not self.has_open_flow:
            if self.memory.place == "on_chip":
                raise ConfigError(
                    "memory.place must be external: only a board with an open flow gets a top, and "
                    "with it a memory on chip"
                )
            return
        if self.pins is None:
            raise ConfigError(
                f"pins is missing: toolchain {self.toolchain!r} needs clock, uart_rx and uart_tx"
            )
        for name, most in find_part(self.part).most.items():
            if getattr(self.budget, name) > most:
                raise ConfigError(
                    f"budget.{name} must be at most {most}, which is all that {self.part} has, not "
                    f"{getattr(self.budget, name)}"
                )
        self._check_constraints(self.pins)
        size = self.memory.size_bytes
        if self.memory.place != "on_chip" or self.memory.latency_cycles != ON_CHIP_LATENCY:
            raise ConfigError(
                f"memory must have place on_chip and latency_cycles {ON_CHIP_LATENCY}: the top has "
                "no other"
            )
        if size < 4096 or size & (size - 1):
            raise ConfigError(
                f"memory.size_bytes must be a power of two of at least 4096 on chip, not {size}"
            )

    def _check_constraints(self, pins: Pins) -> None:
        """Nothing is dropped that a PCF, or an ECP5's PLL, has no word for."""
        if self.family != "ice40":
            if pins.pll_pad:
                raise ConfigError("pins.pll_pad must be false: only an iCE40's PLL has a pin")
            return
        for port, pin in pins.by_port().items():
            if pin.io_type:
                raise ConfigError(
                    f"pins.{port}.io_type must be left out: an iCE40's bank decides its standard"
                )
            if pin.pull == "down":
                raise ConfigError(f"pins.{port}.pull must be up or left out: iCE40 pulls up alone")

    @property
    def has_open_flow(self) -> bool:
        """Whether open tools make its bitstream."""
        return self.toolchain in OPEN_FLOWS

    @property
    def processor(self) -> Literal["zynq7", "zynqmp"] | None:
        """The processing system beside the fabric."""
        if self.part.startswith("xc7z"):
            return "zynq7"
        return "zynqmp" if self.family == "xcup" else None

    @property
    def luts_for_overlay(self) -> int:
        """The LUTs that are left to the overlay."""
        top = TOP_LUTS[self.family] if self.has_open_flow else 0
        return self.budget.luts - top

    @property
    def bram_blocks_for_buffers(self) -> int:
        """The block RAMs that are left to the overlay."""
        if self.memory.place == "external":
            return self.budget.bram_blocks
        used = -(-self.memory.size_bytes * 8 // self.budget.bram_data_bits)
        return self.budget.bram_blocks - used - LINK_BLOCKS


def board_names() -> list[str]:
    """Every board there is, sorted."""
    return plugins.names(FOLDER, SUFFIX)


def board_file(name: str) -> Path:
    """The file of a board; UnknownPluginError lists the boards."""
    return plugins.path(FOLDER, name, SUFFIX)


def load_board(name: str) -> Board:
    """The board of that name. UnknownPluginError lists the boards; ConfigError names the field."""
    file = board_file(name)
    document = read_yaml(file)
    if isinstance(document, dict):
        if "name" in document:
            raise ConfigError(f"{file}: name is the file's name and is not written inside")
        document = {**document, "name": name}
    return bind(Board, document, str(file))
