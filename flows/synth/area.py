"""What a design takes of a family's fabric, counted by yosys before packing and placement.

The design is synthesized block by block (blocks.py): a block is synthesized once and kept by its
content, the script and the version of the tool, so that another overlay with the same block finds
it done. A design's count is the sum over its blocks' instances.
"""

import hashlib
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from flows.lock import hold
from flows.synth.blocks import ALL_BLOCKS, Block, batch_text, find_blocks
from flows.synth.fabric import FABRICS, Fabric, find_fabric
from flows.synth.launch import content_key, fresh_folder, netlist_script, run_yosys
from flows.synth.packing import METHOD, packed_sites
from flows.synth.tools import Tool, find_yosys
from ir.errors import ConfigError, ToolError
from ir.files import read_json, read_text, write_json, write_text

DEFAULT_CACHE = Path("build/cache/synth")
TOP = "bitwright_overlay"
SUMMED = ("luts", "lut_cells", "lut_memory", "lut_carry", "carry", "ff", "bram", "dsp")


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What yosys counted.

    luts        what the fabric's LUTs are used for: lut_cells, lut_memory and lut_carry together
    lut_cells   logic          lut_memory  LUTs used as memory          lut_carry  lost to carries
    lut_packed  sites of the logic after pairing (packing.py), None where LUTs do not pair
    comb        lut_cells and lut_carry, None where carries take no LUTs
    carry       carry cells    ff          flip-flops    bram  18 Kbit blocks (iCE40: 4 Kbit)
    seconds     of the runs that found it; what comes from the cache keeps its own
    """

    luts: int
    lut_cells: int
    lut_memory: int
    lut_carry: int
    lut_packed: int | None
    comb: int | None
    carry: int
    ff: int
    bram: int
    dsp: int
    cells: Mapping[str, int]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class BlockCount(Counts):
    """A block of a design. count: its instances; the numbers are those of one."""

    name: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Synthesis(Counts):
    """A whole design: each block as often as it is there."""

    family: str
    tool: str
    version: str
    verilog_sha256: str
    blocks: tuple[BlockCount, ...] = ()


def synthesize(
    verilog: str,
    *,
    family: str,
    top: str = TOP,
    by_child: bool = True,
    cache: str | Path = DEFAULT_CACHE,
) -> Synthesis:
    """What `verilog` takes. Blocks that were synthesized before come from `cache`.

    by_child: modules directly below the top are blocks of their own.

    Raises ConfigError for a family not in FABRICS or a text without `top`, ToolError when yosys is
    missing or fails.
    """
    fabric = find_fabric(family)
    yosys = find_yosys()
    blocks = find_blocks(verilog, top, by_child=by_child)
    places = _places(blocks, fabric, yosys, Path(cache).absolute())
    missing = [name for name, place in places.items() if _read(place) is None]
    if missing:
        _synthesize_blocks(blocks, missing, fabric, yosys, places)
    counted = []
    for name, place in places.items():
        found = _read(place)
        if found is None:
            raise ConfigError(f"{place} was changed while it was read")
        counted.append(replace(found, name=name, count=blocks[name].count))
    return _sum(family, counted, yosys, hashlib.sha256(verilog.encode()).hexdigest())


def _places(
    blocks: Mapping[str, Block], fabric: Fabric, yosys: Tool, cache: Path
) -> dict[str, Path]:
    """{block: the file that keeps its count}."""
    stubs = {name: block.stub for name, block in blocks.items()}
    shared = [_script(fabric), yosys.tool, yosys.version, _counted(fabric)]
    return {
        name: cache / f"{content_key([block.digest(stubs), *shared])}.json"
        for name, block in blocks.items()
    }


def _synthesize_blocks(
    blocks: Mapping[str, Block],
    names: list[str],
    fabric: Fabric,
    yosys: Tool,
    places: Mapping[str, Path],
) -> None:
    """One run of yosys for all blocks that are missing; their counts land at their places.

    Of a run that ends without a word half of the blocks are tried at a time: the packaged yosys has
    4 GiB of memory and no message for having used them.
    """
    folder = places[names[0]].parent / content_key([places[name].name for name in names])
    with hold(folder.with_suffix(".lock")):
        names = [name for name in names if _read(places[name]) is None]
        if not names:  # another process has done them meanwhile
            return
        started = time.monotonic()
        write_text(fresh_folder(folder) / "design.v", batch_text(blocks, names))
        try:
            run_yosys(yosys, _script(fabric), folder, expects=["netlist.json"])
        except ToolError:
            if len(names) == 1 or _told(folder):
                raise
            for half in (names[::2], names[1::2]):
                _synthesize_blocks(blocks, half, fabric, yosys, places)
            shutil.rmtree(folder, ignore_errors=True)
            return
        seconds = time.monotonic() - started
        modules = read_json(folder / "netlist.json")["modules"]
        found = {name: _cells_of(modules, name, folder) for name in names}
        work = sum(map(len, found.values())) or 1
        for name, cells in found.items():
            share = round(seconds * len(cells) / work, 2)
            count = _count(fabric, cells, blocks)
            write_json(places[name], count | {"name": name, "count": 1, "seconds": share})
        shutil.rmtree(folder, ignore_errors=True)


def _told(folder: Path) -> bool:
    """Whether yosys said what is wrong, or never ran."""
    log = folder / "yosys.log"
    return not log.is_file() or "ERROR:" in read_text(log)


def _cells_of(modules: Mapping[str, Any], name: str, folder: Path) -> list[Mapping[str, Any]]:
    plain = name.removeprefix("\\")
    if plain not in modules:
        raise ToolError("yosys", 0, folder / "yosys.log", reason=f"ended without module {plain}")
    return list(modules[plain]["cells"].values())


def _script(fabric: Fabric) -> str:
    return netlist_script(f"{fabric.command} -top {ALL_BLOCKS}")


def _count(
    fabric: Fabric, cells: Sequence[Mapping[str, Any]], blocks: Iterable[str]
) -> dict[str, Any]:
    """The numbers of a block's netlist; scope notes and blocks below are no cells."""
    below = {name.removeprefix("\\") for name in blocks}
    kinds = Counter(cell["type"] for cell in cells)
    counted = {
        kind: number
        for kind, number in sorted(kinds.items())
        if not kind.startswith("$") and kind not in below
    }
    packed = packed_sites(cells) if fabric.fracturable else None
    return fabric.counts(counted) | {"lut_packed": packed, "cells": counted}


