"""A study that is killed in the middle ends, when it is run again, as if nothing had happened."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from flows.progress import Progress
from flows.studies import faq
from flows.study import runner
from flows.study.verb import run_module
from ir.config import load_config
from ir.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
CONFIG = Path(faq.__file__).with_suffix(".yaml")
OVERRIDES = (
    "setting.folds=2",
    "setting.seeds=2",
    "setting.network={name: mlp, width: 8}",
    "setting.training.float_epochs=2",
    "epochs=40",
    "batch_shares=[0.5]",
)
ARMS, CELLS = 4, 4


def start() -> subprocess.Popen[str]:
    words = ["study", "faq", "--jobs", "2", "--json"]
    words += [word for override in OVERRIDES for word in ("--set", override)]
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *words],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def events(folder: Path) -> list[dict[str, Any]]:
    found = []
    for place in sorted(folder.glob("build/study/faq/latest/cells/*/events.jsonl")):
        lines = place.read_text().splitlines()
        found += [json.loads(line) | {"cell": place.parent.name} for line in lines]
    return found


def done(folder: Path) -> int:
    return sum(event["event"] == "step done" for event in events(folder))


class Threads(ThreadPoolExecutor):
    """In place of processes, which take seconds to start."""

    def __init__(self, jobs: int, mp_context: object, initializer: object) -> None:
        super().__init__(jobs)


def test_rows_come_in_the_order_of_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "ProcessPoolExecutor", Threads)
    config = load_config(faq.CONFIG, CONFIG, OVERRIDES)

    def work(shared: str, fold: int, seed: int, folder: Path) -> dict[str, Any]:
        time.sleep(0.01 * (3 - 2 * fold - seed))
        return {"cell": f"{shared} {fold}-{seed}"}

    quiet = Progress(0, stream=StringIO())
    rows = runner.cells(config, "of", work, Path(), quiet, jobs=4)
    assert [row["cell"] for row in rows] == ["of 0-0", "of 0-1", "of 1-0", "of 1-1"]


def test_what_has_not_begun_when_a_cell_fails_does_not_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "ProcessPoolExecutor", Threads)
    config = load_config(faq.CONFIG, CONFIG, (*OVERRIDES, "setting.seeds=10"))
    begun = []

    def work(shared: None, fold: int, seed: int, folder: Path) -> dict[str, Any]:
        begun.append(seed)
        if len(begun) == 1:
            raise ConfigError("no such data")
        time.sleep(0.05)
        return {}

    with pytest.raises(ConfigError, match="no such data"):
        runner.cells(config, None, work, Path(), Progress(0, stream=StringIO()), jobs=2)
    assert len(begun) < 10


@pytest.mark.slow
def test_killed_and_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    monkeypatch.chdir(killed)
    first = start()
    while first.poll() is None and done(killed) < 3:
        time.sleep(0.02)
    first.kill()
    first.communicate()
    time.sleep(1)
    before = done(killed)
    assert 3 <= before < ARMS * CELLS
    time.sleep(2)
    assert done(killed) == before  # the workers ended with it

    second = start()
    out, err = second.communicate()
    assert second.returncode == 0, err
    result = json.loads(out)

    trained = Counter(e["cell"] for e in events(killed) if e["event"] == "step done")
    assert trained == dict.fromkeys(["0-0", "0-1", "1-0", "1-1"], ARMS)  # nothing twice
    assert "damaged" not in {event["event"] for event in events(killed)}

    monkeypatch.chdir(whole)
    reference = run_module(faq, load_config(faq.CONFIG, CONFIG, OVERRIDES), "bitwright study faq")
    assert result["cells"] == reference["cells"]
    assert result["arms"] == reference["arms"]
    assert result["hypotheses"] == reference["hypotheses"]
    csv = "build/study/faq/latest/results.csv"
    assert (killed / csv).read_bytes() == (whole / csv).read_bytes()
