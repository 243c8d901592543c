"""The Python side of copy_engine.sv: a small device under test for the benches themselves."""

import random
from typing import Any

from flows.bench import Bench, Job, Region
from flows.sim_design import SIM_TESTS

REGMAP = {
    "CONTROL": 0x04,
    "STATUS": 0x08,
    "IRQ_CLEAR": 0x0C,
    "SOURCE": 0x10,
    "TARGET": 0x14,
    "BURSTS": 0x18,
    "BEATS": 0x1C,
    "CYCLES": 0x20,
    "FAULT": 0x24,
}
FAULTS = {
    "withdrawn": 1,
    "write under read": 2,
    "half width": 3,
    "never ends": 4,
    "across 4 KiB": 5,
    "early last": 6,
}
MEMORY_BYTES = 1 << 16
TARGET = MEMORY_BYTES // 2


def verilog(memory_bits: int) -> str:
    text = (SIM_TESTS / "copy_engine.sv").read_text("utf-8")
    return text.replace("parameter int F = 64", f"parameter int F = {memory_bits}")


def copy_bench(
    *, memory_bits: int = 64, bursts: int = 8, beats: int = 16, fault: str = "", **settings: Any
) -> Bench:
    """A bench that copies `bursts` x `beats` random bus words from 0 to TARGET.

    `settings`: further fields of Bench (latency, stall_seed, cycle_limit, ...).
    """
    registers = {
        "SOURCE": 0,
        "TARGET": TARGET,
        "BURSTS": bursts,
        "BEATS": beats,
        "FAULT": FAULTS.get(fault, 0),
    }
    return Bench(
        verilog=verilog(memory_bits),
        memory_bits=memory_bits,
        memory_bytes=MEMORY_BYTES,
        memory={0: source(memory_bits, bursts, beats)},
        regmap=REGMAP,
        registers=registers,
        counters=("CYCLES", "STATUS"),
        **settings,
    )


def source(memory_bits: int, bursts: int, beats: int) -> bytes:
    return random.Random(1).randbytes(bursts * beats * memory_bits // 8)


def copy_job(bench: Bench) -> Job:
    """One copy: the target must equal the source, and the whole memory is returned."""
    whole = Region(address=0, size=bench.memory_bytes)
    return Job(expected={TARGET: bench.memory[0]}, dumps=(whole,))
