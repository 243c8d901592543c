"""What both benches run and return: the C++ harness (flows/harness.py) and cocotb
(flows/cocotb_run.py) take the same `Bench` and jobs and give the same `BenchResult`.

`measured` is defined in the design notes on memory: the edge at which irq is first sampled high
minus the edge at which the W of START was taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from flows.sim_design import BUS_WIDTHS, Start
from ir.errors import ConfigError, MismatchError, did_you_mean

START_REGISTER, START_VALUE = "CONTROL", 1
CLEAR_REGISTER, CLEAR_VALUE = "IRQ_CLEAR", 1


@dataclass(frozen=True, kw_only=True)
class Region:
    """Bytes [address, address + size) of the memory."""

    address: int
    size: int

    def __post_init__(self) -> None:
        if self.address < 0 or self.size < 1:
            raise ConfigError(f"region must have address >= 0 and size >= 1, not {self}")

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass(frozen=True, kw_only=True)
class Job:
    """One START to irq. Before it `loads` {address: bytes} enter the memory and `registers`
    {name: value} are written; after it memory must hold `expected` {address: bytes}, and the
    regions `dumps` are returned. A job must not depend on the jobs before it.
    """

    loads: Mapping[int, bytes] = field(default_factory=dict)
    registers: Mapping[str, int] = field(default_factory=dict)
    expected: Mapping[int, bytes] = field(default_factory=dict)
    dumps: tuple[Region, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bench:
    """An overlay with its memory.

    `verilog`: text of the module bitwright_overlay, or the Path of its file. `memory_bits`: F.
    `latency`: L in cycles. `memory`: {address: bytes} loaded once; the rest of `memory_bytes` is
    zero. `regmap`: {register: byte offset}, with CONTROL and IRQ_CLEAR. `registers`: {name:
    value} written once. `counters`: registers read after every job, before its irq is cleared.
    `stall_seed`: None for the reference timing; a number >= 1 for random stalls on all five
    channels, function only. `cycle_limit`: longest job. `start`: what flip-flops without reset
    hold at first.
    """

    verilog: str | Path
    memory_bits: int
    memory_bytes: int
    regmap: Mapping[str, int]
    latency: int = 20
    memory: Mapping[int, bytes] = field(default_factory=dict)
    registers: Mapping[str, int] = field(default_factory=dict)
    counters: tuple[str, ...] = ()
    stall_seed: int | None = None
    cycle_limit: int = 10_000_000
    start: Start = "fast"

    def __post_init__(self) -> None:
        if self.memory_bits not in BUS_WIDTHS:
            raise ConfigError(f"memory_bits must be one of {BUS_WIDTHS}, not {self.memory_bits!r}")
        if not 0 < self.memory_bytes <= 1 << 32 or self.memory_bytes % (self.memory_bits // 8):
            raise ConfigError(
                f"memory_bytes must be whole bus words, at most 2^32 bytes, not {self.memory_bytes}"
            )
        if not 1 <= self.latency < 1 << 16:
            raise ConfigError(f"latency must be 1 to 65535 cycles, not {self.latency}")
        if self.stall_seed is not None and not 1 <= self.stall_seed < 1 << 63:
            raise ConfigError(f"stall_seed must be at least 1, not {self.stall_seed}")
        if self.cycle_limit < 1:
            raise ConfigError(f"cycle_limit must be at least 1, not {self.cycle_limit}")
        for name in (START_REGISTER, CLEAR_REGISTER, *self.registers, *self.counters):
            self.offset(name)
        check_inside(self.memory, self.memory_bytes)

    def offset(self, register: str) -> int:
        """Byte offset of a register. ConfigError when the register map has none of that name."""
        if register not in self.regmap:
            hint = did_you_mean(register, self.regmap)
            raise ConfigError(f"the register map has no register {register!r}{hint}")
        return self.regmap[register]

    def check(self, job: Job) -> None:
        """ConfigError when the job names an unknown register or leaves the memory."""
        for name in job.registers:
            self.offset(name)
        check_inside(job.loads, self.memory_bytes)
        check_inside(job.expected, self.memory_bytes)
        for region in job.dumps:
            if region.end > self.memory_bytes:
                raise ConfigError(f"{region} is beyond the memory of {self.memory_bytes} bytes")


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """`measured`: cycles from START to irq. `writes`: (n, 2) int64, for each write burst the edge
    after START at which its B was taken, and its address. `dumps`: as asked for. `counters`:
    register values after the job.
    """

    measured: int
    writes: np.ndarray
    dumps: tuple[bytes, ...]
    counters: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class BenchResult:
    """`cycles` simulated in `seconds`, all jobs, resets and register accesses included; side by
    side work counts once. `built`: the simulator was compiled now, in `build_seconds`.
    """

    jobs: tuple[JobResult, ...]
    cycles: int
    seconds: float
    built: bool
    build_seconds: float

    @property
    def cycles_per_second(self) -> float:
        return self.cycles / self.seconds if self.seconds else 0.0


def check_inside(segments: Mapping[int, bytes], memory_bytes: int) -> None:
    """ConfigError unless every {address: bytes} lies inside the memory."""
    for address, data in segments.items():
        if address < 0 or address + len(data) > memory_bytes:
            raise ConfigError(
                f"{len(data)} bytes at {address:#x} are beyond the memory of {memory_bytes} bytes"
            )


def layer_cycles(result: JobResult, outputs: Sequence[Region]) -> list[int]:
    """Cycles of each layer, in order; `outputs`: where each layer writes. They sum to `measured`.

    A layer ends with the B of its last write; what follows the last B belongs to the last layer.
    The regions must not overlap. MismatchError: a layer wrote nothing, or ended before the one
    before it.
    """
    check_disjoint(outputs)
    ends = []
    for number, region in enumerate(outputs):
        address = result.writes[:, 1]
        edges = result.writes[(address >= region.address) & (address < region.end), 0]
        if not len(edges):
            raise MismatchError(f"layer {number} wrote nothing to {region}")
        ends.append(int(edges.max()))
    if ends:
        ends[-1] = result.measured
    cycles = [end - before for before, end in zip([0, *ends], ends, strict=False)]
    for number, spent in enumerate(cycles):
        if spent < 0:
            raise MismatchError(f"layer {number} ended before layer {number - 1}")
    return cycles


def check_disjoint(regions: Sequence[Region]) -> None:
    """ConfigError when two regions overlap."""
    ordered = sorted(regions, key=lambda region: region.address)
    for low, high in zip(ordered, ordered[1:], strict=False):
        if low.end > high.address:
            raise ConfigError(f"{low} and {high} overlap")
