"""`bitwright export`: the run's overlay as an IP folder for Vivado, with a PYNQ driver."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codegen.lower import lower
from codegen.vivado.ip_folder import ip_folder
from flows import compile as compiling
from flows.project import load_project
from flows.workspace import open_workspace
from ir.errors import ConfigError
from ir.files import write_bytes

STEPS = compiling.STEPS
FOLDER = "ip"


def run(config: Path, overrides: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """Where the folder lies. ConfigError: the board's part is none of Vivado's."""
    board = load_project(config, overrides).load_board()
    if board.toolchain != "vivado":
        raise ConfigError(
            f"board {board.name} (part {board.part}) is not for Vivado; choose another with --set "
            "board=, or `bitwright bitstream` for a board with an open flow"
        )
    with open_workspace("export", config, overrides, steps=STEPS) as space:
        model, overlay, _ = compiling.compile_model(space)
        network = lower(model.graph, overlay.config)
        folder = space.run / FOLDER
        for name, data in ip_folder(space.board, network).items():
            write_bytes(folder / name, data)
        return {
            "name": space.project.name,
            "run": str(space.run.path),
            "board": space.board.name,
            "overlay": compiling.describe_overlay(overlay.config),
            "files": [str(folder / name) for name in ("README.md", "package_ip.tcl", "driver")],
        }


def describe(result: Mapping[str, Any]) -> str:
    """The files to begin with."""
    return "\n".join([f"IP folder for {result['board']}:", *result["files"]])
