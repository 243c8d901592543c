"""Nothing depends on a block RAM's word that is read and written in the same cycle."""

from __future__ import annotations

import pytest

from codegen.emit import emit_verilog
from sim_tests.collisions import with_undefined_collisions
from sim_tests.random_jobs import OVERLAYS, random_job, run_jobs


def test_each_block_ram_is_made_undefined_once() -> None:
    verilog = emit_verilog(OVERLAYS["2x24x3"])
    changed = with_undefined_collisions(verilog)
    rams = verilog.count("\nmodule ram_")
    assert rams > 3
    assert changed.count("write_address == read_address ? ~words[read_address]") == rams


@pytest.mark.slow
@pytest.mark.parametrize("overlay", ["2x24x3", "1x16x1"])
def test_no_job_depends_on_a_word_that_is_read_while_it_is_written(overlay: str) -> None:
    verilog = with_undefined_collisions(emit_verilog(OVERLAYS[overlay]))
    jobs = [random_job(overlay, 7000 + number) for number in range(25)]
    assert run_jobs(jobs, verilog=verilog) > 25 * 100
    assert run_jobs(jobs[:10], verilog=verilog, stall_seed=3) > 10 * 100
