"""What synthesis made of an overlay computes the same, in the same cycles."""

from __future__ import annotations

import pytest

from ir.errors import ToolError
from sim_tests.netlists import NETLISTS, run_netlist
from sim_tests.random_jobs import random_job, run_jobs


@pytest.mark.slow
def test_a_netlist_is_exact_and_takes_the_predicted_cycles() -> None:
    assert run_netlist(NETLISTS[0], jobs=6) > 6 * 100


@pytest.mark.slow
def test_jobs_run_on_the_text_they_are_given() -> None:
    with pytest.raises(ToolError):
        run_jobs([random_job(NETLISTS[0], 0)], verilog="module bitwright_overlay(); endmodule\n")
