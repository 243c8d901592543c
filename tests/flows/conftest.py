"""A small project for the tests of the flows, and the simulators that other tests have built."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SMALL = """
name: small
network: {name: mlp, width: 6}
data: {name: digits}
choices: [2, 4, 8]
cycle_budget: 0.3
byte_budget: 1000
overlay: {luts: 9000}
rounds: 3
training: {float_epochs: 3, tune_epochs: 2}
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as working folder, with small.yaml; it shares the cache of simulators."""
    cache = ROOT / "build" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "cache").symlink_to(cache)
    (tmp_path / "small.yaml").write_text(SMALL, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path
