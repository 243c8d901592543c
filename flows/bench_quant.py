"""`bitwright bench quant`: what a training step under LSQ takes, beside floats and Brevitas.

Brevitas is no dependency: the first run installs it into an environment of its own,
build/brevitas-venv, which sees the packages of this one (the same torch). What is timed, and how:
`flows/bench_quant_steps.py`.
"""

import argparse
import os
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows import toolchain
from flows.console import table
from flows.toolchain import SETUP_FIX
from ir.errors import ConfigError
from ir.files import read_json, write_text

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = Path("build/brevitas-venv")
# Brevitas imports pkg_resources, which setuptools 81 dropped.
PACKAGES = ("brevitas==0.13.4", "dependencies==2.0.1", "unfoldNd==0.2.3", "setuptools==80.10.2")
STAMP = "packages.txt"
CASES = (
    {"width": 4, "size": 8, "batch": 64},
    {"width": 16, "size": 32, "batch": 64},
)
CLOCKS = ("processor", "wall")
MOST = {"float": 2.5, "brevitas": 1.0}  # ours / theirs
TIMEOUT_S = 1800.0


def add_quant(parser: argparse.ArgumentParser) -> None:
    """How long to measure."""
    parser.add_argument("--rounds", type=int, default=40, help="steps of each net, taking turns")


def measure_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """Every case, with Brevitas as it comes and with its compiled functions, the faster counts.

    ToolError: Brevitas cannot be installed or fails.
    """
    if arguments.rounds < 1:
        raise ConfigError(f"--rounds must be at least 1, not {arguments.rounds}")
    python = brevitas_python()
    rows = [_measure(python, case, arguments.rounds) for case in CASES]
    return {"ok": all(row["ok"] for row in rows), "most": MOST, "rows": rows}


def brevitas_python() -> Path:
    """The interpreter that has Brevitas; made on the first call."""
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / STAMP
    wanted = "\n".join([*PACKAGES, sys.version])
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    logs = ENVIRONMENT.parent
    toolchain.run(
        [sys.executable, "-m", "venv", "--clear", ENVIRONMENT], logs / "brevitas-venv.log"
    )
    ours = sysconfig.get_paths()["purelib"]
    site = ENVIRONMENT / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    write_text(site / "bitwright.pth", f"{ours}\n")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    toolchain.run([*pip, *PACKAGES], logs / "brevitas-pip.log", fix=SETUP_FIX, timeout_s=TIMEOUT_S)
    write_text(stamp, wanted)
    return python


def _measure(python: Path, case: Mapping[str, int], rounds: int) -> dict[str, Any]:
    """One case: milliseconds of each net, and ours over the others by both clocks.

    On one thread a step's processor time is its time on a machine with nothing else to do; it
    decides, and of the two runs the one in which Brevitas did better.
    """
    found = [_steps(python, case, rounds, jit=jit) for jit in (False, True)]
    milliseconds = max(found, key=lambda run: _ratio(run, "brevitas", "processor"))
    ratios = {
        other: {clock: _ratio(milliseconds, other, clock) for clock in CLOCKS} for other in MOST
    }
    ok = all(ratios[other]["processor"] <= most for other, most in MOST.items())
    return {**case, "milliseconds": milliseconds, "ratios": ratios, "ok": ok}


def _ratio(run: Mapping[str, Mapping[str, float]], other: str, clock: str) -> float:
    return run["ours"][clock] / run[other][clock]


def _steps(python: Path, case: Mapping[str, int], rounds: int, *, jit: bool) -> dict[str, Any]:
    """{net: {clock: milliseconds}}. jit: Brevitas's own functions compiled by torch."""
    options = [word for name, value in case.items() for word in (f"--{name}", str(value))]
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "steps.json"
        toolchain.run(
            [python, "-m", "flows.bench_quant_steps", result, *options, "--rounds", str(rounds)],
            ENVIRONMENT.parent / "bench-quant.log",
            env=os.environ | {"BREVITAS_JIT": str(int(jit)), "PYTHONPATH": str(ROOT)},
            timeout_s=TIMEOUT_S,
        )
        return read_json(result)


def describe(result: Mapping[str, Any]) -> str:
    """Milliseconds of a step and ratios, by processor time (wall time in brackets)."""
    columns = ("net, batch", "float ms", "LSQ ms", "Brevitas ms", "LSQ / float", "LSQ / Brevitas")
    rows = [
        [
            f"d4 width {row['width']}, {row['size']}x{row['size']}, {row['batch']} images",
            *(_both(row["milliseconds"][net]) for net in ("float", "ours", "brevitas")),
            *(_both(row["ratios"][other]) for other in MOST),
        ]
        for row in result["rows"]
    ]
    most = f"must be at most {MOST['float']} and {MOST['brevitas']}"
    held = "both are" if result["ok"] else "NOT ALL ARE"
    title = "a training step at 4 bits, one thread: processor time (wall time)"
    return "\n".join([table(columns, rows, title), f"{most}: {held}"])


def _both(clocks: Mapping[str, float]) -> str:
    return f"{clocks['processor']:.2f} ({clocks['wall']:.2f})"
