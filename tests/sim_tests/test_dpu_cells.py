"""Dot-product units of fabric cells, simulated with the cells' models."""

from pathlib import Path

import pytest

from flows.cocotb_run import run_module
from flows.sim_design import Design
from flows.simulator import build
from hw.cells import cell_models
from hw.fabric import FABRICS, PORTABLE
from sim_tests.unit_dpu import TOP, UNITS, bench_verilog


@pytest.mark.slow
def test_units_of_every_fabric_equal_the_model(tmp_path: Path) -> None:
    assert {unit.fabric for unit in UNITS} == set(FABRICS) - {
        PORTABLE,
        "ice40",
    }  # which has no such cells
    text = bench_verilog()
    models = cell_models(text)
    assert set(models) == {"LUT6_2", "CARRY4", "CARRY8", "CCU2C"}
    sources = {path.name: path.read_text("utf-8") for path in models.values()}
    simulator = build(Design(sources={"units.v": text, **sources}, top=TOP, kind="cocotb"))
    run_module("sim_tests.unit_dpu", TOP, simulator, tmp_path)
