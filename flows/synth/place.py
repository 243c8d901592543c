"""Place and route, and the bitstream: yosys, nextpnr and the packer, one after the other.

    placement = implement(
        Design(verilog=text, top="top", part="LFE5U-85F-6BG381C", pins=lpf, clock_mhz=50.0),
        seed=1,
        bitstream="build/top.bit",
    )

Netlists and placements are kept by content, so the same call takes no time again.
"""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from boards.parts import Part, find_part
from flows.lock import hold
from flows.steps import source_digest
from flows.synth import nets
from flows.synth.inverted_resets import invert_resets
from flows.synth.launch import content_key, fresh_folder, netlist_script, run_tool, run_yosys
from flows.synth.output_registers import move_output_registers
from flows.synth.report import raise_if_too_large, read_report
from flows.synth.tools import Tool, find_tool, find_yosys
from ir.errors import ConfigError, ToolError
from ir.files import read_bytes, read_json, write_bytes, write_json, write_text

DEFAULT_CACHE = Path("build/cache/place")
PLACE_TIMEOUT_S = 3600.0
PACK_TIMEOUT_S = 600.0
CHANGES = {"ecp5": (move_output_registers, invert_resets)}
"""{family: what is done to yosys' netlist before it is placed}."""
SETTINGS = {"ecp5": ("--placer-heap-timingweight", "30", "--router", "router1")}
"""{family: nextpnr's options}. The weight is 10 by itself, which leaves cells 40 columns from the
block RAM they read: one netlist of a 4x64x4 overlay reached 108 MHz with it and 127 with 30.
router2 takes two thirds of the time, and detours some nets: one placement of such an overlay
reached 94 MHz with it and 116 with router1."""
TIMING_FAILS_SOFTLY = "--timing-allow-fail"