def _sum(family: str, blocks: Sequence[BlockCount], yosys: Tool, digest: str) -> Synthesis:
    def total(name: str) -> Any:
        numbers = [(getattr(block, name), block.count) for block in blocks]
        return None if numbers[0][0] is None else sum(n * times for n, times in numbers)

    cells: Counter[str] = Counter()
    for block in blocks:
        cells.update({kind: number * block.count for kind, number in block.cells.items()})
    return Synthesis(
        family=family,
        **{name: total(name) for name in (*SUMMED, "lut_packed", "comb")},
        cells=dict(sorted(cells.items())),
        tool=yosys.tool,
        version=yosys.version,
        seconds=round(sum(block.seconds for block in blocks), 1),
        verilog_sha256=digest,
        blocks=tuple(blocks),
    )


def _counted(fabric: Fabric) -> dict[str, Any]:
    """What the counting depends on: a changed weight is a changed result."""
    weights = {name: value for name, value in asdict(fabric).items() if name != "command"}
    return weights | {"packing": METHOD if fabric.fracturable else ""}


def _read(place: Path) -> BlockCount | None:
    """The count at `place`, if there is a whole one."""
    try:
        return BlockCount(**read_json(place))
    except (ConfigError, TypeError):
        return None


__all__ = ["DEFAULT_CACHE", "FABRICS", "BlockCount", "Synthesis", "synthesize"]
