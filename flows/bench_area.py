"""`bitwright bench area`: what a part of an overlay takes of a family's fabric, and how fast it is.

The parts, each holding the one before:

    lanes       the products of a dot-product unit and their sum, with its registers
    dpu         a dot-product unit
    dpu+result  with its share of the array's drain chain and operand registers
    array       all units of an array
    overlay     everything, with the buffers of the other benches
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from boards.parts import find_part
from codegen.emit import emit_component, emit_verilog
from flows.bench_overlay import BUFFERS, BenchOverlay, numbers
from flows.console import table
from flows.synth import DEFAULT_CACHE, BlockCount, Synthesis, synthesize
from flows.synth.fabric import find_fabric
from flows.synth.fmax import DEVICES, measure_fmax
from hw.array import Array
from hw.config import OverlayConfig
from hw.dpu import DPU
from hw.fabric import fabric_of
from hw.fabric import find_fabric as find_structure
from hw.overlay import TOP
from ir.errors import ConfigError

PARTS = ("lanes", "dpu", "dpu+result", "array", "overlay")
OF_A_UNIT = PARTS[:3]
SEEDS = 5
COUNTED = ("lut_cells", "lut_packed", "comb", "ff", "bram", "dsp", "carry")
ARRAY_BLOCKS = ("dpu", "bitwright_overlay.array")
"""How the names of the blocks begin that make the array of an overlay."""


@dataclass(frozen=True, kw_only=True)
class AreaJob:
    """part: one of PARTS. array: (Dm, Dk, Dn), of which a unit has Dk lanes."""

    family: str
    part: str
    array: tuple[int, int, int]
    digits: tuple[int, int] = (1, 1)
    acc_bits: int = 32
    memory_bits: int = 64
    buffers: Mapping[str, int]

    def config(self) -> OverlayConfig:
        """The overlay that has this array."""
        bench = BenchOverlay(
            array=self.array,
            style="bit_serial" if self.digits == (1, 1) else "bit_slice",
            digits=self.digits,
            memory_bits=self.memory_bits,
            buffers=dict(self.buffers),
        )
        return replace(bench.config([]), acc_bits=self.acc_bits, fabric=fabric_of(self.family))

    @property
    def units(self) -> int:
        """Dot-product units of the array, the row of column sums (hw/array.py) among them."""
        config = self.config()
        return (config.dm + config.column_sums) * config.dn

    @property
    def bit_products(self) -> int:
        """1b x 1b products a cycle of the part."""
        dm, dk, dn = self.array
        units = 1 if self.part in OF_A_UNIT else dm * dn
        return units * dk * self.digits[0] * self.digits[1]

    def verilog(self) -> tuple[str, str]:
        """(text, name of its top module); of dpu+result the array."""
        config = self.config()
        if self.part == "overlay":
            return emit_verilog(config), TOP
        if self.part == "lanes":
            lanes = find_structure(config.fabric).lanes(lanes=config.dk, p=config.p, q=config.q)
            return emit_component(lanes, name="lanes"), "lanes"
        if self.part == "dpu":
            unit = DPU(
                lanes=config.dk,
                p=config.p,
                q=config.q,
                acc_bits=config.acc_bits,
                fabric=config.fabric,
            )
            return emit_component(unit, name="dpu"), "dpu"
        return emit_component(Array(config=config), name="array"), "array"


def add_area(parser: argparse.ArgumentParser) -> None:
    """The options of `bench area`."""
    parser.add_argument("--family", required=True, help="xc7, ecp5 or ice40")
    parser.add_argument("--part", default="dpu", help=", ".join(PARTS))
    parser.add_argument("--lanes", type=int, metavar="N", help="of a unit (default 64)")
    parser.add_argument("--array", metavar="DMxDKxDN", help="default 8xLANESx8")
    parser.add_argument(
        "--digits", default="1x1", metavar="PxQ", help="bits of weight x activation"
    )
    parser.add_argument("--acc-bits", type=int, default=32, metavar="N")
    parser.add_argument("--memory-bits", type=int, default=64, metavar="F")
    for name in BUFFERS:
        option = name.replace("_", "-")
        parser.add_argument(f"--{option}", type=int, metavar="N", help="default: the bench's")
    parser.add_argument("--fmax", action="store_true", help="place and route it too")
    parser.add_argument("--seeds", type=int, metavar="N", help=f"placements (default {SEEDS})")
    parser.add_argument("--device", help=f"ordering code; default {DEVICES}")


def job_of(arguments: argparse.Namespace) -> AreaJob:
    """What the options say. ConfigError names the one that is wrong."""
    if arguments.part not in PARTS:
        raise ConfigError(f"--part must be one of {', '.join(PARTS)}, not {arguments.part!r}")
    lanes = arguments.lanes
    array = numbers(arguments.array or f"8x{64 if lanes is None else lanes}x8", 3, "array")
    if lanes is not None and lanes != array[1]:
        raise ConfigError(f"--lanes {lanes} and --array {arguments.array} differ")
    given = {name: getattr(arguments, name) for name in BUFFERS}
    return AreaJob(
        family=arguments.family,
        part=arguments.part,
        array=array,  # type: ignore[arg-type]
        digits=numbers(arguments.digits, 2, "digits"),  # type: ignore[arg-type]
        acc_bits=arguments.acc_bits,
        memory_bits=arguments.memory_bits,
        buffers={name: size for name, size in given.items() if size is not None},
    )


def measure_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """The counts, per bMAC too; with --fmax also the clock."""
    job = job_of(arguments)
    find_fabric(job.family)
    device = _device(arguments, job)
    verilog, top = job.verilog()
    found = synthesize(
        verilog, family=job.family, top=top, by_child=job.part == "overlay", cache=DEFAULT_CACHE
    )
    answer = _counts(job, found) | {
        "tool": found.tool,
        "version": found.version,
        "seconds": found.seconds,
        "modules": [_module(block) for block in found.blocks],
    }
    answer["per_bmac"] = round(_area(answer) / job.bit_products, 3)
    if job.part == "overlay":
        answer["outside_array"] = round(outside_array(found), 4)
    if arguments.fmax:
        answer |= _fmax(verilog, top, device, arguments.seeds or SEEDS)
    return answer | {"ok": True}


def _device(arguments: argparse.Namespace, job: AreaJob) -> str:
    """The part to place on. ConfigError before anything slow: it cannot be placed."""
    if not arguments.fmax:
        if arguments.seeds is not None or arguments.device:
            raise ConfigError("--seeds and --device are about placements: add --fmax")
        return ""
    if arguments.seeds is not None and arguments.seeds < 1:
        raise ConfigError(f"--seeds must be at least 1, not {arguments.seeds}")
    if job.family not in DEVICES:
        raise ConfigError(
            f"--fmax: no open tool places {job.family}; there is: {', '.join(DEVICES)}"
        )
    part = find_part(arguments.device or DEVICES[job.family])
    if part.family != job.family:
        raise ConfigError(f"--device {part.name} is of family {part.family}, not {job.family}")
    return part.name


def _counts(job: AreaJob, found: Synthesis) -> dict[str, Any]:
    """COUNTED of the part. The array's registers and chain are shared evenly by its units.

    How many those are is known from the sizes: a single unit is no block of its own.
    """
    counts = {name: getattr(found, name) for name in COUNTED}
    if job.part != "dpu+result":
        return counts
    return {name: n if n is None else round(n / job.units, 1) for name, n in counts.items()}


def _area(counts: Mapping[str, Any]) -> float:
    """What a bMAC is counted in: packed LUTs, else with carries, else cells."""
    kinds = ("lut_packed", "comb", "lut_cells")
    return next(counts[name] for name in kinds if counts[name] is not None)


def _module(block: BlockCount) -> dict[str, Any]:
    counts = {name: getattr(block, name) for name in (*COUNTED, "lut_memory")}
    return {"name": block.name.removeprefix("\\"), "count": block.count, **counts}


def outside_array(found: Synthesis) -> float:
    """Share of an overlay's LUTs (sites, or with carries), memory included, outside the array."""
    inside = total = 0.0
    for block in found.blocks:
        counts = {"lut_packed": block.lut_packed, "comb": block.comb, "lut_cells": block.lut_cells}
        luts = block.count * (_area(counts) + block.lut_memory)
        total += luts
        if block.name.removeprefix("\\").startswith(ARRAY_BLOCKS):
            inside += luts
    return 1 - inside / total