@dataclass(frozen=True, kw_only=True)
class Design:
    """What to place and route.

    verilog    text with all modules          top  name of the top module
    part       ordering code (boards/parts.py)  pins  text of the LPF or PCF; "" lets nextpnr choose
    clock_mhz  what clocks without a constraint in `pins` must reach
    """

    verilog: str
    top: str
    part: str
    clock_mhz: float
    pins: str = ""

    def __post_init__(self) -> None:
        if not self.clock_mhz > 0:
            raise ConfigError(f"clock_mhz must be positive, not {self.clock_mhz!r}")
        if f"module {self.top}" not in self.verilog:
            raise ConfigError(f"the Verilog has no module {self.top}")


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What nextpnr reached.

    clocks       {net: {achieved, constraint}} in MHz
    fmax_mhz     achieved by the clock that is nearest to missing its constraint, or misses it most
    met          every clock reaches its constraint
    utilization  {kind of cell: {used, available}}
    bitstream    its path, None when none was asked for
    critical_path  the slowest path between registers: ns so far, kind of step, net or cell
    seconds      of the run that found it; a result from the cache keeps it
    """

    part: str
    seed: int
    fmax_mhz: float
    met: bool
    clocks: Mapping[str, Mapping[str, float]]
    utilization: Mapping[str, Mapping[str, int]]
    bitstream: str | None
    tool: str
    version: str
    synthesis: str
    seconds: float
    critical_path: Sequence[str] = ()


def implement(
    design: Design,
    *,
    seed: int = 1,
    bitstream: str | Path | None = None,
    cache: str | Path = DEFAULT_CACHE,
) -> Placement:
    """Synthesize, place and route `design`, and write its bitstream when a path is given.

    Timing that is missed is no error: look at `met`. CapacityError: the part is too small.
    ConfigError: no open tool places the part. ToolError, with the log: a tool is missing or failed;
    an unknown or missing pin is such a failure of nextpnr, which names it.
    """
    part = find_part(design.part)
    netlist = synthesize_netlist(design, part, cache)
    placer = find_tool(part.placer)
    settings = [*part.placement, *SETTINGS.get(part.family, ())]
    settings += ["--freq", f"{design.clock_mhz:g}", "--seed", str(seed)]
    packer = find_tool(part.packer) if bitstream else None
    key = _key(netlist.parent.name, design.pins, settings, placer, packer)
    place = Path(cache).absolute() / f"{key}.json"
    with hold(place.with_suffix(".lock")):
        if not place.is_file():
            _place(design, part, netlist, placer, packer, settings, place)
        found = read_json(place)
    if bitstream:
        write_bytes(bitstream, read_bytes(place.with_suffix(part.suffix)))
    yosys = find_yosys()
    return Placement(
        part=design.part,
        seed=seed,
        bitstream=str(bitstream) if bitstream else None,
        synthesis=f"{yosys.tool} {yosys.version}",
        **found,
    )


def synthesize_netlist(design: Design, part: Part, cache: str | Path = DEFAULT_CACHE) -> Path:
    """The JSON netlist of `design` for its part, flattened."""
    yosys = find_yosys()
    script = _script(design.top, part)
    changes = CHANGES.get(part.family, ())
    key = _key(design.verilog, script, yosys, *_code_of(changes))
    folder = Path(cache).absolute() / key
    with hold(folder.with_suffix(".lock")):
        if not (folder / "netlist.json").is_file():
            work = fresh_folder(folder.with_suffix(".work"))
            write_text(work / "design.v", design.verilog)
            run_yosys(yosys, script, work, expects=["netlist.json"])
            if changes:
                netlist = read_json(work / "netlist.json")
                for change in changes:
                    change(netlist)
                write_json(work / "netlist.json", netlist, indent=None)
            fresh_folder(folder)
            (work / "netlist.json").replace(folder / "netlist.json")
            shutil.rmtree(work)
    return folder / "netlist.json"


def _code_of(changes: Sequence[Callable[..., int]]) -> list[str]:
    """Digests of the sources that change a netlist: one made by other code is not used again."""
    modules = {change.__module__ for change in changes} | {nets.__name__}
    files = [f"{module.replace('.', '/')}.py" for module in sorted(modules)]
    return [source_digest(file) for file in files] if changes else []


def _script(top: str, part: Part) -> str:
    return netlist_script(
        " ".join(filter(None, [f"synth_{part.family}", part.synthesis, f"-top {top}"]))
    )


def _place(
    design: Design,
    part: Part,
    netlist: Path,
    placer: Tool,
    packer: Tool | None,
    settings: list[str],
    place: Path,
) -> None:
    """Run nextpnr, and the packer if any; the report lands at `place`, the bitstream beside it."""
    started = time.monotonic()
    folder = fresh_folder(place.with_suffix(".work"))
    shutil.copyfile(netlist, folder / "netlist.json")
    constraints = {"ecp5": ("lpf", "pins.lpf"), "ice40": ("pcf", "pins.pcf")}[part.family]
    routed = {"ecp5": ("textcfg", "routed.config"), "ice40": ("asc", "routed.asc")}[part.family]
    options = [*settings, TIMING_FAILS_SOFTLY, "--json", "netlist.json", "--report", "report.json"]
    options += ["--log", "nextpnr.log", "--quiet", f"--{routed[0]}", routed[1]]
    if design.pins:
        write_text(folder / constraints[1], design.pins)
        options += [f"--{constraints[0]}", constraints[1]]
    else:
        options += [f"--{constraints[0]}-allow-unconstrained"]
    expects = ["report.json", routed[1]]
    try:
        run_tool(
            placer, options, folder, log="nextpnr.log", expects=expects, timeout_s=PLACE_TIMEOUT_S
        )
    except ToolError as error:
        raise_if_too_large(folder / "nextpnr.log", part.name, error)
        raise
    if packer:
        _pack(packer, part, folder, routed[1], place.with_suffix(part.suffix))
    found = read_report(folder / "report.json")
    found |= {"tool": placer.tool, "version": placer.version}
    write_json(place, found | {"seconds": round(time.monotonic() - started, 1)})
    shutil.rmtree(folder)


def _pack(packer: Tool, part: Part, folder: Path, routed: str, target: Path) -> None:
    output = f"design{part.suffix}"
    options = ["--compress", routed, output] if part.family == "ecp5" else [routed, output]
    run_tool(
        packer,
        options,
        folder,
        log="packed.log",
        expects=[output],
        timeout_s=PACK_TIMEOUT_S,
    )
    (folder / output).replace(target)


def _key(*parts: Any) -> str:
    """What a result depends on, as a file name."""
    texts = [asdict(p) | {"binary": ""} if isinstance(p, Tool) else p for p in parts]
    return content_key(texts)
