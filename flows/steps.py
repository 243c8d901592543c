"""Steps of a run: each is done once, and found again by the content of what it depends on.

A step's record, `steps/<name>-<key>.json`, holds its result and the digests of the files that it
wrote. The key is a hash of its inputs and of our own sources. A killed run therefore resumes, a
second run of the same thing does nothing, and what was damaged since is done again.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from flows.progress import Progress
from flows.run_folder import RunFolder, file_digest
from ir.errors import ConfigError
from ir.files import parse_json, read_json, to_json, write_json

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "steps"
Work = Callable[[], Mapping[str, Any]]


class Steps:
    """The steps of one run, with the seconds that each took when it was done."""

    def __init__(self, run: RunFolder, progress: Progress) -> None:
        self.run = run
        self.progress = progress
        self.seconds: dict[str, float] = {}

    def do(
        self,
        name: str,
        title: str,
        inputs: Mapping[str, Any],
        work: Work,
        *,
        sources: Sequence[str],
        writes: Sequence[Path] = (),
        describe: Callable[[Mapping[str, Any]], str] | None = None,
    ) -> dict[str, Any]:
        """The result of `work`, plain JSON values, or that of an earlier time.

        sources: our folders whose code decides the result. writes: files that `work` leaves.
        """
        self.progress.begin(title)
        place = self.run / FOLDER / f"{name}-{step_key(name, inputs, sources)}.json"
        record = self._earlier(place)
        fresh = record is None
        if record is None:
            record = self._perform(name, title, place, work, writes)
        self._note_time(title, record["seconds"])
        note = describe(record["result"]) if describe else "done"
        self.progress.end(f"{note} ({record['seconds']:.1f} s{'' if fresh else ', kept'})")
        return record["result"]

    def _perform(
        self, name: str, title: str, place: Path, work: Work, writes: Sequence[Path]
    ) -> dict[str, Any]:
        self.run.event("step", name=name, title=title)
        started = time.monotonic()
        # As a later run will read it: numbers as JSON keeps them, tuples as lists.
        result = parse_json(to_json(work()), name)
        record = {
            "step": name,
            "title": title,
            "seconds": round(time.monotonic() - started, 3),
            "digest": digest(result),
            "files": {str(f.relative_to(self.run.path)): file_digest(f) for f in writes},
            "result": result,
        }
        write_json(place, record)
        self.run.event("step done", name=name, seconds=record["seconds"])
        return record

    def _earlier(self, place: Path) -> dict[str, Any] | None:
        """The record at `place` when it and the files that it names are whole."""
        if not place.exists():
            return None
        problem = self._damage(place)
        if problem is None:
            return read_json(place)
        self.run.event("damaged", record=place.name, problem=problem)
        self.progress.say(f"{problem}; done again")
        return None

    def _damage(self, place: Path) -> str | None:
        try:
            record = read_json(place)
            if digest(record["result"]) != record["digest"] or record["seconds"] < 0:
                return f"{place} was changed"
            for name, expected in record["files"].items():
                if file_digest(self.run / name) != expected:
                    return f"{self.run / name} was changed"
        except ConfigError as error:
            return str(error)
        except (KeyError, TypeError, AttributeError):
            return f"{place} is no record of a step"
        return None

    def _note_time(self, title: str, seconds: float) -> None:
        self.seconds[title] = seconds
        write_json(self.run / "time_per_step.json", self.seconds)


def digest(value: Any) -> str:
    """SHA-256 of plain JSON values and arrays, whatever the order of keys."""
    return hashlib.sha256(to_json(_sorted(value)).encode()).hexdigest()


def step_key(name: str, inputs: Mapping[str, Any], sources: Sequence[str]) -> str:
    """16 hexadecimal digits for a step's inputs and the code that it runs."""
    code = {folder: source_digest(folder) for folder in sources}
    return digest({"step": name, "inputs": dict(inputs), "code": code})[:16]


@cache
def source_digest(source: str) -> str:
    """SHA-256 over the sources in one of our folders, or of one of our files."""
    found, place = hashlib.sha256(), ROOT / source
    for file in [place] if place.is_file() else sorted(place.rglob("*")):
        if file.suffix in (".py", ".yaml", ".json", ".sv", ".cpp", ".h") and file.is_file():
            content = file.read_bytes()
            found.update(f"{file.relative_to(ROOT)}:{len(content)}:".encode())
            found.update(content)
    return found.hexdigest()


def _sorted(value: Any) -> Any:
    """The same with keys in order, as text keys. An array is its type, shape and bytes' digest: as
    text the weights of a large network would take minutes."""
    if isinstance(value, np.ndarray):
        content = hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()
        return [str(value.dtype), list(value.shape), content]
    if isinstance(value, Mapping):
        return {str(key): _sorted(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [_sorted(item) for item in value]
    return value
