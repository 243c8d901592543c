"""Builds simulators and keeps them by content: the same design compiles once.

A simulator's key is the hash of everything that decides it: source texts, top, parameters,
flags, tool versions, processor. It lies in `<cache>/<key>/` and lands there whole, by a rename.
Verilator's own C++ runtime is compiled once per set of flags (`<cache>/runtime-<key>/`) and
shared, so that a small design costs seconds.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from flows import sim_compile, toolchain
from flows.lock import hold
from flows.sim_compile import compile_design, compile_runtime, verilate
from flows.sim_design import Design
from ir.errors import ConfigError
from ir.files import read_json, read_text, write_json

DEFAULT_CACHE = Path("build/cache/sim")
KEY_CHARACTERS = 20


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """A simulator ready to run. `built`: this call compiled it; `seconds`: what compiling took."""

    executable: Path
    built: bool
    seconds: float


def build(
    design: Design, *, cache: str | Path = DEFAULT_CACHE, jobs: int | None = None
) -> Simulator:
    """The simulator of `design`, from `cache` when it is there, else built with `jobs` compilers.

    Two processes that want the same one build it once. ToolError: Verilator or g++ is missing or
    fails. ConfigError: the cache folder cannot be written.
    """
    verilator = toolchain.find_verilator()
    versions = _versions(design, verilator)
    place = Path(cache).absolute() / _key(_identity(design, versions))
    if found := _ready(place, design):
        return found
    with hold(_beside(place, "lock")):
        if found := _ready(place, design):  # another process has built it meanwhile
            return found
        started = time.monotonic()
        try:
            _build(design, place, verilator, versions, jobs or os.cpu_count() or 1)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(f"cannot build a simulator in {place.parent}: {reason}") from error
        seconds = time.monotonic() - started
        _land(design, place, seconds)
    return Simulator(executable=place / design.top, built=True, seconds=seconds)


def _build(
    design: Design,
    place: Path,
    verilator: toolchain.Verilator,
    versions: Mapping[str, str],
    jobs: int,
) -> None:
    """Compile in a folder beside `place`; what a killed run left there goes."""
    shared = {"flags": design.compile_flags(), "versions": versions, "processor": _processor()}
    runtime = place.parent / f"runtime-{_key(shared)}"
    with hold(_beside(runtime, "lock")):
        runtime.mkdir(exist_ok=True)
        compile_runtime(design, runtime, verilator, _beside(runtime, "log"), jobs)
    work = _beside(place, "building")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    verilate(design, work, verilator, _beside(place, "verilate.log"))
    compile_design(design, work, runtime, verilator, _beside(place, "compile.log"), jobs)


def _land(design: Design, place: Path, seconds: float) -> None:
    """Keep the executable and its record, drop the generated C++, rename."""
    work, landing = _beside(place, "building"), _beside(place, "landing")
    for folder in (landing, place):
        shutil.rmtree(folder, ignore_errors=True)
    landing.mkdir()
    executable = landing / design.top
    shutil.move(work / design.top, executable)
    record = {"sha256": _file_digest(executable), "seconds": seconds}
    write_json(landing / "build.json", record | {"flags": design.verilate_flags()})
    landing.rename(place)
    shutil.rmtree(work, ignore_errors=True)


def _ready(place: Path, design: Design) -> Simulator | None:
    """The simulator at `place` if it is whole: its bytes are those that were built."""
    executable = place / design.top
    try:
        record = read_json(place / "build.json")
        whole = isinstance(record, dict) and record.get("sha256") == _file_digest(executable)
    except (ConfigError, OSError):
        return None
    if not whole:
        return None
    return Simulator(executable=executable, built=False, seconds=float(record["seconds"]))


def _identity(design: Design, versions: Mapping[str, str]) -> dict:
    return {
        "sources": dict(design.sources),
        "verilate": design.verilate_flags(),
        "control": design.control_file(),
        "compile": design.compile_flags(),
        "kind": design.kind,
        "recipe": read_text(sim_compile.__file__),
        "versions": versions,
        "processor": _processor(),
    }


@lru_cache(maxsize=1)
def _gxx_version() -> str:
    return toolchain.program_version("g++")


def _versions(design: Design, verilator: toolchain.Verilator) -> dict[str, str]:
    versions = {"verilator": verilator.version, "g++": _gxx_version()}
    if design.kind == "cocotb":
        versions["cocotb"] = importlib.metadata.version("cocotb")
    return versions


@lru_cache(maxsize=1)
def _processor() -> str:
    """What -march=native depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags"))}))


def _key(identity: Mapping) -> str:
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_CHARACTERS]


def _file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _beside(place: Path, suffix: str) -> Path:
    return place.parent / f"{place.name}.{suffix}"
