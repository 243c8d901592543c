"""`make mutate`: how many small changes of the hardware do the tests notice?

yosys draws mutants of an overlay's netlist and builds all of them into one simulator
(flows/mutants.py). Each runs the job mix (sim_tests/mix.py) until something differs from what the
overlay itself answers: then it is killed. A mutant that survives is relevant unless yosys proves
that it is the same design. Goes on where it stopped: build/mutate/<overlay>-<key>/state.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from codegen.emit import emit_verilog, ports
from flows import mutants, toolchain
from flows.console import table
from flows.mutants import Mutant
from flows.sim_design import overlay_design
from flows.simulator import build
from ir.errors import BitwrightError, MismatchError, ToolError
from ir.files import read_json, read_text, write_json
from sim_tests.mix import Part, outcome, write_mix
from sim_tests.random_jobs import OVERLAYS

SMALLEST = ("1x16x1", "2x16x2-2x2")
FOLDER = Path("build/mutate")
AIM = 0.85
CHECK_FAILED, TERMINATED = 1, 143
LONGEST_RUN_S = 600.0
LONGEST_JOB = 8000
KILLED, EQUIVALENT, SURVIVED = "killed", "equivalent", "survived"


class Campaign:
    """The mutants of one overlay, and what became of each.

    state: {number: "killed by jobs", "equivalent" or "survived"}; drawn: in the order they run.
    """

    def __init__(self, overlay: str, *, drawn: int, seed: int) -> None:
        config = OVERLAYS[overlay]
        self.overlay, self.config = overlay, config
        verilog = emit_verilog(config)
        text = json.dumps([verilog, drawn, seed])
        key = hashlib.sha256(text.encode()).hexdigest()[:12]
        self.folder = (FOLDER / f"{overlay}-{key}").absolute()
        self.drawn = mutants.draw(verilog, count=drawn, seed=seed, folder=self.folder)
        mutated = mutants.mutated_verilog(ports(config), self.folder)
        design = overlay_design(mutated, memory_bits=config.memory_bits, kind="harness")
        self.executable = build(design).executable
        self.parts = write_mix(overlay, self.folder, jobs=150, stalled=30, longest=LONGEST_JOB)
        self.place = self.folder / "state.json"
        self.state = self._resume()
        self.reference = {part.folder.name: self._reference(part) for part in self.parts}

    def _resume(self) -> dict[str, str]:
        """What was found before, as far as it holds for today's mix.

        A mutant that a part has killed stays so while that part is the same; survivors are judged
        again when any part is another one. Parts are told by their scripts' hashes.
        """
        self.scripts = {part.folder.name: _digest(part) for part in self.parts}
        kept = read_json(self.place) if self.place.exists() else {"scripts": {}, "found": {}}
        before = kept["scripts"]
        holds = {EQUIVALENT} | ({SURVIVED} if before == self.scripts else set())
        same = [name for name, script in self.scripts.items() if before.get(name) == script]
        return {
            number: found
            for number, found in kept["found"].items()
            if found in holds or any(found.startswith(f"{KILLED} by {name}") for name in same)
        }

    def _reference(self, part: Part) -> list[bytes]:
        """What the unchanged overlay answers. MismatchError: it fails by itself."""
        self._run(part, 0)
        last = read_text(part.folder / "answers.txt").splitlines()[-1]
        if not last.startswith("end "):
            raise MismatchError(f"{self.overlay} itself fails the {part.folder.name}: {last}")
        return outcome(part)

    def _run(self, part: Part, number: int) -> None:
        command = [self.executable, f"+{mutants.SELECTOR}={number}", part.folder]
        toolchain.run(command, part.folder / "harness.log", timeout_s=LONGEST_RUN_S)

    def judge(self, mutant: Mutant) -> str:
        """What becomes of a mutant."""
        for part in self.parts:
            try:
                self._run(part, mutant.number)
            except ToolError as error:
                return f"{KILLED} by {part.folder.name}: {error.reason or 'the simulation failed'}"
            if outcome(part) != self.reference[part.folder.name]:
                return f"{KILLED} by {part.folder.name}"
        same = mutants.is_equivalent(mutant, self.folder)
        return EQUIVALENT if same else SURVIVED

    def run(self, relevant: int) -> None:
        """Judge one mutant after the other until so many are relevant."""
        for mutant in self.drawn:
            if self.relevant >= relevant:
                break
            number = str(mutant.number)
            if number not in self.state:
                self.state[number] = self.judge(mutant)
                write_json(self.place, {"scripts": self.scripts, "found": self.state})
                line = f"{self.overlay}: {mutant}: {self.state[number]}"
                print(line, file=sys.stderr, flush=True)

    @property
    def relevant(self) -> int:
        return sum(state != EQUIVALENT for state in self.state.values())

    @property
    def killed(self) -> int:
        return sum(state.startswith(KILLED) for state in self.state.values())

    @property
    def survivors(self) -> list[Mutant]:
        return [m for m in self.drawn if self.state.get(str(m.number)) == SURVIVED]


def _digest(part: Part) -> str:
    """Of a part's script."""
    text = b"".join((part.folder / name).read_bytes() for name in ("script.txt", "blob.bin"))
    return hashlib.sha256(text).hexdigest()[:12]


def describe(campaigns: Sequence[Campaign]) -> str:
    """The table, and the survivors."""
    rows = [
        [
            c.overlay,
            len(c.state),
            len(c.state) - c.relevant,
            c.relevant,
            c.killed,
            f"{c.killed / c.relevant:.1%}",
        ]
        for c in campaigns
    ]
    columns = ["overlay", "judged", "equivalent", "relevant", "killed", "killed / relevant"]
    survivors = [f"{c.overlay} survivor {m}" for c in campaigns for m in c.survivors]
    return "\n".join([table(columns, rows), *survivors])


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 when fewer than AIM of an overlay's relevant mutants are killed."""
    parser = argparse.ArgumentParser(
        prog="python -m sim_tests.mutate", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("overlays", nargs="*", default=list(SMALLEST), help=", ".join(OVERLAYS))
    parser.add_argument("--relevant", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    try:
        campaigns = []
        for overlay in given.overlays:
            campaign = Campaign(overlay, drawn=2 * given.relevant, seed=given.seed)
            campaign.run(given.relevant)
            campaigns.append(campaign)
    except BitwrightError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(describe(campaigns))
    shares = {c.overlay: c.killed / c.relevant for c in campaigns}
    print(
        "; ".join(
            f"{name} {share:.1%} of relevant mutants killed" for name, share in shares.items()
        )
    )
    return 0 if min(shares.values()) >= AIM else CHECK_FAILED


def _terminated(number: int, frame: object) -> NoReturn:
    """As an exception, so that simulators are ended on the way out."""
    raise SystemExit(TERMINATED)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(main())
