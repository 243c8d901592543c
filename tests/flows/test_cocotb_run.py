"""cocotb with cocotbext-axi agrees with the C++ harness, in cycles and in every byte."""

import sys

import numpy as np
import pytest

from flows import cocotb_run
from flows.bench import Job
from flows.cocotb_run import run
from flows.harness import simulate
from ir.errors import MismatchError, ToolError
from sim_tests.copy_engine import copy_bench, copy_job

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("memory_bits", "latency", "bursts", "beats"),
    [
        (32, 2, 8, 16),
        (64, 2, 100, 1),
        (64, 2, 40, 3),
        (64, 5, 8, 16),
        (64, 20, 4, 256),
        (128, 5, 16, 7),
        (256, 20, 8, 32),
    ],
)
def test_both_benches_agree(memory_bits, latency, bursts, beats):
    bench = copy_bench(memory_bits=memory_bits, latency=latency, bursts=bursts, beats=beats)
    jobs = [copy_job(bench)] * 2
    fast, slow = simulate(bench, jobs), run(bench, jobs)
    for one, other in zip(fast.jobs, slow.jobs, strict=True):
        assert one.measured == other.measured == one.counters["CYCLES"]
        assert np.array_equal(one.writes, other.writes)
        assert (one.dumps, one.counters) == (other.dumps, other.counters)


@pytest.mark.parametrize("seed", [1, 2])
def test_random_stalls_change_time_only(seed):
    bench = copy_bench(stall_seed=seed)
    job = copy_job(bench)
    assert run(bench, [job]).jobs[0].dumps == simulate(copy_bench(), [job]).jobs[0].dumps


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("write under read", "hazard: a read and a write .* address 0x10 "),
        ("half width", "read burst is not INCR with full-width beats"),
        ("never ends", "job 0: no irq after 3000 cycles"),
    ],
)
def test_finds_what_an_overlay_does_wrong(fault, message):
    bench = copy_bench(fault=fault, cycle_limit=3000)
    with pytest.raises(MismatchError, match=message):
        run(bench, [copy_job(bench)])


def test_says_where_the_log_is_when_a_model_objects(tmp_path):
    """AxiRam's own assertion comes before our rule: still an error with a log."""
    bench = copy_bench(fault="across 4 KiB", cycle_limit=3000)
    with pytest.raises((ToolError, MismatchError), match="4 KiB|log: .*cocotb.log"):
        run(bench, [copy_job(bench)], folder=tmp_path)
    assert (tmp_path / "cocotb.log").exists()


def test_finds_a_wrong_byte():
    bench = copy_bench()
    with pytest.raises(MismatchError, match="memory byte 0x8001 is 0x.., expected 0x00"):
        run(bench, [Job(expected={0x8001: bytes(1)})])


def test_writes_waves_when_asked(tmp_path):
    bench = copy_bench(bursts=1)
    plain = run(bench, [copy_job(bench)]).jobs[0]
    traced = run(bench, [copy_job(bench)], folder=tmp_path, waves=True).jobs[0]
    assert traced.measured == plain.measured
    assert b"$enddefinitions" in (tmp_path / "dump.vcd").read_bytes()


def test_modules_beside_the_log_are_not_imported(monkeypatch):
    """A run's folder may come from outside, and the simulator works in it."""
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    with cocotb_run._plain_environment():
        assert "" not in sys.path and sys.path[0]
    assert sys.path[0] == ""
