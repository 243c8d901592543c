"""Steps: done once, found by content, done again when their record or files were damaged."""

import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from flows.progress import Progress
from flows.run_folder import RunFolder
from flows.steps import Steps, digest, source_digest, step_key
from ir.files import write_text


class Worker:
    """Counts how often it works, and writes a file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "made.txt"
        self.times = 0

    def __call__(self) -> Mapping[str, object]:
        self.times += 1
        write_text(self.file, "content")
        return {"value": (1, 2), "times": 1}


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


def steps(folder: Path) -> Steps:
    return Steps(RunFolder(path=folder), Progress(1, StringIO()))


def perform(folder: Path, worker: Worker, **inputs: object) -> dict[str, object]:
    return steps(folder).do("size", "size it", inputs, worker, sources=["ir"], writes=[worker.file])


def record_of(folder: Path) -> Path:
    (found,) = (folder / "steps").glob("size-*.json")
    return found


def test_a_step_is_done_once_and_reads_back_equal(tmp_path: Path, worker: Worker) -> None:
    first = perform(tmp_path, worker, bits=4)
    assert first == {"value": [1, 2], "times": 1}
    assert perform(tmp_path, worker, bits=4) == first
    assert worker.times == 1


def test_other_inputs_are_another_step(tmp_path: Path, worker: Worker) -> None:
    perform(tmp_path, worker, bits=4)
    perform(tmp_path, worker, bits=5)
    assert worker.times == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"result": {}}', "\x00"])
def test_a_record_that_is_none_is_done_again(tmp_path: Path, worker: Worker, text: str) -> None:
    first = perform(tmp_path, worker)
    record_of(tmp_path).write_text(text)
    assert perform(tmp_path, worker) == first
    assert worker.times == 2


def test_a_changed_result_is_never_believed(tmp_path: Path, worker: Worker) -> None:
    perform(tmp_path, worker)
    place = record_of(tmp_path)
    record = json.loads(place.read_text())
    record["result"]["value"] = [9, 9]
    place.write_text(json.dumps(record))
    assert perform(tmp_path, worker)["value"] == [1, 2]


@pytest.mark.parametrize("damage", [lambda f: f.write_text("other"), lambda f: f.unlink()])
def test_a_damaged_file_is_made_again(tmp_path: Path, worker: Worker, damage) -> None:
    perform(tmp_path, worker)
    damage(worker.file)
    perform(tmp_path, worker)
    assert worker.file.read_text() == "content"
    events = (tmp_path / "events.jsonl").read_text()
    assert '"event": "damaged"' in events


def test_seconds_of_every_step_are_kept(tmp_path: Path, worker: Worker) -> None:
    perform(tmp_path, worker)
    seconds = json.loads((tmp_path / "time_per_step.json").read_text())
    assert list(seconds) == ["size it"]


def test_keys_depend_on_name_inputs_and_code_and_not_on_order() -> None:
    assert step_key("a", {"x": 1, "y": 2}, ["ir"]) == step_key("a", {"y": 2, "x": 1}, ["ir"])
    assert step_key("a", {"x": 1}, ["ir"]) != step_key("b", {"x": 1}, ["ir"])
    assert step_key("a", {"x": 1}, ["ir"]) != step_key("a", {"x": 1}, ["hw"])
    assert source_digest("ir") != source_digest("hw")
    assert source_digest("ir/plan.py") != source_digest("ir/isa.py")


def test_a_digest_sees_values_and_their_kinds() -> None:
    assert digest({"a": [1, 2]}) == digest({"a": (1, 2)})
    assert digest({"a": [1, 2]}) != digest({"a": [2, 1]})
    assert digest({"a": 1}) != digest({"a": "1"})


def test_arrays_are_told_apart_by_what_they_hold() -> None:
    values = np.arange(6)
    same = digest({"a": values, "b": 1})
    assert digest({"b": 1, "a": values.copy()}) == same
    for other in (values[::-1], values.reshape(2, 3), values.astype(np.int32), values.tolist()):
        assert digest({"a": other, "b": 1}) != same
