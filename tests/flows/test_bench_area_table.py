"""The table of areas: lines, targets, and that no command runs twice."""

from typing import Any

import pytest

from flows.bench_area_table import LINES, Line, describe, measure_table
from flows.bench_verb import parse_line
from ir.errors import ConfigError

CELLS = Line(
    metric="cells", words="--family xc7", value="lut_cells", must=150, aim=130, peers="P 9"
)
CLOCK = Line(metric="MHz", words="--family ecp5 --fmax", value="fmax_mhz", must=200, aim=250)
SHARE = Line(metric="share outside", words="--family xc7", value="outside_array", aim=0.15)


def answer(words: str) -> dict[str, Any]:
    found: dict[str, Any] = {"tool": "yosys", "version": "0.70", "lut_cells": 140}
    found |= {"outside_array": 0.3}
    if "--fmax" in words:
        found |= {"fmax_mhz": {"median": 190.0, "min": 180.0, "max": 260.0}}
        found |= {"placer": "nextpnr-ecp5 0.11", "seeds": 5}
    return found


def test_each_line_is_judged():
    table = measure_table(answer, lines=(CELLS, CLOCK, SHARE))
    assert [row["met"] for row in table["rows"]] == ["must", "no", ""]
    assert not table["ok"]
    assert table["rows"][1]["range"] == [180.0, 260.0]
    assert table["rows"][1]["tool"] == "yosys 0.70, nextpnr-ecp5 0.11, seeds 1 to 5"


@pytest.mark.parametrize(("cells", "met"), [(130, "aim"), (150, "must"), (151, "no")])
def test_limits_are_reached_when_equal(cells: int, met: str):
    table = measure_table(lambda words: answer(words) | {"lut_cells": cells}, lines=(CELLS,))
    assert table["rows"][0]["met"] == met


def test_a_command_runs_once_and_lines_can_be_chosen():
    asked: list[str] = []

    def measure(words: str) -> dict[str, Any]:
        asked.append(words)
        return answer(words)

    measure_table(measure, lines=(CELLS, SHARE))
    assert asked == ["area --family xc7"]
    assert len(measure_table(measure, lines=(CELLS, SHARE), word="SHARE")["rows"]) == 1
    with pytest.raises(ConfigError, match="no line's metric has 'zzz'; there is: cells; "):
        measure_table(measure, lines=(CELLS, SHARE), word="zzz")


def test_without_place_and_route():
    table = measure_table(answer, lines=(CELLS, CLOCK), place=False)
    assert [row["metric"] for row in table["rows"]] == ["cells"]


def test_the_table_as_markdown():
    text = describe(measure_table(answer, lines=(CELLS, CLOCK, SHARE)))
    assert "| cells | 140 | <= 150 | <= 130 | must | P 9 | yosys 0.70 |" in text
    assert "| MHz | 190 (180 to 260) | >= 200 | >= 250 | no |" in text
    assert "| share outside | 30.0 % |  | <= 15.0 % |" in text


def test_every_line_is_a_command():
    for line in LINES:
        assert parse_line(f"area {line.words}").job == "area"
        assert line.metric and (line.aim is None or line.value)