def _fmax(verilog: str, top: str, device: str, seeds: int) -> dict[str, Any]:
    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    found = measure_fmax(verilog, top=top, part=device, seeds=range(1, seeds + 1), say=say)
    first = found.placements[0]
    return {
        "fmax_mhz": {"median": found.median, "min": found.min, "max": found.max},
        "device": device,
        "seeds": seeds,
        "utilization": first.utilization,
        "placer": f"{first.tool} {first.version}",
    }


def describe(answer: Mapping[str, Any]) -> str:
    """The counts, then block by block, the largest first."""
    shown = {name: answer[name] for name in COUNTED if answer[name] is not None}
    lines = [", ".join(f"{name} {value:,}" for name, value in shown.items())]
    lines += [f"{answer['per_bmac']} per bMAC; {answer['tool']} {answer['version']}"]
    if "outside_array" in answer:
        lines += [f"outside the array: {answer['outside_array']:.1%} of the LUTs"]
    if "fmax_mhz" in answer:
        fmax = answer["fmax_mhz"]
        lines += [
            f"{fmax['median']} MHz (median of {answer['seeds']} seeds, {fmax['min']} to "
            f"{fmax['max']}) on {answer['device']}, {answer['placer']}"
        ]
    columns = [name for name in (*COUNTED, "lut_memory") if answer["modules"][0][name] is not None]
    blocks = sorted(answer["modules"], key=lambda block: -block["count"] * _area(block))
    rows = [[b["name"], str(b["count"]), *(f"{b[name]:,}" for name in columns)] for b in blocks]
    return "\n".join([*lines, table(["block (each)", "instances", *columns], rows)])
