"""Random layers and chains on the simulated overlay: bit-exact always, cycles as predicted."""

from __future__ import annotations

import numpy as np
import pytest

from codegen.cycles import MemoryTiming, predict
from codegen.emit import emit_verilog
from codegen.lower import lower
from flows import cocotb_run
from flows.execute import bench_of, expected_outputs, job_of
from flows.harness import simulate
from sim_tests.random_jobs import FABRIC, SERIAL, SLICE, random_job, run_jobs

JOBS = 28
FABRIC_JOBS = 12
STALLED = 6
LATENCIES = {"2x16x2": 2, "4x48x3": 37}


@pytest.mark.slow
@pytest.mark.parametrize("overlay", SERIAL | SLICE)
def test_random_jobs_are_exact_and_take_the_predicted_cycles(overlay: str) -> None:
    jobs = [random_job(overlay, seed) for seed in range(JOBS)]
    run_jobs(jobs)


@pytest.mark.slow
@pytest.mark.parametrize("overlay", FABRIC)
def test_units_of_every_fabric_are_exact_and_take_the_predicted_cycles(overlay: str) -> None:
    run_jobs([random_job(overlay, seed) for seed in range(FABRIC_JOBS)])


@pytest.mark.slow
def test_shared_memory_changes_no_output() -> None:
    jobs = [random_job("2x16x2", seed) for seed in range(JOBS)]
    networks = [lower(job.network.graph, job.network.config, reuse=True) for job in jobs]
    bench = bench_of(networks, emit_verilog(networks[0].config), latency=20)
    sent = [job_of(network, job.image) for network, job in zip(networks, jobs, strict=True)]
    for network, job, answer in zip(networks, jobs, simulate(bench, sent).jobs, strict=True):
        expected = expected_outputs(network, [job.image])
        last = network.layers[-1]
        assert np.array_equal(last.unpack_output(answer.dumps[-1]), expected[last.name][0])
        assert answer.measured == predict(network, MemoryTiming()).cycles


@pytest.mark.slow
@pytest.mark.parametrize("overlay", LATENCIES)
def test_the_prediction_moves_with_the_memory(overlay: str) -> None:
    run_jobs([random_job(overlay, seed) for seed in range(JOBS)], latency=LATENCIES[overlay])


@pytest.mark.slow
@pytest.mark.parametrize("overlay", SERIAL | SLICE)
def test_random_memory_stalls_change_no_result(overlay: str) -> None:
    jobs = [random_job(overlay, 1000 + seed) for seed in range(STALLED)]
    for stall_seed in (1, 2):
        run_jobs(jobs, stall_seed=stall_seed)


COCOTB = {"2x16x2": range(6), "4x48x3": range(6)}


@pytest.mark.slow
@pytest.mark.parametrize("overlay", COCOTB)
def test_cocotb_with_memory_and_control_by_others_agrees(overlay: str) -> None:
    jobs = [random_job(overlay, seed) for seed in COCOTB[overlay]]
    run_jobs(jobs, simulate=cocotb_run.run)


@pytest.mark.slow
def test_cocotb_with_random_stalls_on_all_channels() -> None:
    jobs = [random_job("3x7x5", seed) for seed in range(4)]
    run_jobs(jobs, simulate=cocotb_run.run, stall_seed=3)
