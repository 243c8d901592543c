"""report.html: one file that stands alone, made from the facts in a run's folder.

No script, no network: inline SVG, and the facts themselves as JSON for programs.
"""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from flows.artifacts import published
from flows.report import charts, sections
from flows.run_folder import RunFolder
from ir.errors import ConfigError
from ir.files import read_json, read_text, to_json, write_text

PAGE = "report/report.html"
TEMPLATE = Path(__file__).with_name("page.html")
STAGES = ("golden", "harness", "cocotb")
RANGES = (
    "Over the test images: sums before, codes after the requantizer; the exact bound holds for any "
    "input. Ones in each digit-plane, in per cent, the least plane first; potential: one-bit "
    "products with a zero operand, if weights and activations are independent."
)
FACTS = {
    "summary": "report/summary.json",
    "layers": "report/layers.json",
    "costs": "report/cost_table.json",
    "resources": "report/resources.json",
    "trace": "report/schedule.perfetto.json",
    "manifest": "manifest.json",
}
GROUP = "report"


def check_facts(folder: Path, config: Path) -> None:
    """ConfigError when the facts are not those that the run wrote."""
    if published(RunFolder(path=folder), GROUP) is None:
        raise ConfigError(
            f"the facts in {folder / 'report'} are not those that the run wrote; make them again: "
            f"bitwright codesign {config}"
        )


def write_page(folder: Path) -> Path:
    """Write report.html from what lies in the folder; ConfigError names a fact that is missing."""
    facts = {name: read_json(folder / place) for name, place in FACTS.items()}
    facts["proofs"] = proofs_of(folder)
    try:
        return write_text(folder / PAGE, page(facts))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ConfigError(f"a fact in {folder} is missing or wrong: {error}") from error


def proofs_of(folder: Path) -> list[Any]:
    """What verification/ holds, in the stages' order."""
    stages = [folder / "verification" / f"{stage}.json" for stage in STAGES]
    return [read_json(place) for place in stages if place.exists()]


def page(facts: Mapping[str, Any]) -> str:
    """The whole page as text."""
    summary = facts["summary"]
    # Inside a script element only "</" and "<!--" end it early.
    data = to_json(facts).replace("<", "\\u003c")
    body = "\n".join([_head(summary), _tiles(summary), _pictures(facts), _tables(facts)])
    title = escape(f"bitwright: {summary['name']}")
    return Template(read_text(TEMPLATE)).substitute(title=title, body=body, facts=data)


def _head(summary: Mapping[str, Any]) -> str:
    overlay = summary["overlay"]
    array = f"{overlay['Dm']} × {overlay['Dk']} × {overlay['Dn']}"
    rounds = len(summary["iterations"])
    ending = (
        "the rounds ran out"
        if summary["repeats_round"] is None
        else f"the next plan would repeat round {summary['repeats_round']}"
    )
    return (
        f"<h1>{escape(summary['name'])}</h1><p>network {escape(summary['network'])} on a "
        f"{escape(overlay['style'])} overlay of {array}, board {escape(summary['board'])}, seed "
        f"{summary['seed']}; {rounds} rounds, then {ending}</p>"
    )


def _tiles(summary: Mapping[str, Any]) -> str:
    accuracy, cycles = summary["accuracy"], summary["cycles"]
    exact = summary["bit_exact"]
    tiles = [
        (sections.badge(exact, "bit-exact" if exact else "not bit-exact"), "torch = golden = RTL"),
        (
            f"{100 * accuracy['integer']:.1f} %",
            f"test accuracy; float {_percent(accuracy['float'])}",
        ),
        (f"{cycles['measured']:,}", f"cycles an image; budget {summary['cycle_budget']:,}"),
        (
            f"{summary['performance']['estimated_throughput_fps']:,.0f}",
            "images a second, at the clock",
        ),
        (f"{summary['resources']['luts']:,}", f"LUTs, {escape(summary['resources']['tool'])}"),
        (f"{summary['bit_dependent_share']:.2f}", "bit_dependent_share, at least 0.6"),
    ]
    return '<div class="tiles">' + "".join(map(tile, tiles)) + "</div>"


def tile(shown: tuple[str, str]) -> str:
    """A figure and what it is."""
    return f'<div class="tile"><b>{shown[0]}</b><span>{shown[1]}</span></div>'


def _pictures(facts: Mapping[str, Any]) -> str:
    summary = facts["summary"]
    rounds, best = summary["iterations"], summary["best_round"]
    pictures = [
        section(
            "Accuracy against cycles",
            "Validation accuracy of each round; the filled one is reported.",
            charts.accuracy_over_cycles(rounds, summary["cycle_budget"], best),
        ),
        section(
            "Bits of each layer",
            "Weights × activations, round by round; darker is wider.",
            charts.bits_over_rounds(rounds, best),
        ),
        section(
            "Cycles of each layer",
            "Measured on the RTL, predicted by the cycle model, and what no schedule can undercut.",
            charts.cycles_by_layer(facts["layers"]),
        ),
        section(
            "Where the cycles go",
            "The execute stage, from the overlay's own counters.",
            charts.stalls(summary["counters"]),
        ),
    ]
    return '<div class="columns">' + "".join(pictures) + "</div>"


def _tables(facts: Mapping[str, Any]) -> str:
    summary, manifest = facts["summary"], facts["manifest"]
    resources = summary["resources"]
    source = f"{resources['tool']} {resources['version']}, family {resources['family']}"
    versions = ", ".join(f"{name} {number}" for name, number in summary["versions"].items())
    return "".join(
        [
            section(
                "Schedule",
                "Layers as measured; fetches run ahead of the layer that needs them. "
                "schedule.perfetto.json holds the same for ui.perfetto.dev.",
                charts.schedule(facts["trace"]["traceEvents"], summary["cycles"]["measured"]),
            ),
            section("Rounds", "* is the round reported.", sections.rounds_table(summary)),
            section(
                "Verification",
                "Code for code; cycles of every image measured, predicted and counted alike.",
                sections.proofs_table(facts["proofs"]),
            ),
            section("Resources", source, sections.boards_table(facts["resources"]["boards"])),
            section(
                "Layers",
                "limited by: where the array's cycles went; bytes: whole bus words.",
                sections.layers_table(facts["layers"]),
            ),
            section("Ranges and planes", RANGES, sections.ranges_table(facts["layers"])),
            section(
                "Cost table",
                "Cycles of each layer when all have that width; ~ predicted, else simulated.",
                sections.costs_table(facts["costs"]),
            ),
            section(
                "Do it again",
                versions,
                f"<pre>{escape(str(manifest['command']))}</pre>",
            ),
        ]
    )


def section(title: str, note: str, content: str) -> str:
    """A card with a heading."""
    return f"<section><h2>{escape(title)}</h2><p>{escape(note)}</p>{content}</section>"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
