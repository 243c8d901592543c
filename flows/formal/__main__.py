"""`make formal`: runs the proofs and prints what became of each.

Exit code 1 when one fails (its trace is named), 3 when a tool is missing.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from flows.console import table
from flows.formal.catalogue import proofs
from flows.formal.proof import Proof
from flows.formal.sby import DEFAULT_FOLDER, Outcome, prove, tools
from ir.errors import BitwrightError, ConfigError

CHECK_FAILED = 1
TERMINATED = 143


def chosen(names: Sequence[str], *, quick: bool) -> list[Proof]:
    """The proofs whose names begin with one of `names`, all of them without any."""
    found = [p for p in proofs() if not names or p.name.startswith(tuple(names))]
    found = [p for p in found if p.quick or not quick]
    if not found:
        raise ConfigError(f"no proof begins with {', '.join(names)}; --list shows them all")
    return found


def run(selected: Sequence[Proof], folder: str | Path) -> list[Outcome]:
    """Prove one after the other; a line on stderr for each."""
    outcomes = []
    for number, proof in enumerate(selected, 1):
        outcome = prove(proof, folder=folder)
        outcomes.append(outcome)
        line = f"{number}/{len(selected)} {proof.name}: {outcome.result} ({outcome.seconds:.1f} s)"
        print(line, file=sys.stderr, flush=True)
    return outcomes


def describe(outcomes: Sequence[Outcome]) -> str:
    """The table, and the traces of what failed."""
    rows = [
        [o.proof.name, o.proof.claim, o.proof.depth, o.result, f"{o.seconds:.1f}"] for o in outcomes
    ]
    text = table(["proof", "claim", "depth", "result", "seconds"], rows)
    failed = [o for o in outcomes if not o.ok]
    return text + "".join(f"{o.proof.name}: {o.reason}: {o.trace}\n" for o in failed)


def summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    """One line: how many of each result."""
    counts = [
        f"{sum(o.result == result for o in outcomes)} {result}"
        for result in ("proved", "bounded", "failed")
    ]
    return f"{len(outcomes)} proofs: {', '.join(counts)}; {seconds:.0f} s"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m flows.formal", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("names", nargs="*", help="beginnings of names; all without any")
    parser.add_argument("--quick", action="store_true", help="the subset that tests run")
    parser.add_argument("--list", action="store_true", help="print the names only")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="for logs and traces")
    given = parser.parse_args(arguments)
    begin = time.monotonic()
    try:
        selected = chosen(given.names, quick=given.quick)
        if given.list:
            print("\n".join(f"{p.name}  {p.claim}" for p in selected))
            return 0
        tools()
        outcomes = run(selected, given.folder)
    except BitwrightError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(describe(outcomes))
    print(summary(outcomes, time.monotonic() - begin))
    return 0 if all(o.ok for o in outcomes) else CHECK_FAILED


def _terminated(number: int, frame: object) -> NoReturn:
    """As an exception, so that solvers are ended on the way out."""
    raise SystemExit(TERMINATED)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(main())
