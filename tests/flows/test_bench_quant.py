"""`bitwright bench quant`: how runs are judged and told; the steps themselves need Brevitas."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows import bench_quant
from flows.bench_quant import describe, measure_arguments
from flows.bench_verb import parse_line
from ir.errors import ConfigError


def run(ours: float, brevitas: float) -> dict[str, dict[str, float]]:
    milliseconds = {"float": 2.0, "ours": ours, "brevitas": brevitas}
    return {name: {"processor": ms, "wall": 2 * ms} for name, ms in milliseconds.items()}


def measured(monkeypatch, plain: dict[str, Any], compiled: dict[str, Any]) -> dict[str, Any]:
    monkeypatch.setattr(bench_quant, "brevitas_python", lambda: Path("python"))
    monkeypatch.setattr(
        bench_quant, "_steps", lambda python, case, rounds, jit: compiled if jit else plain
    )
    return measure_arguments(parse_line("quant --rounds 3"))


def test_the_run_in_which_brevitas_did_better_counts(monkeypatch) -> None:
    found = measured(monkeypatch, run(4.0, 8.0), run(4.0, 5.0))
    assert found["ok"] and len(found["rows"]) == 2
    ratios = found["rows"][0]["ratios"]
    assert ratios["brevitas"]["processor"] == pytest.approx(0.8)
    assert ratios["float"]["wall"] == pytest.approx(2.0)
    text = describe(found)
    assert "0.80 (0.80)" in text and "8.00" in text and "both are" in text


@pytest.mark.parametrize("slow", [run(5.1, 9.0), run(4.0, 3.9)])
def test_either_ratio_may_fail(monkeypatch, slow: dict[str, Any]) -> None:
    found = measured(monkeypatch, run(4.0, 8.0), slow)
    assert found["rows"][0]["milliseconds"] == slow
    assert not found["ok"] and "NOT ALL ARE" in describe(found)


def test_rounds_below_one() -> None:
    with pytest.raises(ConfigError, match="--rounds must be at least 1, not 0"):
        measure_arguments(SimpleNamespace(rounds=0))  # pyright: ignore[reportArgumentType]


def test_an_environment_that_is_there_is_not_made_again(monkeypatch, tmp_path: Path) -> None:
    calls: list[list[str]] = []

    def fake(command, log, **_) -> Path:
        calls.append([str(word) for word in command])
        return Path(log)

    monkeypatch.setattr(bench_quant, "ENVIRONMENT", tmp_path / "venv")
    monkeypatch.setattr(bench_quant.toolchain, "run", fake)
    first = bench_quant.brevitas_python()
    assert [("venv" in c, "pip" in c) for c in calls] == [(True, False), (False, True)]
    assert "brevitas==0.13.4" in calls[1] and "--no-deps" in calls[1]
    assert bench_quant.brevitas_python() == first and len(calls) == 2
    monkeypatch.setattr(bench_quant, "PACKAGES", ("brevitas==9",))
    bench_quant.brevitas_python()
    assert len(calls) == 4
