"""Random networks with branches on the simulated overlay: bit-exact, cycles as predicted."""

from __future__ import annotations

import pytest

from sim_tests.random_graphs import random_graph_job
from sim_tests.random_jobs import OVERLAYS, run_jobs

JOBS = 24
STALLED = 8


@pytest.mark.slow
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_random_graphs_are_exact_and_take_the_predicted_cycles(overlay: str) -> None:
    run_jobs([random_graph_job(overlay, seed) for seed in range(JOBS)])


@pytest.mark.slow
@pytest.mark.parametrize("overlay", ["2x16x2", "3x8x2-4x1"])
def test_random_memory_stalls_change_no_result(overlay: str) -> None:
    jobs = [random_graph_job(overlay, 1000 + seed) for seed in range(STALLED)]
    run_jobs(jobs, stall_seed=1)
