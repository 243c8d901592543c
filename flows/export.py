"""`bitwright export`: what a run made, for other tools.

bitwright export examples/digits.yaml                      the overlay as an IP folder for Vivado
bitwright export examples/digits.yaml --format qonnx       the trained network as a QONNX file
bitwright export model.onnx --format qonnx                 a model in the overlay's own integers
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from codegen.frontend.qonnx.importer import import_onnx
from codegen.lower import lower
from codegen.qonnx_writer import write_qonnx
from codegen.vivado.ip_folder import ip_folder
from flows import compile as compiling
from flows import quantize
from flows.model_run import is_model
from flows.project import load_project
from flows.workspace import open_workspace
from ir.errors import ConfigError
from ir.files import write_bytes
from ir.graph import IntegerGraph

FOLDER = "ip"
NETWORK = "model/network.onnx"
SUFFIX = ".integers.onnx"

Format = Literal["ip", "qonnx"]


def run(
    config: Path,
    overrides: tuple[str, ...] = (),
    format: Format = "ip",  # noqa: A002
) -> Mapping[str, Any]:
    """Where the files lie. ConfigError: the board's part is none of Vivado's; a model as IP."""
    if is_model(config):
        if format == "ip" or overrides:
            raise ConfigError(
                "an ONNX model is exported with --format qonnx and no --set; an IP folder is made "
                "of a config"
            )
        return _written(config.stem, import_onnx(config).graph, config.with_suffix(SUFFIX))
    if format == "ip":
        return _ip(config, overrides)
    with open_workspace("export", config, overrides, steps=quantize.STEPS) as space:
        model = quantize.obtain_model(space)
        return _written(space.project.name, model.graph, space.run / NETWORK)


def describe(result: Mapping[str, Any]) -> str:
    """The files to begin with."""
    what = f"IP folder for {result['board']}:" if "board" in result else "QONNX:"
    return "\n".join([*result.get("notes", ()), what, *result["files"]])


def _written(name: str, graph: IntegerGraph, path: Path) -> Mapping[str, Any]:
    written = write_qonnx(graph)
    write_bytes(path, written.proto.SerializeToString())
    return {"name": name, "notes": list(written.notes), "files": [str(path)]}


def _ip(config: Path, overrides: tuple[str, ...]) -> Mapping[str, Any]:
    board = load_project(config, overrides).load_board()
    if board.toolchain != "vivado":
        raise ConfigError(
            f"board {board.name} (part {board.part}) is not for Vivado; choose another with --set "
            "board=, or `bitwright bitstream` for a board with an open flow"
        )
    with open_workspace("export", config, overrides, steps=compiling.STEPS) as space:
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
