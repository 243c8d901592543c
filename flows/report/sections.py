"""The tables of the report as HTML; every value escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from flows.report.charts import meter
from flows.report.svg import thousands

Cells = Sequence[object]


class Markup(str):
    """HTML that is right as it stands; any other text is escaped."""


def table(columns: Sequence[str], rows: Sequence[Cells]) -> str:
    """Numbers go to the right."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, Markup):
        return f"<td>{value}</td>"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f'<td class="number">{thousands(value)}</td>'
    return f"<td>{escape(str(value))}</td>"


def badge(good: bool, text: str) -> Markup:
    """A word on green or red."""
    return Markup(f'<span class="badge {"good" if good else "poor"}">{escape(text)}</span>')


def rounds_table(summary: Mapping[str, Any]) -> str:
    """One row a round."""
    rows = []
    for found in summary["iterations"]:
        cycles, overlay = found["cycles"], found["overlay"]
        table_sum = cycles["table_sum"]
        rows.append(
            [
                f"{found['round']}{' *' if found['round'] == summary['best_round'] else ''}",
                _array(overlay),
                "–" if table_sum is None else table_sum,
                cycles["plan_cycles"],
                cycles["measured"],
                cycles["bound"],
                badge(found["within_budget"], "within" if found["within_budget"] else "over"),
                f"{found['nll']:.4f}",
                f"{100 * found['accuracy']:.2f} %",
                f"{found['seconds']:.1f} s",
            ]
        )
    columns = ["round", "overlay", "table sum", "plan_cycles", "measured", "bound", "budget"]
    return table([*columns, "validation loss", "validation accuracy", "time"], rows)


def layers_table(layers: Sequence[Mapping[str, Any]]) -> str:
    """Shape, bits, cycles and what limits them, bytes moved."""
    rows = [
        [
            layer["name"],
            layer["kind"],
            f"{layer['M']} × {layer['K']} × {layer['N']}",
            f"{layer['w_bits']} × {layer['a_bits']}",
            _known(layer["cycles"]["measured"]),
            layer["cycles"]["lower_bound"],
            layer["limited_by"],
            layer["bytes"]["read"],
            layer["bytes"]["written"],
        ]
        for layer in layers
    ]
    columns = ["layer", "kind", "M × K × N", "bits", "cycles", "bound", "limited by"]
    return table([*columns, "bytes read", "bytes written"], rows)


def ranges_table(layers: Sequence[Mapping[str, Any]]) -> str:
    """What of its range each layer uses, and what zeros in digit-planes might save."""
    rows = [
        [
            layer["name"],
            f"{layer['accumulator']['min']:,} … {layer['accumulator']['max']:,}",
            layer["accumulator"]["bits"],
            f"{layer['sums']['min']:,} … {layer['sums']['max']:,}",
            f"{layer['codes']['min']:,} … {layer['codes']['max']:,}",
            _limits(layer["codes"]),
            f"{100 * layer['codes']['at_hi']:.1f} %",
            f"{100 * layer['codes']['at_zero']:.1f} %",
            _ones(layer["planes"]["weights"]),
            _ones(layer["planes"]["activations"]),
            f"{100 * layer['planes']['potential']:.0f} %",
        ]
        for layer in layers
        if "sums" in layer
    ]
    columns = ["layer", "exact bound", "its bits", "sums", "codes", "limits", "at upper limit"]
    planes = ["zero", "ones in weight planes", "ones in input planes", "potential"]
    return table([*columns, *planes], rows)


def costs_table(costs: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Cycles of each layer at each width; ~ marks a predicted entry."""
    widths = sorted({entry["w_bits"] for row in costs.values() for entry in row})
    rows = []
    for name, row in costs.items():
        found = {entry["w_bits"]: entry for entry in row}
        rows.append([name, *(_cost(found.get(bits)) for bits in widths)])
    return table(["layer", *(f"{bits} bits" for bits in widths)], rows)


def boards_table(boards: Mapping[str, Mapping[str, Any]]) -> str:
    """What the overlay takes of every board: a bar and per cent."""
    rows = []
    for name, board in boards.items():
        if "unknown" in board:
            rows.append([name, board["description"], board["unknown"], "", "", ""])
            continue
        verdict = badge(board["fits"], "fits" if board["fits"] else "does not fit")
        uses = [_use(use["needs"], use["has"]) for use in board["resources"].values()]
        rows.append([name, verdict, *uses])
    known = next((b["resources"] for b in boards.values() if "resources" in b), {})
    return table(["board", "", *known], rows)


def proofs_table(proofs: Sequence[Mapping[str, Any]]) -> str:
    """One row a stage of the proof."""
    meaning = {
        "golden": "snapped torch network = golden model, sums included",
        "harness": "golden model = RTL, C++ harness, every test image",
        "cocotb": "golden model = RTL, cocotb + cocotbext-axi",
    }
    rows = [
        [
            proof["stage"],
            meaning.get(proof["stage"], ""),
            badge(proof["ok"], "equal" if proof["ok"] else "different"),
            proof.get("images", "–"),
            proof.get("codes", "–"),
            "–" if proof.get("cycles") is None else proof["cycles"],
            "–" if proof.get("cycles_per_second") is None else proof["cycles_per_second"],
        ]
        for proof in proofs
    ]
    columns = ["stage", "compares", "codes", "images", "codes compared", "cycles an image"]
    return table([*columns, "simulated cycles/s"], rows)


def _array(overlay: Mapping[str, Any]) -> str:
    return f"{overlay['Dm']} × {overlay['Dk']} × {overlay['Dn']}"


def _known(value: int | None) -> object:
    return "–" if value is None else value


def _ones(shares: Sequence[float]) -> str:
    """Per cent, the least plane first."""
    return " ".join(f"{100 * share:.0f}" for share in shares) or "–"


def _limits(codes: Mapping[str, int]) -> str:
    return "int32" if codes["hi"] == (1 << 31) - 1 else f"{codes['lo']} … {codes['hi']}"


def _cost(entry: Mapping[str, Any] | None) -> object:
    if entry is None:
        return "–"
    mark = "" if entry["provenance"] == "measured" else "~"
    return f"{mark}{entry['cycles']:,}"


def _use(needs: int, has: int) -> Markup:
    share = f"{100 * needs / has:.0f} %" if has else ("none there" if needs else "–")
    return Markup(f"{meter(needs, has)}<small>{escape(share)} · {needs:,} of {has:,}</small>")
