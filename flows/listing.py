"""`bitwright list`: the plug-ins of one kind with a line on each. Imports none of them."""

import ast
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from boards.loader import board_names, load_board
from flows.console import table
from ir import plugins
from ir.errors import UnknownPluginError
from ir.files import read_text
from quant.recipe import load_preset, preset_names

BOARDS = "boards"
FOLDERS = {
    "quantizers": "quant/quantizers",
    "allocators": "quant/allocators",
    "overlays": "hw/overlays",
}
RECIPES = "recipes"
KINDS = (*FOLDERS, BOARDS, RECIPES)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One plug-in: its name in configs and on the command line, and what it is in a line."""

    name: str
    summary: str


def entries(kind: str) -> list[Entry]:
    """Every plug-in of a kind, sorted by name. UnknownPluginError lists the kinds."""
    if kind == BOARDS:
        return [Entry(name=name, summary=load_board(name).description) for name in board_names()]
    if kind == RECIPES:
        return [Entry(name=n, summary=load_preset(n).description) for n in preset_names()]
    if kind not in FOLDERS:
        raise UnknownPluginError("kind of plug-in", kind, KINDS)
    folder = FOLDERS[kind]
    return [Entry(name=name, summary=_summary(folder, name)) for name in plugins.names(folder)]


def to_plain(kind: str) -> dict[str, object]:
    """The JSON document of `bitwright list KIND --json`."""
    found = [asdict(entry) for entry in entries(kind)]
    return {"kind": kind, "names": [entry["name"] for entry in found], kind: found}


def describe(result: Mapping[str, Any]) -> str:
    """The table for a person."""
    rows = [[entry["name"], entry["summary"]] for entry in result[result["kind"]]]
    return table([result["kind"], ""], rows)


def _summary(folder: str, name: str) -> str:
    """The first line of the file's docstring; '' for a file that does not parse."""
    try:
        text = ast.get_docstring(ast.parse(read_text(plugins.path(folder, name))))
    except SyntaxError:
        return ""
    return text.splitlines()[0] if text else ""
