"""report.html of a run on a model of somebody else's: no training, no rounds, no accuracy."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from flows.report import charts, sections
from flows.report.page import FACTS, PAGE, RANGES, TEMPLATE, proofs_of, section, tile
from ir.errors import ConfigError
from ir.files import read_json, read_text, to_json, write_text

USED = ("summary", "layers", "manifest")


def write_model_page(folder: Path) -> Path:
    """Write report.html from what lies in the folder; ConfigError names a fact that is missing."""
    facts = {name: read_json(folder / FACTS[name]) for name in USED}
    try:
        return write_text(folder / PAGE, page(facts | {"proofs": proofs_of(folder)}))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ConfigError(f"a fact in {folder} is missing or wrong: {error}") from error


def page(facts: Mapping[str, Any]) -> str:
    """The whole page as text."""
    summary = facts["summary"]
    data = to_json(facts).replace("<", "\\u003c")
    body = "\n".join([_head(summary), _tiles(summary), _sections(facts)])
    title = escape(f"bitwright: {summary['name']}")
    return Template(read_text(TEMPLATE)).substitute(title=title, body=body, facts=data)


def _head(summary: Mapping[str, Any]) -> str:
    overlay = summary["overlay"]
    array = f"{overlay['Dm']} × {overlay['Dk']} × {overlay['Dn']}"
    notes = "".join(f"<p>{escape(note)}</p>" for note in summary["notes"])
    return (
        f"<h1>{escape(summary['name'])}</h1><p>{escape(summary['network'])} on a "
        f"{escape(overlay['style'])} overlay of {array}, board {escape(summary['board'])}, seed "
        f"{summary['seed']}</p>{notes}"
    )


def _tiles(summary: Mapping[str, Any]) -> str:
    cycles, exact = summary["cycles"], summary["bit_exact"]
    word = {True: "bit-exact", False: "not bit-exact", None: "not simulated"}[exact]
    tiles = [
        (sections.badge(exact is True, word), "reference = golden = RTL"),
        (f"{cycles['predicted']:,}", "cycles an input"),
        (f"{cycles['lower_bound']:,}", f"cycles at least, by {escape(summary['limited_by'])}"),
        (
            f"{summary['performance']['estimated_throughput_fps']:,.1f}",
            "inputs a second, at the clock",
        ),
        (f"{summary['bytes']['read']:,}", "bytes read an input"),
        (f"{summary['bytes']['written']:,}", "bytes written an input"),
    ]
    return '<div class="tiles">' + "".join(map(tile, tiles)) + "</div>"


def _sections(facts: Mapping[str, Any]) -> str:
    summary, manifest, layers = facts["summary"], facts["manifest"], facts["layers"]
    versions = ", ".join(f"{name} {number}" for name, number in summary["versions"].items())
    return "".join(
        [
            section(
                "Cycles of each layer",
                "Measured on the RTL, predicted by the cycle model, and what no schedule can "
                "undercut.",
                charts.cycles_by_layer(layers),
            ),
            section(
                "Verification",
                "Code for code; cycles of every input measured and predicted alike.",
                sections.proofs_table(facts["proofs"]),
            ),
            section(
                "Layers",
                "limited by: where the array's cycles went; bytes: whole bus words.",
                sections.layers_table(layers),
            ),
            section("Ranges and planes", RANGES, sections.ranges_table(layers)),
            section("Do it again", versions, f"<pre>{escape(str(manifest['command']))}</pre>"),
        ]
    )
