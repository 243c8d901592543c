"""`bitwright bench table`: the cycle figures of docs/results.md, one line each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Any

from flows import console

TABLE = (
    "matmul --array 8x64x8 --shape 128x1152x256 --bits 2x2",
    "matmul --array 8x64x8 --shape 128x1152x256 --bits 4x4",
    "matmul --array 8x64x8 --shape 16x144x1024 --bits 3x3",
    "matmul --array 8x64x8 --shape 64x576x64 --bits 3x3",
    "matmul --array 8x64x8 --shape 64x576x64 --bits 3x3 --out int32",
    "matmul --array 8x64x8 --shape 33x100x5 --bits 5x3 --signed 1x1",
    "conv --array 8x48x8 --input 32x32x16 --channels 16 --kernel 3 --bits 3x3",
    "conv --array 8x64x8 --input 16x16x64 --channels 64 --kernel 3 --stride 2 --bits 3x3",
)
"""What `bench table` runs."""


def measure_table(measure_line: Callable[[str], Mapping[str, Any]]) -> dict[str, Any]:
    """Every line of TABLE through `measure_line`."""
    rows = []
    for line in TABLE:
        print(f"bench {line}", file=sys.stderr, flush=True)
        rows.append({"job": line} | dict(measure_line(line)))
    return {"rows": rows, "ok": all(row["ok"] for row in rows)}


def add_table(parser: argparse.ArgumentParser) -> None:
    """`bench table` has no options of its own."""


def describe(result: Mapping[str, Any]) -> str:
    """The table of docs/results.md."""
    columns = (
        "job",
        "measured",
        "predicted",
        "bound",
        "utilization",
        "shape",
        "memory",
        "sequence",
        "exact",
    )
    rows = [
        [
            row["job"],
            f"{row['measured']:,}",
            f"{row['predicted']:,}",
            f"{row['lower_bound']:,} {row['bound_by']}",
            f"{100 * row['utilization']:.1f} %",
            *(f"{row['factors'][name]:.3f}" for name in ("shape", "memory", "sequence")),
            "yes" if row["bit_exact"] else "NO",
        ]
        for row in result["rows"]
    ]
    return console.table(columns, rows)
