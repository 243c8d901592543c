"""The table of `bench table`: each row judged by its target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from flows.bench_table import describe, measure_table
from flows.bench_targets import SECTIONS, Row, Section, Target
from flows.bench_verb import parse_line

MEASURED = {"slow": 1000, "fast": 755, "other": 700}


def answer(words: str) -> Mapping[str, Any]:
    """A bench of 690 cycles at least."""
    measured = MEASURED[words]
    return {
        "measured": measured,
        "predicted": measured,
        "lower_bound": 690,
        "bound_by": "exec",
        "limited_by": "exec",
        "utilization": 600 / measured,
        "factors": dict.fromkeys(("shape", "bits", "memory", "sequence"), 1.0),
        "bit_exact": True,
        "ok": True,
    }


def judged(*rows: Row) -> dict[str, Any]:
    """The last row's answer."""
    section = Section(title="Some jobs", rows=rows)
    return measure_table(answer, sections=[section])["sections"][0]["rows"][-1]


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target(quantity="utilization", must=0.7, aim=0.79), "aim"),
        (Target(quantity="utilization", must=0.7, aim=0.8), "must"),
        (Target(quantity="utilization", must=0.8), "no"),
        (Target(quantity="utilization", aim=0.9), ""),
        (Target(quantity="cycles", must=755, aim=754), "must"),
        (Target(quantity="cycles", must=754), "no"),
        (Target(quantity="ratio", must=0.75), "must"),
        (Target(quantity="ratio", must=0.7), "no"),
        (Target(quantity="bound", must=1.1), "must"),
        (Target(quantity="bound", must=1.09), "no"),
    ],
)
def test_a_row_is_judged_by_its_target(target: Target, met: str) -> None:
    assert judged(Row(words="slow"), Row(words="fast", target=target))["met"] == met


def test_a_ratio_compares_with_the_row_it_names() -> None:
    target = Target(quantity="ratio", must=0.75)
    rows = (Row(words="other"), Row(words="slow"), Row(words="fast", target=target, base=1))
    assert judged(*rows)["value"] == pytest.approx(0.755)


def test_a_must_that_is_missed_is_a_check_that_failed() -> None:
    row = Row(words="fast", target=Target(quantity="cycles", must=1))
    section = Section(title="Some jobs", rows=(row,))
    assert measure_table(answer, sections=[section])["ok"] is False
    assert measure_table(answer, sections=[section], word="others")["ok"] is True


def test_the_text_is_a_table_of_markdown() -> None:
    rows = (Row(words="slow"), Row(words="fast", target=Target(quantity="ratio", must=0.75)))
    text = describe(measure_table(answer, sections=[Section(title="Some jobs", rows=rows)]))
    lines = text.splitlines()
    assert lines[0] == "### Some jobs"
    assert len({len(line) for line in lines[2:6]}) == 1
    assert "| 755 " in lines[5]
    assert "ratio 0.7550, must = 0.75" in lines[5]


def test_every_row_is_a_job_that_the_command_line_knows() -> None:
    for section in SECTIONS:
        for row in section.rows:
            assert parse_line(row.words).job in ("matmul", "conv", "network")
        assert len({row.words for row in section.rows}) == len(section.rows)
