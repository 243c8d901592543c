"""`bitwright bench area-table`: area and clock beside what they must be and what others reach.

Source of the targets and of the peers' figures: the design notes on the overlay. Peers were
measured there on their own RTL with the same yosys unless said; a vendor's figures are not yosys
figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ir.errors import ConfigError

Measure = Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Line:
    """words: what stands behind `bitwright bench area`. value: the key of its answer that counts.

    must, aim: upper limits, of MHz lower ones.
    """

    metric: str
    words: str
    value: str
    must: float | None = None
    aim: float | None = None
    peers: str = ""

    @property
    def at_least(self) -> bool:
        """More is better."""
        return self.value == "fmax_mhz"


_UNIT = "--lanes 64 --acc-bits"
_WHOLE = "--part overlay --array"

LINES = (
    Line(
        metric="xc7, AND and popcount of 64 lanes: LUT cells",
        words="--family xc7 --part lanes --lanes 64",
        value="lut_cells",
        must=80,
        aim=66,
        peers="BISMO's VHDL 72 LUT sites, MVU's AND alone 124 (their RTL); behavioural sum 135",
    ),
    Line(
        metric="xc7, DPU 64 lanes, 32-bit accumulator: LUT cells",
        words=f"--family xc7 {_UNIT} 32",
        value="lut_cells",
        must=150,
        aim=130,
        peers="BISMO v2 215, MVU tile 388 with 27 bits (their RTL, yosys 0.70)",
    ),
    Line(
        metric="same, 16-bit accumulator: LUT cells",
        words=f"--family xc7 {_UNIT} 16",
        value="lut_cells",
        must=115,
        aim=98,
    ),
    Line(
        metric="xc7, DPU 64 lanes, 32 bits: packed LUTs per bMAC",
        words=f"--family xc7 {_UNIT} 32",
        value="per_bmac",
        must=1.8,
        aim=1.3,
        peers="BISMO 2.06, RBE 3.00, MVU 3.92, Bit Fusion 7.44 (their RTL, yosys 0.70)",
    ),
    Line(
        metric="xc7, DPU and drain chain, 32 bits: packed LUTs per bMAC",
        words=f"--family xc7 --part dpu+result {_UNIT} 32",
        value="per_bmac",
        must=2.4,
        aim=2.1,
        peers="BISMO v2's model: 239 LUT = 3.74",
    ),
    Line(
        metric="same, 16-bit accumulator",
        words=f"--family xc7 --part dpu+result {_UNIT} 16",
        value="per_bmac",
        aim=1.6,
    ),
    Line(
        metric="ECP5, DPU 64 lanes, 32 bits: TRELLIS_COMB",
        words=f"--family ecp5 {_UNIT} 32 --fmax",
        value="comb",
        must=300,
        aim=272,
        peers="BISMO 428, MVU 588 (their RTL, yosys 0.70); behavioural 490",
    ),
    Line(
        metric="same, MHz on LFE5U-85F-6, median of 5 seeds",
        words=f"--family ecp5 {_UNIT} 32 --fmax",
        value="fmax_mhz",
        must=200,
        aim=273,
        peers="behavioural 126 (nextpnr-ecp5 0.11)",
    ),
    Line(
        metric="iCE40, DPU 64 lanes, 32 bits: SB_LUT4",
        words=f"--family ice40 {_UNIT} 32 --fmax",
        value="lut_cells",
    ),
    Line(
        metric="same, MHz on iCE40HX8K, median of 5 seeds",
        words=f"--family ice40 {_UNIT} 32 --fmax",
        value="fmax_mhz",
    ),
    Line(
        metric="xc7, DPU 64 lanes of 2x2 bits: packed LUTs per bMAC",
        words=f"--family xc7 {_UNIT} 32 --digits 2x2",
        value="per_bmac",
    ),
    Line(
        metric="xc7, DPU 64 lanes of 4x4 bits: packed LUTs per bMAC",
        words=f"--family xc7 {_UNIT} 32 --digits 4x4",
        value="per_bmac",
    ),
    Line(
        metric="xc7, 8x64x8: share of the LUTs outside the array",
        words=f"--family xc7 {_WHOLE} 8x64x8",
        value="outside_array",
        must=0.25,
        aim=0.15,
    ),
    Line(
        metric="ECP5-85F, whole 4x64x4 overlay: MHz, median of 5 seeds",
        words=f"--family ecp5 {_WHOLE} 4x64x4 --fmax",
        value="fmax_mhz",
        must=120,
        aim=150,
    ),
)


def add_area_table(parser: argparse.ArgumentParser) -> None:
    """The options of `bench area-table`."""
    parser.add_argument("--only", default="", metavar="WORD", help="lines whose metric has it")
    parser.add_argument("--no-fmax", action="store_true", help="leave place and route out")


def measure_table(
    measure: Measure, *, word: str = "", place: bool = True, lines: Sequence[Line] = LINES
) -> dict[str, Any]:
    """Every line whose metric has `word`, each command run once through `measure`.

    place: with those that place and route. ok: every `must` holds.
    """
    answers: dict[str, Mapping[str, Any]] = {}
    rows = []
    for line in lines:
        if word.lower() not in line.metric.lower() or (line.at_least and not place):
            continue
        words = line.words if place else line.words.replace(" --fmax", "")
        if words not in answers:
            print(f"bench area {words}", file=sys.stderr, flush=True)
            answers[words] = measure(f"area {words}")
        rows.append(_row(line, words, answers[words]))
    if not rows:
        raise ConfigError(f"no line's metric has {word!r}; there is: {_metrics(lines)}")
    return {"rows": rows, "ok": all(row["met"] != "no" for row in rows)}


def _metrics(lines: Sequence[Line]) -> str:
    return "; ".join(line.metric for line in lines)


def _row(line: Line, words: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    found = answer[line.value]
    value = found["median"] if line.at_least else found
    tool = f"{answer['tool']} {answer['version']}"
    if line.at_least:
        tool += f", {answer['placer']}, seeds 1 to {answer['seeds']}"
    return {
        "metric": line.metric,
        "command": f"bench area {words}",
        "value": value,
        "range": [found["min"], found["max"]] if line.at_least else None,
        "must": line.must,
        "aim": line.aim,
        "met": _met(line, value),
        "peers": line.peers,
        "tool": tool,
    }


def _met(line: Line, value: float) -> str:
    """aim, must, no; empty without a target, or where only an aim is given and missed."""

    def reached(limit: float) -> bool:
        return value >= limit if line.at_least else value <= limit

    if line.aim is not None and reached(line.aim):
        return "aim"
    if line.must is None:
        return ""
    return "must" if reached(line.must) else "no"


def describe(result: Mapping[str, Any]) -> str:
    """Markdown, as docs/results.md keeps it."""
    lines = [
        "| metric | ours | must | aim | met | peers | tool | command |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        cells = [row["metric"], _shown(row), *(_limit(row, name) for name in ("must", "aim"))]
        cells += [row["met"], row["peers"], row["tool"], f"`{row['command']}`"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _shown(row: Mapping[str, Any]) -> str:
    text = _number(row, row["value"])
    if row["range"]:
        low, high = (_number(row, value) for value in row["range"])
        text += f" ({low} to {high})"
    return text


def _limit(row: Mapping[str, Any], name: str) -> str:
    return (
        "" if row[name] is None else f"{'>=' if row['range'] else '<='} {_number(row, row[name])}"
    )


def _number(row: Mapping[str, Any], value: float) -> str:
    if "share" in row["metric"]:
        return f"{100 * value:.1f} %"
    return f"{value:,.2f}" if value < 10 else f"{value:,.0f}"
