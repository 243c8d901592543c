"""Models of the fabric's own cells, one file each, for simulators and proofs.

The structural versions of hw/ instantiate these cells; a synthesizer knows them itself and is never
given the models. A file is named as its cell.
"""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def cell_models(verilog: str) -> dict[str, Path]:
    """{cell: its model} for every cell that `verilog` instantiates."""
    models = {path.stem: path for path in sorted(FOLDER.glob("*.v"))}
    return {
        cell: path
        for cell, path in models.items()
        if re.search(rf"^\s*{cell}\s*(#\s*\(|\\|\w)", verilog, re.MULTILINE)
    }


def models_of(*cells: str) -> list[Path]:
    """The models of these cells."""
    return [FOLDER / f"{cell}.v" for cell in cells]
