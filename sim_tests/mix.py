"""The jobs by which tests are measured: what `make coverage` runs and `make mutate` kills with.

Each part is a bench script in a folder of its own, for the harness of sim_tests/harness.cpp:

jobs      random jobs, memory of fixed latency: outputs, cycles of each layer, every counter
large     jobs at the limits of the buffers, likewise
slow      the first of the large jobs, memory of a long latency: every entry for bursts is taken
stalls    random jobs with random stalls on all channels: outputs
faults    jobs that are disturbed, and what the registers say: how they end, memory, the next job
host      registers held while others are written; jobs that are aborted while they write
long      programs of thousands of instructions that end in a fault
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codegen.cycles import predict
from codegen.emit import emit_verilog
from codegen.read_timing import MemoryTiming
from flows.bench_script import write_script
from flows.execute import bench_of, job_of
from ir.files import read_bytes, read_text, write_bytes, write_text
from sim_tests.fault_mix import fault_rig
from sim_tests.faults import Rig
from sim_tests.host_mix import host_rig
from sim_tests.large_jobs import large_jobs
from sim_tests.long_programs import long_rig
from sim_tests.random_jobs import RandomJob, random_job

LATENCY = 20
SLOW_LATENCY, SLOW_JOBS = 600, 12
STALL_SEED = 5
FIRST_STALLED = 1000


@dataclass(frozen=True, kw_only=True)
class Part:
    """A script in `folder`. `timed`: its cycle counts are promises, and not only its data."""

    folder: Path
    timed: bool


def write_mix(overlay: str, folder: Path, *, jobs: int, stalled: int, longest: int) -> list[Part]:
    """The scripts of one overlay of random_jobs.OVERLAYS; only jobs of up to `longest` cycles."""
    exact = short_jobs(overlay, 0, jobs, longest)
    loose = short_jobs(overlay, FIRST_STALLED, stalled, longest)
    _write_jobs(folder / "jobs", exact)
    large = large_jobs(overlay)
    _write_jobs(folder / "large", large)
    _write_jobs(folder / "slow", large[:SLOW_JOBS], latency=SLOW_LATENCY)
    _write_jobs(folder / "stalls", loose, stall_seed=STALL_SEED)
    _write_rig(folder / "faults", fault_rig(overlay))
    _write_rig(folder / "host", host_rig(overlay))
    _write_rig(folder / "long", long_rig(overlay))
    return [
        Part(folder=folder / "jobs", timed=True),
        Part(folder=folder / "large", timed=True),
        Part(folder=folder / "slow", timed=True),
        Part(folder=folder / "faults", timed=True),
        Part(folder=folder / "host", timed=True),
        Part(folder=folder / "long", timed=True),
        Part(folder=folder / "stalls", timed=False),
    ]


def short_jobs(overlay: str, first: int, count: int, longest: int) -> list[RandomJob]:
    """The first `count` random jobs from number `first` on that take up to `longest` cycles."""
    found: list[RandomJob] = []
    seed = first
    while len(found) < count:
        job = random_job(overlay, seed)
        if predict(job.network, MemoryTiming(latency=LATENCY)).cycles <= longest:
            found.append(job)
        seed += 1
    return found


def _write_jobs(
    folder: Path,
    jobs: Sequence[RandomJob],
    *,
    latency: int = LATENCY,
    stall_seed: int | None = None,
) -> None:
    networks = [job.network for job in jobs]
    verilog = emit_verilog(networks[0].config)
    bench = bench_of(networks, verilog, latency=latency, stall_seed=stall_seed)
    if stall_seed is not None:
        bench = replace(bench, counters=())
    write_script(folder, bench, [job_of(job.network, job.image) for job in jobs])


def _write_rig(folder: Path, rig: Rig) -> None:
    write_bytes(folder / "blob.bin", rig.script.blob)
    write_text(folder / "script.txt", "\n".join(rig.script.lines) + "\n")


def outcome(part: Part) -> list[bytes]:
    """What a run of the part has left, without what is no promise: to be compared."""
    lines = read_text(part.folder / "answers.txt").splitlines()
    kept = [line for line in lines if not line.startswith("end ")]
    if not part.timed:
        kept = [line.split()[0] if line.startswith("run ") else line for line in kept]
    data = [read_bytes(part.folder / "dump.bin")]
    if part.timed:
        data.append(read_bytes(part.folder / "events.bin"))
    return ["\n".join(kept).encode(), *data]
