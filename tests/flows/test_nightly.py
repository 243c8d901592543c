"""A nightly run's line lands in the record, whatever its outcome."""

import subprocess
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


def test_a_tree_is_changed_by_more_than_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nightly, "ROOT", tmp_path)
    assert nightly.commit() == "unknown"
    (tmp_path / "docs").mkdir()
    for name in ("docs/nightly.md", "code.py"):
        (tmp_path / name).write_text("a\n")
    me = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*me, "commit", "-qm", "a"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    name = nightly.commit()
    assert len(name) >= 8 and "+" not in name
    (tmp_path / "docs/nightly.md").write_text("b\n")
    assert nightly.commit() == name
    (tmp_path / "code.py").write_text("b\n")
    assert nightly.commit() == name + "+"
