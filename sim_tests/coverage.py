"""`make coverage`: which lines, branches and bits of the hardware do the tests move?

Each overlay runs the job mix (sim_tests/mix.py) in a simulator that counts. What never happened is
a hole; sim_tests/coverage_holes.json says of some why they cannot happen, and a pattern there that
matches no hole any more is an error.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from codegen.emit import emit_verilog
from flows import toolchain
from flows.console import table
from flows.coverage import (
    AIMS,
    Judgement,
    check_fresh,
    hole_lines,
    judge,
    load_reasons,
    read_points,
)
from flows.sim_design import overlay_design
from flows.simulator import build
from ir.errors import BitwrightError, MismatchError
from ir.files import read_text, write_text
from sim_tests.mix import write_mix
from sim_tests.random_jobs import OVERLAYS

SMALLEST = ("1x16x1", "2x16x2-2x2")
FOLDER = Path("build/coverage")
REASONS = Path(__file__).with_name("coverage_holes.json")
SHOWN = 20
CHECK_FAILED, TERMINATED = 1, 143


def simulate(overlay: str, folder: Path) -> tuple[list[Path], str]:
    """(coverage.dat of each part of the mix, the Verilog). MismatchError: the overlay fails one."""
    config = OVERLAYS[overlay]
    verilog = emit_verilog(config, sources=True)
    design = overlay_design(verilog, memory_bits=config.memory_bits, kind="harness")
    executable = build(replace(design, coverage=True)).executable
    parts = write_mix(overlay, folder, jobs=150, stalled=30, longest=20_000)
    for part in parts:
        toolchain.run([executable, part.folder], part.folder / "harness.log")
        last = read_text(part.folder / "answers.txt").splitlines()[-1]
        if not last.startswith("end "):
            raise MismatchError(f"{overlay} fails the {part.folder.name}: {last}")
    return [part.folder / "coverage.dat" for part in parts], verilog


def describe(found: dict[str, Judgement]) -> str:
    """The table: measured, and of what can happen; and the largest open holes."""
    rows = [
        [
            overlay,
            s.kind,
            s.points,
            s.covered,
            f"{s.measured:.1%}",
            s.explained,
            f"{s.reachable:.1%}",
            f"{AIMS[s.kind]:.0%}",
        ]
        for overlay, judgement in found.items()
        for s in judgement.summaries
    ]
    columns = ["overlay", "kind", "points", "covered", "of all", "explained", "of the rest", "aim"]
    lines = [table(columns, rows)]
    for overlay, judgement in found.items():
        holes = hole_lines(judgement.open)
        lines += [f"{overlay}: {len(judgement.open)} open holes", *holes[:SHOWN]]
        if len(holes) > SHOWN:
            lines.append(f"  and {len(holes) - SHOWN} lines more in {FOLDER / overlay}/holes.txt")
    return "\n".join(lines)


def reached(found: dict[str, Judgement]) -> bool:
    """Every aim, of what can happen."""
    return all(s.reachable >= AIMS[s.kind] for j in found.values() for s in j.summaries)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 below an aim, or when an explanation is stale."""
    parser = argparse.ArgumentParser(
        prog="python -m sim_tests.coverage", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("overlays", nargs="*", default=list(SMALLEST), help=", ".join(OVERLAYS))
    given = parser.parse_args(arguments)
    try:
        reasons = load_reasons(REASONS)
        found: dict[str, Judgement] = {}
        for overlay in given.overlays:
            folder = (FOLDER / overlay).absolute()
            files, verilog = simulate(overlay, folder)
            found[overlay] = judge(read_points(files, verilog), reasons)
            write_text(folder / "holes.txt", "\n".join(map(str, found[overlay].open)) + "\n")
        print(describe(found))
        used = sum((judgement.used for judgement in found.values()), Counter())
        if set(given.overlays) == set(SMALLEST):
            check_fresh(reasons, used)
    except BitwrightError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    figures = [f"{s.kind} {s.reachable:.1%}" for j in found.values() for s in j.summaries]
    print("covered of what can happen: " + ", ".join(figures))
    return 0 if reached(found) else CHECK_FAILED


def _terminated(number: int, frame: object) -> NoReturn:
    """As an exception, so that simulators are ended on the way out."""
    raise SystemExit(TERMINATED)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(main())
