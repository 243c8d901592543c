"""`bitwright bench table`: the cycle figures of docs/results.md beside what they must be."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flows.bench_targets import SECTIONS, Row, Section, Target

Measure = Callable[[str], Mapping[str, Any]]

RATIO_TOLERANCE = 0.02
FACTORS = ("shape", "bits", "memory", "sequence")
COLUMNS = ("job", "measured", "predicted", "bound", "utilization", *FACTORS, "limited by")


def add_table(parser: argparse.ArgumentParser) -> None:
    """The options of `bench table`."""
    parser.add_argument("--section", default="", help="only those whose title has this word")


def measure_table(
    measure: Measure, *, word: str = "", sections: Sequence[Section] = SECTIONS
) -> dict[str, Any]:
    """Every row of the sections with `word` in their title, each through `measure`.

    ok: all is exact and as predicted, and every `must` holds.
    """
    chosen = [section for section in sections if word.lower() in section.title.lower()]
    answers = [_measure_section(measure, section) for section in chosen]
    rows = [row for answer in answers for row in answer["rows"]]
    ok = all(row["ok"] and row["met"] != "no" for row in rows)
    return {"sections": answers, "ok": ok}


def _measure_section(measure: Measure, section: Section) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for row in section.rows:
        print(f"bench {row.words}: ", end="", file=sys.stderr, flush=True)
        answer = {"job": row.words} | dict(measure(row.words))
        print(f"{answer['measured']:,} cycles", file=sys.stderr, flush=True)
        rows.append(answer)
        rows[-1] |= _judge(row, rows)
    return {"title": section.title, "rows": rows}


def _judge(row: Row, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """{target, value, met}: met is aim, must, no, or empty without a target."""
    if row.target is None:
        return {"target": None, "value": None, "met": ""}
    value = _value(row, rows)
    limits = {"must": row.target.must, "aim": row.target.aim}
    target = {"quantity": row.target.quantity} | limits
    return {"target": target, "value": value, "met": _met(row.target, value)}


def _value(row: Row, rows: Sequence[Mapping[str, Any]]) -> float:
    answer, quantity = rows[-1], row.target.quantity if row.target else ""
    if quantity == "ratio":
        return answer["measured"] / rows[row.base]["measured"]
    if quantity == "bound":
        return answer["measured"] / answer["lower_bound"]
    return answer["measured"] if quantity == "cycles" else answer["utilization"]


def _met(target: Target, value: float) -> str:
    def reached(limit: float) -> bool:
        if target.quantity == "ratio":
            return abs(value - limit) <= RATIO_TOLERANCE * limit
        return value >= limit if target.quantity == "utilization" else value <= limit

    if target.aim is not None and reached(target.aim):
        return "aim"
    if target.must is None:
        return ""
    return "must" if reached(target.must) else "no"


def describe(result: Mapping[str, Any]) -> str:
    """Markdown, as docs/results.md keeps it."""
    parts = []
    for section in result["sections"]:
        header = [*COLUMNS, "target", "met"]
        cells = [_cells(row) for row in section["rows"]]
        parts += [f"### {section['title']}", "", *_markdown(header, cells), ""]
    return "\n".join(parts)


def _cells(row: Mapping[str, Any]) -> list[str]:
    exact = "" if row["bit_exact"] else " NOT BIT-EXACT"
    return [
        row["job"],
        f"{row['measured']:,}{exact}",
        f"{row['predicted']:,}",
        f"{row['lower_bound']:,} {row['bound_by']}",
        f"{100 * row['utilization']:.1f} %",
        *(f"{row['factors'][name]:.3f}" for name in FACTORS),
        row["limited_by"],
        _target(row),
        row["met"],
    ]


def _target(row: Mapping[str, Any]) -> str:
    """What is asked for, and for ratios what there is."""
    target = row["target"]
    if target is None:
        return ""
    limits = [(name, target[name]) for name in ("must", "aim") if target[name] is not None]
    if target["quantity"] == "utilization":
        return ", ".join(f"{name} >= {100 * limit:.1f} %" for name, limit in limits)
    if target["quantity"] == "cycles":
        return ", ".join(f"{name} <= {limit:,.0f}" for name, limit in limits)
    sign = "=" if target["quantity"] == "ratio" else "<="
    shown = ", ".join(f"{name} {sign} {limit:.4g}" for name, limit in limits)
    return f"{target['quantity']} {row['value']:.4f}, {shown}"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table whose columns are as wide as their longest cell."""
    widths = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
