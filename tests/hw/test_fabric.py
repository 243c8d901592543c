# amaranth: UnusedElaboratable=no
"""Fabrics: which there are, what they are made of, and where their cells' models lie."""

from __future__ import annotations

import pytest
from amaranth.back import verilog
from amaranth.hdl import Module, Signal

from codegen.emit import emit_verilog
from hw.cells import FOLDER, cell_models, models_of
from hw.fabric import FABRICS, PORTABLE, fabric_of, find_fabric
from hw.overlays.bit_serial import BitSerial
from hw.xilinx import lut6_2, truth_table
from ir.errors import ConfigError

_DEPTHS = {"lhs_depth": 16, "rhs_depth": 16, "ring_depth": 16, "table_depth": 16}


def overlay(fabric: str) -> BitSerial:
    return BitSerial(dm=1, dk=8, dn=1, fabric=fabric, **_DEPTHS)


@pytest.mark.parametrize("fabric", FABRICS)
def test_the_emitted_cells_are_those_of_the_fabric(fabric: str) -> None:
    text = emit_verilog(overlay(fabric))
    assert set(cell_models(text)) == set(find_fabric(fabric).cells)


def test_every_model_is_of_some_fabric() -> None:
    used = {cell for fabric in FABRICS.values() for cell in fabric.cells}
    assert {path.stem for path in FOLDER.glob("*.v")} == used
    assert [path.name for path in models_of("CCU2C")] == ["CCU2C.v"]


@pytest.mark.parametrize(
    ("family", "fabric"), [("simulation", PORTABLE), ("xc7", "xc7"), ("ecp5", "ecp5")]
)
def test_the_fabric_of_a_family(family: str, fabric: str) -> None:
    assert fabric_of(family) == fabric


def test_an_unknown_fabric_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"no fabric 'xc8' .did you mean 'xc7'\?.; there is: ecp5"
    ):
        overlay("xc8")


def test_programs_do_not_depend_on_the_fabric() -> None:
    assert overlay("xc7").hash == overlay(PORTABLE).hash


def test_truth_table() -> None:
    assert truth_table(lambda a, b: a & ~b, 2, 2) == 0b0010
    assert truth_table(lambda a: a, 1, 2) == 0b1010


def test_a_fifth_output_that_six_inputs_cannot_have() -> None:
    with pytest.raises(ValueError, match="O5 must be O6 where the last input is 0"):
        lut6_2(Module(), list(Signal(6)), lambda *b: b[0], lambda *b: b[1])


@pytest.mark.parametrize(("lanes", "p", "q"), [(64, 1, 1), (5, 2, 2), (6, 1, 4), (3, 8, 8)])
def test_lanes_of_tables_of_six_inputs_know_their_size(lanes: int, p: int, q: int) -> None:
    unit = find_fabric("xc7").lanes
    text = verilog.convert(unit(lanes=lanes, p=p, q=q), emit_src=False)
    size = unit.size(lanes, p, q)
    assert size is not None
    assert size.tables == text.count("LUT6_2 #(")


@pytest.mark.parametrize(
    ("digits", "tables", "registers"),
    [((64, 1, 1), 195, 192), ((64, 2, 2), 784, 763), ((24, 4, 2), 402, 406)],
)
def test_lanes_of_ecp5_know_their_size(digits, tables: int, registers: int) -> None:
    """As yosys 0.70 counts them, give or take two (docs/hardware.md)."""
    assert find_fabric("ecp5").lanes.size(*digits) == (tables, registers)


def test_the_size_of_portable_lanes_is_the_synthesizer_s() -> None:
    assert find_fabric(PORTABLE).lanes.size(64, 1, 1) is None
