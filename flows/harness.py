"""Runs jobs in the C++ harness: whole networks at the speed of the Verilator model.

The memory timing is sim_tests/mem_timing.sv, the same as under cocotb, with an array behind it.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from flows import toolchain
from flows.bench import Bench, BenchResult, Job
from flows.bench_script import read_answers, write_script
from flows.sim_design import overlay_design
from flows.simulator import DEFAULT_CACHE, build


def simulate(
    bench: Bench,
    jobs: Sequence[Job],
    *,
    cache: str | Path = DEFAULT_CACHE,
    folder: str | Path | None = None,
    workers: int = 1,
    coverage: bool = False,
) -> BenchResult:
    """Run `jobs` in order, in `workers` processes side by side, each with its share of the jobs.

    `folder` keeps scripts, dumps and logs; None: they are thrown away. `coverage`: leave a
    coverage.dat in each `folder`/part*.
    MismatchError (exit code 1): the overlay hung, broke an AXI rule, or memory is not as a job
    expects it. ToolError: no simulator could be built or run. ConfigError: a job does not fit
    the bench, or a folder cannot be written.
    """
    design = overlay_design(
        bench.verilog, memory_bits=bench.memory_bits, kind="harness", start=bench.start
    )
    simulator = build(replace(design, coverage=coverage), cache=cache)
    shares = split(jobs, workers)
    with work_folder(folder) as work:
        places = [work / f"part{number}" for number in range(len(shares))]
        for place, share in zip(places, shares, strict=True):
            write_script(place, bench, share)
        toolchain.run(
            [simulator.executable, *places],
            work / "harness.log",
            expects=[place / "answers.txt" for place in places],
        )
        first, answers = 0, []
        for place, share in zip(places, shares, strict=True):
            answers.append(read_answers(place, bench, share, first))
            first += len(share)
    return BenchResult(
        jobs=tuple(result for answer in answers for result in answer.jobs),
        cycles=sum(answer.cycles for answer in answers),
        seconds=max(answer.seconds for answer in answers),
        built=simulator.built,
        build_seconds=simulator.seconds,
    )


def split(jobs: Sequence[Job], workers: int) -> list[Sequence[Job]]:
    """`jobs` in at most `workers` runs of neighbours, none empty unless there is no job."""
    count = max(1, min(workers, len(jobs)))
    bounds = [len(jobs) * number // count for number in range(count + 1)]
    return [jobs[low:high] for low, high in zip(bounds, bounds[1:], strict=False)]


@contextlib.contextmanager
def work_folder(folder: str | Path | None) -> Iterator[Path]:
    """`folder`, or a temporary one that goes with the block. Absolute: benches change theirs."""
    if folder is not None:
        yield Path(folder).absolute()
        return
    with tempfile.TemporaryDirectory(prefix="bitwright-") as name:
        yield Path(name)
