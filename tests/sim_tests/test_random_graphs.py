"""Random networks with branches on the simulated overlay: bit-exact, cycles as predicted."""

from __future__ import annotations

import numpy as np
import pytest

from codegen.cycles import MemoryTiming, predict
from codegen.emit import emit_verilog
from codegen.lower import lower
from flows.execute import bench_of, expected_outputs, job_of
from flows.harness import simulate
from sim_tests.random_graphs import random_graph_job
from sim_tests.random_jobs import OVERLAYS, run_jobs

JOBS = 24
STALLED = 8


@pytest.mark.slow
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_random_graphs_are_exact_and_take_the_predicted_cycles(overlay: str) -> None:
    run_jobs([random_graph_job(overlay, seed) for seed in range(JOBS)])


@pytest.mark.slow
def test_shared_memory_changes_no_output() -> None:
    jobs = [random_graph_job("2x16x2", seed) for seed in range(JOBS)]
    networks = [lower(job.network.graph, job.network.config, reuse=True) for job in jobs]
    bench = bench_of(networks, emit_verilog(networks[0].config), latency=20)
    result = simulate(bench, [job_of(n, job.image) for n, job in zip(networks, jobs, strict=True)])
    for network, job, answer in zip(networks, jobs, result.jobs, strict=True):
        expected = expected_outputs(network, [job.image])
        last = network.layers[-1]
        assert np.array_equal(last.unpack_output(answer.dumps[-1]), expected[last.name][0])
        assert answer.measured == predict(network, MemoryTiming()).cycles


@pytest.mark.slow
@pytest.mark.parametrize("overlay", ["2x16x2", "3x8x2-4x1"])
def test_random_memory_stalls_change_no_result(overlay: str) -> None:
    jobs = [random_graph_job(overlay, 1000 + seed) for seed in range(STALLED)]
    run_jobs(jobs, stall_seed=1)
