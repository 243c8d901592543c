"""The C++ harness on a small copy engine: cycles, memory, stalls, findings."""

import numpy as np
import pytest

from flows.bench import Job
from flows.harness import simulate, split
from ir.errors import ConfigError, MismatchError
from sim_tests.copy_engine import TARGET, copy_bench, copy_job


def test_copies_and_counts():
    bench = copy_bench(latency=20)
    result = simulate(bench, [copy_job(bench)] * 3)
    first = result.jobs[0]
    assert {job.measured for job in result.jobs} == {first.measured}
    assert first.counters == {"CYCLES": first.measured, "STATUS": 2}
    assert list(first.writes[:, 1]) == [TARGET + 128 * number for number in range(8)]
    assert first.writes[-1, 0] == first.measured - 1, "irq rises after the last B"
    source = bench.memory[0]
    gap, rest = bytes(TARGET - len(source)), bytes(TARGET - len(source))
    assert first.dumps == (source + gap + source + rest,)
    assert result.cycles > 3 * first.measured and result.cycles_per_second > 0


def test_latency_moves_reads_and_answers_once():
    """One read's latency before the first beat, one answer's after the last."""
    at = {
        latency: simulate(b := copy_bench(latency=latency), [copy_job(b)]).jobs[0]
        for latency in (2, 5, 20)
    }
    assert at[5].measured - at[2].measured == 2 * 3
    assert at[20].measured - at[2].measured == 2 * 18
    assert np.array_equal(at[20].writes[:, 0] - at[2].writes[:, 0], [2 * 18] * 8)


def test_workers_share_the_jobs():
    bench = copy_bench()
    jobs = [copy_job(bench)] * 5
    one, three = simulate(bench, jobs), simulate(bench, jobs, workers=3)
    assert [job.dumps for job in one.jobs] == [job.dumps for job in three.jobs]
    assert [job.measured for job in one.jobs] == [job.measured for job in three.jobs]


def test_split_keeps_order_and_leaves_no_share_empty():
    assert split([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4, 5]]  # pyright: ignore
    assert split([1, 2], 4) == [[1], [2]]  # pyright: ignore
    assert split([], 4) == [[]]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_stalls_change_time_only(seed):
    calm, stalled = copy_bench(), copy_bench(stall_seed=seed)
    job = copy_job(calm)
    slow = simulate(stalled, [job]).jobs[0]
    assert slow.dumps == simulate(calm, [job]).jobs[0].dumps
    assert slow.measured > 200


def test_files_stay_when_a_folder_is_named(tmp_path):
    bench = copy_bench()
    simulate(bench, [copy_job(bench)], folder=tmp_path / "run")
    names = {path.name for path in (tmp_path / "run" / "part0").iterdir()}
    assert names == {"script.txt", "blob.bin", "answers.txt", "dump.bin", "events.bin"}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("withdrawn", "job 0: the overlay withdrew or changed a read address"),
        ("write under read", r"hazard: a read and a write .* address 0x10 \(at cycle"),
        ("half width", "read burst is not INCR with full-width beats, address 0x0"),
        ("never ends", r"job 0: no irq after 3000 cycles"),
        ("across 4 KiB", "read burst crosses a 4 KiB boundary, address 0xffc"),
        ("early last", "WLAST does not come with the burst's last beat, address 0x8000"),
    ],
)
def test_finds_what_an_overlay_does_wrong(fault, message):
    bench = copy_bench(bursts=32, latency=400, fault=fault, cycle_limit=3000)
    with pytest.raises(MismatchError, match=message):
        simulate(bench, [copy_job(bench)])


def test_finds_a_wrong_byte():
    bench = copy_bench()
    wrong = bytearray(bench.memory[0])
    wrong[5] ^= 0xFF
    with pytest.raises(MismatchError, match=f"memory byte {TARGET + 5:#x} is .*, expected"):
        simulate(bench, [Job(expected={TARGET: bytes(wrong)})])


def test_finds_a_burst_beyond_the_memory():
    bench = copy_bench(bursts=300)
    with pytest.raises(MismatchError, match="burst goes beyond the memory, address 0x10000"):
        simulate(bench, [Job()])


def test_refuses_a_folder_it_cannot_write():
    bench = copy_bench()
    with pytest.raises(ConfigError, match="cannot write /proc/1/run"):
        simulate(bench, [copy_job(bench)], folder="/proc/1/run")
