"""Running a tool of the flow in a folder of its own.

The packaged programs see relative paths alone, and the packaged yosys loses its standard output and
its error messages after the first ABC call. So every tool runs inside its own folder, writes a log
there, and what it found is read from files.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows import toolchain
from flows.synth.tools import Tool
from ir.errors import ToolError
from ir.files import read_text, write_text

SHOWN_LINES = 8
YOSYS_TIMEOUT_S = 3600.0
KEY_CHARACTERS = 20
TABLE_MAPPING = {
    "synth_ecp5": ("techmap -map +/lattice/latches_map.v", "abc9 -W 600 -D 4000", "clean"),
}
"""{synthesis: its step map_luts, where we change it}. abc9 takes 300 ps for the wire into a table
by itself; nextpnr's are two to four times that, and carry chains looked slower beside tables than
they are. And it makes whatever it is given as fast as it can: a block by itself, whose longest path
is short, took up to three times the tables that it takes in a whole overlay, whose longest path
leaves it time. 4 ns is below what a whole overlay reaches: 4x64x4 flattened takes 13,648 LUT4 and
13,637 without it."""


def content_key(identity: Sequence[Any]) -> str:
    """What a result depends on, as a file name."""
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:KEY_CHARACTERS]


def fresh_folder(folder: Path) -> Path:
    """`folder`, emptied: what a killed run left there is no result."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def netlist_script(command: str) -> str:
    """design.v to netlist.json by `command`, yosys' synthesis for a family.

    Nets are split before ABC: yosys 0.70 stops at names that it would use twice otherwise.
    """
    mapping = TABLE_MAPPING.get(command.split()[0])
    steps = [
        "read_verilog design.v",
        f"{command} -run begin:map_luts",
        "splitnets",
        *(mapping or ()),
        f"{command} -run {'map_cells' if mapping else 'map_luts'}:",
        "write_json netlist.json",
    ]
    return "\n".join(steps) + "\n"


def run_yosys(yosys: Tool, script: str, folder: Path, expects: Sequence[str]) -> None:
    """Run `script` in `folder`. ToolError with the log when it fails or leaves no `expects`."""
    write_text(folder / "run.ys", script)
    arguments = ["-q", "-l", "yosys.log", "-s", "run.ys"]
    run_tool(yosys, arguments, folder, log="yosys.log", expects=expects, timeout_s=YOSYS_TIMEOUT_S)


def run_tool(
    tool: Tool,
    arguments: Sequence[str],
    folder: Path,
    *,
    log: str,
    expects: Sequence[str],
    timeout_s: float,
) -> None:
    """Run a tool in `folder`, where it writes its own `log`; the folder stays when it fails.

    ToolError names the log and ends with its last lines.
    """
    printed = folder / "printed.log"
    try:
        toolchain.run(
            [tool.binary, *arguments],
            printed,
            cwd=folder,
            expects=[folder / name for name in expects],
            timeout_s=timeout_s,
        )
    except ToolError as error:
        own = folder / log
        text = read_text(own) if own.is_file() else error.output
        raise ToolError(
            error.command,
            error.returncode,
            own if own.is_file() else error.log,
            error.fix,
            error.reason,
            "\n".join(text.splitlines()[-SHOWN_LINES:]),
        ) from error
