"""report.html: self-contained, escaped, complete, and a pure function of the facts."""

import copy
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from codegen.cycles import Span
from flows.report import charts, svg
from flows.report.page import check_facts, page, write_page
from flows.report.trace import perfetto
from ir.errors import ConfigError
from ir.isa import Stage

EVIL = '</script><img src="http://evil/x.png" onerror=alert(1)>&'


def iteration(number: int, cycles: int, accuracy: float) -> dict[str, Any]:
    return {
        "round": number,
        "plan": {"conv1": [8 - number, 5], EVIL: [4, 4 + number]},
        "overlay": {"Dm": 4, "Dk": 8, "Dn": 5},
        "cycles": {
            "measured": cycles,
            "plan_cycles": cycles,
            "predicted": cycles,
            "bound": cycles // 2,
            "table_sum": cycles - 3 if number else None,
        },
        "within_budget": cycles <= 6000,
        "nll": 0.1,
        "accuracy": accuracy,
        "seconds": 1.5,
    }


def layer(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "Conv",
        "M": 4,
        "K": 9,
        "N": 64,
        "w_bits": 4,
        "a_bits": 5,
        "cycles": {"measured": 2000, "predicted": 2000, "lower_bound": 900},
        "limited_by": "fetch",
        "bytes": {"read": 4096, "written": 512},
        "accumulator": {"min": -400, "max": 500, "bits": 10},
        "planes": {"weights": [0.5, 0.25], "activations": [0.1], "potential": 0.96},
        "sums": {"min": -20, "max": 30},
        "codes": {"min": 0, "max": 15, "lo": 0, "hi": 15, "at_hi": 0.01, "at_zero": 0.5},
    }


FACTS: dict[str, Any] = {
    "summary": {
        "name": "digits",
        "network": "d4",
        "board": "sim",
        "seed": 0,
        "overlay": {"style": "bit_serial", "Dm": 4, "Dk": 8, "Dn": 5},
        "accuracy": {"float": 0.98, "quantized": 0.97, "integer": 0.97},
        "bit_exact": True,
        "cycles": {"measured": 5000, "predicted": 5000, "lower_bound": 2500},
        "resources": {"luts": 8000, "tool": "model", "version": "1", "family": "xc7"},
        "iterations": [iteration(0, 9000, 0.98), iteration(1, 5000, 0.97)],
        "versions": {"torch": "2.13.0"},
        "best_round": 1,
        "cycle_budget": 6000,
        "repeats_round": 1,
        "bit_dependent_share": 0.75,
        "counters": {
            "CYCLES": 5000,
            "EXEC_RUN": 4000,
            "EXEC_WAIT_LHS": 100,
            "EXEC_WAIT_RHS": 500,
            "EXEC_WAIT_RESULT": 0,
        },
        "performance": {"estimated_throughput_fps": 20000.0},
    },
    "layers": [layer("conv1"), layer(EVIL)],
    "costs": {
        "conv1": [
            {"w_bits": 2, "a_bits": 5, "cycles": 1000, "provenance": "measured"},
            {"w_bits": 3, "a_bits": 5, "cycles": 1500, "provenance": "predicted"},
        ],
        EVIL: [{"w_bits": 2, "a_bits": 2, "cycles": 700, "provenance": "measured"}],
    },
    "resources": {
        "boards": {
            "small": {
                "description": "s",
                "fits": False,
                "resources": {"LUTs": {"needs": 8000, "has": 6060}, "DSPs": {"needs": 0, "has": 0}},
            },
            "other": {"description": "no model", "unknown": "no model for family 'x'"},
        }
    },
    "trace": perfetto(
        {"conv1": 3000, EVIL: 2000},
        [Span(stage=Stage.EXECUTE, what=EVIL, begin=3000, end=4900)],
        "digits",
    ),
    "proofs": [{"stage": "golden", "ok": True, "images": 360, "codes": 10, "cycles": None}],
    "manifest": {"command": "bitwright codesign 'a b.yaml' --set seed=1"},
}


class Reader(HTMLParser):
    """Checks nesting and collects what would load something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [str(v) for k, v in attrs if k in ("src", "href", "onerror", "onload")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_loads_nothing() -> None:
    text = page(FACTS)
    reader = Reader()
    reader.feed(text)
    assert reader.open == [] and reader.loads == []
    assert reader.tags.count("svg") >= 4 and "img" not in reader.tags
    assert not re.search(
        r"(?:https?:)?//[a-z]", text.split("<script")[0].replace("http://evil", "")
    )


def test_it_says_what_it_must() -> None:
    text = page(FACTS)
    for words in (
        "bit-exact",
        "5,000",
        "132 %",
        "does not fit",
        "bitwright codesign &#x27;a b.yaml&#x27; --set seed=1",
        "~1,500",
        "budget 6,000",
        "no model for family",
    ):
        assert words in text


def test_the_facts_inside_are_the_facts() -> None:
    found = re.search(
        r'<script type="application/json" id="facts">(.*?)</script>', page(FACTS), re.S
    )
    assert found and json.loads(found.group(1)) == FACTS


def test_a_run_that_is_not_exact_says_so() -> None:
    facts = copy.deepcopy(FACTS)
    facts["summary"]["bit_exact"] = False
    assert "not bit-exact" in page(facts)


def test_a_missing_fact_is_named(tmp_path: Path) -> None:
    for name in ("layers", "cost_table", "resources", "schedule.perfetto"):
        (tmp_path / "report").mkdir(exist_ok=True)
        (tmp_path / "report" / f"{name}.json").write_text("{}")
    (tmp_path / "report/summary.json").write_text("{}")
    with pytest.raises(ConfigError, match="manifest.json does not exist"):
        write_page(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ConfigError, match="a fact in .* is missing or wrong: 'overlay'"):
        write_page(tmp_path)


def test_facts_without_their_digests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="make them again: bitwright codesign a.yaml"):
        check_facts(tmp_path, Path("a.yaml"))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (97.3, 99.1, [97.5, 98, 98.5, 99]),
        (0, 26000, [0, 10000, 20000]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert svg.ticks(low, high) == expected


def test_texts_and_attributes_are_escaped() -> None:
    assert svg.text(1, 2, "<&>", class_='"x"') == (
        '<text x="1" y="2" class="&quot;x&quot;">&lt;&amp;&gt;</text>'
    )


def test_long_names_are_cut_and_line_breaks_go() -> None:
    assert charts.shown("a\nb") == "a b"
    assert len(charts.shown("x" * 100)) == charts.MOST_NAME


def test_the_trace_has_a_row_for_the_layers_and_one_for_each_stage() -> None:
    events = FACTS["trace"]["traceEvents"]
    rows = [e["args"]["name"] for e in events if e["name"] == "thread_name"]
    assert rows == ["layers", "fetch", "execute", "result"]
    slices = [(e["tid"], e["ts"], e["dur"]) for e in events if e["ph"] == "X"]
    assert slices == [(0, 0, 3000), (0, 3000, 2000), (2, 3000, 1900)]


def test_one_round_alone_has_a_picture_too() -> None:
    assert "<circle" in charts.accuracy_over_cycles([iteration(0, 9000, 1.0)], 6000, 0)
