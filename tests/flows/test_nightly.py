"""A nightly run's line lands in the record, whatever its outcome."""

import sys
from pathlib import Path

import pytest

from flows import nightly


def test_a_run_is_recorded_with_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "nightly.md"
    monkeypatch.setattr(nightly.record, "__defaults__", (path,))
    assert nightly.main(["good", sys.executable, "-c", "print('a'); print('7 | 8 passed')"]) == 0
    assert nightly.main(["bad", sys.executable, "-c", "raise SystemExit(3)"]) == 3
    text = path.read_text()
    assert text.startswith("# Nightly runs")
    good, bad = text.splitlines()[-2:]
    assert good.split(" | ")[2:4] == ["good", "passed: 7 / 8 passed"]
    assert bad.split(" | ")[2:4] == ["bad", "FAILED (3): "]
