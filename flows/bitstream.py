"""`bitwright bitstream`: a board's whole chip, placed, routed and packed by open tools.

A bitstream that misses the board's clock is no bitstream: other seeds are tried, and when none
holds, nothing is left but the report. Nor is one of more cells than the board's budget, which may
be less than the die holds.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from boards.loader import Board
from boards.parts import find_part
from codegen.board_top import BoardTop, emit_board_top, top_pins
from codegen.lower import lower
from flows import compile as compiling
from flows.project import load_project
from flows.synth import Design, Placement, find_tool, find_yosys, implement
from flows.workspace import Workspace, open_workspace
from ir.errors import CapacityError, ConfigError
from ir.files import write_json, write_text

FOLDER = "bitstream"
STEPS = compiling.STEPS + 1
PLACED = {
    "ecp5": {
        "luts": "TRELLIS_COMB",
        "ffs": "TRELLIS_FF",
        "bram_blocks": "DP16KD",
        "dsps": "MULT18X18D",
    },
    "ice40": {"luts": "ICESTORM_LC", "bram_blocks": "ICESTORM_RAM", "dsps": "ICESTORM_DSP"},
}
"""{family: {key of a board's budget: nextpnr's cell of the same unit}}. A TRELLIS_COMB is a LUT of
four inputs, those that carries and LUT memories take among them; an ICESTORM_LC is a LUT with its
flip-flop."""


def run(config: Path, overrides: tuple[str, ...] = (), seeds: int = 3) -> Mapping[str, Any]:
    """Paths of the bitstream and of its report. seeds: how many placements are tried at most.

    ConfigError: the board has no open flow. CapacityError: the part or the board's budget is too
    small. ToolError: a tool is missing or fails. `ok` is False when no placement reaches the
    board's clock.
    """
    if seeds < 1:
        raise ConfigError(f"--seeds must be at least 1, not {seeds}")
    _check_tools(config, overrides)
    with open_workspace("bitstream", config, overrides, steps=STEPS) as space:
        model, overlay, _ = compiling.compile_model(space)
        network = lower(model.graph, overlay.config)
        top = emit_board_top(space.board, overlay.config)
        space.progress.begin(f"place and route for {space.board.part}")
        placed = _implement(space, top, seeds)
        space.progress.end(f"{placed.fmax_mhz:.1f} MHz of {_wanted_mhz(space):g} MHz")
        over = over_budget(space.board, placed.utilization)
        report = {
            "ok": placed.met and not over,
            "name": space.project.name,
            "run": str(space.run.path),
            "board": space.board.name,
            "clock_mhz": _wanted_mhz(space),
            "overlay": compiling.describe_overlay(overlay.config),
            "memory": {"needs": network.memory_bytes, "has": space.board.memory.size_bytes},
            **asdict(placed),
        }
        place = _report_of(space)
        write_json(place, report)
        if over:
            raise CapacityError(
                f"the design does not fit board {space.board.name}: {', '.join(over)}; choose "
                f"fewer overlay.luts or overlay.bram_blocks; report: {place}"
            )
        files = [placed.bitstream] if placed.bitstream else []
        return report | {"files": [*files, str(place)]}


def describe(result: Mapping[str, Any]) -> str:
    """Clock, cells, and where the bitstream and its report lie."""
    used = ", ".join(
        f"{name} {cell['used']} of {cell['available']}"
        for name, cell in result["utilization"].items()
        if 20 * cell["used"] >= cell["available"]
    )
    verdict = "met" if result["met"] else "missed: no bitstream; raise clk_period_ns or --seeds"
    return "\n".join(
        [
            f"{result['board']} ({result['part']}): {used}",
            f"clock {result['clock_mhz']:g} MHz, reached {result['fmax_mhz']:.1f} MHz: {verdict}",
            *result["files"],
        ]
    )


def _check_tools(config: Path, overrides: tuple[str, ...]) -> None:
    """What is wrong with the board or the tools is said before anything is trained."""
    board = load_project(config, overrides).load_board()
    top_pins(board)
    part = find_part(board.part)
    find_yosys()
    for program in (part.placer, part.packer):
        find_tool(program)


def over_budget(board: Board, utilization: Mapping[str, Mapping[str, int]]) -> list[str]:
    """What was placed beyond the board's budget: cell, used of budget, and the budget's key."""
    used = {
        (key, cell): utilization[cell]["used"]
        for key, cell in PLACED[board.family].items()
        if cell in utilization
    }
    return [
        f"{cell}: {count} of {getattr(board.budget, key)} (budget.{key})"
        for (key, cell), count in used.items()
        if count > getattr(board.budget, key)
    ]


def _implement(space: Workspace, top: BoardTop, seeds: int) -> Placement:
    """The first placement that reaches the board's clock, else the fastest, without bitstream.

    One beyond the budget has no bitstream either, and no other seed takes fewer cells.
    """
    board = space.board
    folder = space.run / FOLDER
    write_text(folder / f"{board.name}.v", top.verilog)
    write_text(folder / f"{board.name}.{_constraints_suffix(board.family)}", top.constraints)
    design = Design(
        verilog=top.verilog,
        top=top.top,
        part=board.part,
        pins=top.constraints,
        clock_mhz=_wanted_mhz(space),
    )
    place = folder / f"{board.name}{find_part(board.part).suffix}"
    judged = place.with_suffix(".unjudged")
    for old in (place, judged, _report_of(space)):
        old.unlink(missing_ok=True)
    missed = []
    for seed in range(1, seeds + 1):
        found = implement(design, seed=seed, bitstream=judged)
        over = over_budget(board, found.utilization)
        if found.met and not over:
            judged.replace(place)
            return replace(found, bitstream=str(place))
        judged.unlink()
        missed.append(found)
        if over:
            break
        space.progress.say(f"seed {seed}: {found.fmax_mhz:.1f} MHz")
    best = max(missed, key=lambda placed: placed.fmax_mhz)
    return replace(best, bitstream=None)


def _report_of(space: Workspace) -> Path:
    return space.run / FOLDER / f"{space.board.name}.json"


def _wanted_mhz(space: Workspace) -> float:
    return round(space.board.clock.frequency_hz / 1e6, 6)


def _constraints_suffix(family: str) -> str:
    return {"ecp5": "lpf", "ice40": "pcf"}[family]
