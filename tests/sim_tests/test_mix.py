"""The job mix by which tests are measured: what it holds is itself right."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.emit import emit_verilog
from flows import toolchain
from flows.sim_design import overlay_design
from flows.simulator import build
from sim_tests.large_jobs import large_jobs
from sim_tests.mix import outcome, short_jobs, write_mix
from sim_tests.random_jobs import OVERLAYS, run_jobs

OVERLAY = "1x16x1"


def test_short_jobs_are_as_short_as_asked_for() -> None:
    jobs = short_jobs(OVERLAY, 0, 3, longest=1000)
    assert [job.seed for job in jobs] == sorted({job.seed for job in jobs}) and len(jobs) == 3


@pytest.mark.slow
@pytest.mark.parametrize("overlay", ["1x16x1", "2x16x2-2x2"])
def test_jobs_at_the_limits_of_the_buffers_are_exact_and_as_predicted(overlay: str) -> None:
    jobs = large_jobs(overlay)
    assert len(jobs) >= 29
    run_jobs(jobs)


@pytest.mark.slow
def test_the_overlay_itself_passes_every_part_twice_alike(tmp_path: Path) -> None:
    config = OVERLAYS[OVERLAY]
    design = overlay_design(emit_verilog(config), memory_bits=config.memory_bits, kind="harness")
    executable = build(design).executable
    parts = write_mix(OVERLAY, tmp_path, jobs=5, stalled=2, longest=2000)
    names = {part.folder.name for part in parts}
    assert names == {"jobs", "large", "slow", "faults", "host", "long", "stalls"}
    for part in parts:
        found = []
        for _ in range(2):
            toolchain.run([executable, part.folder], part.folder / "harness.log")
            answers = (part.folder / "answers.txt").read_text().splitlines()
            assert answers[-1].startswith("end "), f"{part.folder.name}: {answers[-1]}"
            found.append(outcome(part))
        assert found[0] == found[1]
