"""The benches' own RTL, each module alone under cocotb (the checks are in sim_tests/unit_*.py)."""

from pathlib import Path

import pytest

from flows.cocotb_run import run_module
from flows.sim_design import SIM_TESTS, Design
from flows.simulator import build

MODULES = {
    "mem_timing": ("mem_timing.sv", "due_times.sv", "fall_through.sv"),
    "axi_rules": ("axi_rules.sv",),
}


@pytest.mark.slow
@pytest.mark.parametrize("top", MODULES)
def test_module(top: str, tmp_path: Path):
    sources = {name: (SIM_TESTS / name).read_text("utf-8") for name in MODULES[top]}
    simulator = build(Design(sources=sources, top=top, kind="cocotb"))
    run_module(f"sim_tests.unit_{top}", top, simulator, tmp_path)
