"""Random jobs by the thousand, with other seeds than the tests': `python -m sim_tests.nightly`.

Before them, on each overlay, PROGRAMS wrong programs, and every field of every kind of instruction
at its limits: none may hang it or leave its window.

Resumes where it stopped: build/nightly-hw.json holds how many of each overlay are done at which
state of the sources. A failing job prints its reproducer and stays to be done.
"""

import argparse
import hashlib
import sys
from pathlib import Path

from ir.files import read_json, write_json
from sim_tests.fault_programs import random_program, run_programs, swept_programs
from sim_tests.faults import small_job
from sim_tests.random_jobs import OVERLAYS, random_job, run_jobs

FIRST_SEED = 1_000_000
BATCH = 200
SOURCES = ("ir", "hw", "codegen", "sim_tests")
ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = 1000
STATE = Path("build") / "nightly-hw.json"


def main() -> int:
    """Exit code 1 when a job is not exact or not as predicted."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--jobs", type=int, default=950, help="of each overlay")
    jobs = parser.parse_args().jobs
    state = read_json(STATE) if STATE.exists() else {}
    sources = state_of_sources()
    for overlay in OVERLAYS:
        key = f"{overlay} {sources}"
        done = state.get(key, 0)
        if not done:
            try:
                job = small_job(overlay, most=5000)
                seeds = range(FIRST_SEED, FIRST_SEED + PROGRAMS)
                wrong = (random_program(job.network, seed) for seed in seeds)
                run_programs(job, [*wrong, *swept_programs(job.network)])
            except AssertionError as error:
                print(error)
                return 1
        while done < jobs:
            seeds = range(FIRST_SEED + done, FIRST_SEED + min(done + BATCH, jobs))
            try:
                run_jobs([random_job(overlay, seed) for seed in seeds])
            except AssertionError as error:
                print(error)
                return 1
            done = min(done + BATCH, jobs)
            state[key] = done
            write_json(STATE, state)
            print(f"{overlay}: {done} of {jobs}", file=sys.stderr, flush=True)
    print(f"{jobs * len(OVERLAYS)} random jobs bit-exact, cycles as predicted")
    return 0


def state_of_sources() -> str:
    """A fingerprint of everything that decides what a job is and what it should be."""
    digest = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
