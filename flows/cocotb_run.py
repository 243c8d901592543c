"""Runs jobs under cocotb with cocotbext-axi: the independent proof beside the harness.

The same script, memory image and `BenchResult` as flows/harness.py; a broken result cannot come
from the C++ memory model or its control driver, for neither takes part here.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from flows.bench import Bench, BenchResult, Job
from flows.bench_script import read_answers, write_script
from flows.harness import work_folder
from flows.sim_design import SIM_TESTS, overlay_design
from flows.simulator import DEFAULT_CACHE, Simulator, build
from ir.errors import ToolError

# What the runner would read from the caller's shell, and let change what it does.
HIDDEN_VARIABLES = ("WAVES", "GUI", "PYTEST_CURRENT_TEST", "GPI_USERS")


def run(
    bench: Bench,
    jobs: Sequence[Job],
    *,
    cache: str | Path = DEFAULT_CACHE,
    folder: str | Path | None = None,
    waves: bool = False,
) -> BenchResult:
    """Run `jobs` in order. `waves`: write `folder`/dump.vcd (slower).

    Errors as `flows.harness.simulate`; ToolError with cocotb's log when the test ends without
    an answer.
    """
    design = overlay_design(
        bench.verilog,
        memory_bits=bench.memory_bits,
        kind="cocotb",
        waves=waves,
        start=bench.start,
    )
    simulator = build(design, cache=cache)
    with work_folder(folder) as work:
        write_script(work, bench, jobs)
        environment = {"BITWRIGHT_BENCH": str(work)}
        run_module("sim_tests.bench", design.top, simulator, work, environment, waves=waves)
        answers = read_answers(work, bench, jobs)
    return BenchResult(
        jobs=answers.jobs,
        cycles=answers.cycles,
        seconds=answers.seconds,
        built=simulator.built,
        build_seconds=simulator.seconds,
    )


def run_module(
    module: str,
    top: str,
    simulator: Simulator,
    work: Path,
    environment: dict[str, str] | None = None,
    *,
    waves: bool = False,
) -> None:
    """Run the cocotb tests of `module`; results.xml and cocotb.log land in `work`.

    ToolError when a test failed without leaving its finding in `work`/answers.txt.
    """
    work.mkdir(parents=True, exist_ok=True)
    answers, log, results = (work / name for name in ("answers.txt", "cocotb.log", "results.xml"))
    answers.unlink(missing_ok=True)
    runner = get_runner("verilator")
    failure = ""
    with _plain_environment():
        try:
            runner.test(
                test_module=module,
                hdl_toplevel=top,
                hdl_toplevel_lang="verilog",
                build_dir=simulator.executable.parent,
                test_dir=work,
                results_xml=str(results),
                log_file=str(log),
                extra_env=environment or {},
                waves=waves,
            )
            tests, failed = get_results(results)
            failure = f"{failed} of {tests} tests failed" if failed or not tests else ""
        except (RuntimeError, SystemExit) as error:
            failure = str(error)
    if failure and not answers.exists():
        raise ToolError(f"cocotb {module}", log=log, fix="read the log", reason=failure)


@contextlib.contextmanager
def _plain_environment() -> Iterator[None]:
    """Hide the variables that steer the runner, and let its child import our packages.

    "" on the path would be the child's working folder, and what lies there may be anything.
    """
    kept = {name: os.environ.pop(name) for name in HIDDEN_VARIABLES if name in os.environ}
    path, root = list(sys.path), str(SIM_TESTS.parent)
    sys.path[:] = [root, *filter(None, path)]
    try:
        yield
    finally:
        sys.path[:] = path
        os.environ.update(kept)
