"""Inverters that only resets of flip-flops read are moved into these."""

import json
from pathlib import Path

import pytest

from boards.parts import find_part
from flows.synth.inverted_resets import PINS, invert_resets
from flows.synth.place import Design, synthesize_netlist

PART = "LFE5U-25F-6BG256C"
NOT_D = f"{0x00FF:016b}"


def lut(init: str, *nets: int | str, output: int) -> dict:
    return {
        "type": "LUT4",
        "parameters": {"INIT": init},
        "port_directions": {**dict.fromkeys(PINS, "input"), "Z": "output"},
        "connections": {**{p: [n] for p, n in zip(PINS, nets, strict=True)}, "Z": [output]},
    }


def flip_flop(reset: int, *, mux: str = "LSR") -> dict:
    return {
        "type": "TRELLIS_FF",
        "parameters": {"LSRMUX": mux},
        "port_directions": {"LSR": "input"},
        "connections": {"LSR": [reset]},
    }


def changed(cells: dict, ports: dict | None = None) -> tuple[int, dict]:
    netlist = {"modules": {"top": {"cells": cells, "ports": ports or {}}}}
    return invert_resets(netlist), cells


@pytest.mark.parametrize("pin", range(4))
def test_an_inverter_on_any_pin(pin: int) -> None:
    init = f"{sum(1 << entry for entry in range(16) if not entry >> pin & 1):016b}"
    nets: list[int | str] = ["0"] * 4
    nets[pin] = 2
    gone, cells = changed({"n": lut(init, *nets, output=3), "a": flip_flop(3), "b": flip_flop(3)})
    assert gone == 1 and "n" not in cells
    for name in "ab":
        assert cells[name]["parameters"]["LSRMUX"] == "INV"
        assert cells[name]["connections"]["LSR"] == [2]


@pytest.mark.parametrize(
    ("cells", "ports"),
    [
        ({"n": lut(NOT_D, "0", "0", "0", 2, output=3), "a": flip_flop(3, mux="INV")}, {}),
        (
            {
                "n": lut(NOT_D, "0", "0", "0", 2, output=3),
                "a": flip_flop(3),
                "b": lut(NOT_D, "0", "0", "0", 3, output=4),
            },
            {},
        ),
        (
            {"n": lut(NOT_D, "0", "0", "0", 2, output=3), "a": flip_flop(3)},
            {"o": {"bits": [3]}},
        ),
        ({"n": lut(f"{0x000F:016b}", "0", "0", 5, 2, output=3), "a": flip_flop(3)}, {}),
        ({"n": lut(f"{0xFF00:016b}", "0", "0", "0", 2, output=3), "a": flip_flop(3)}, {}),
    ],
    ids=["inverted already", "another reader", "a port", "two inputs", "no inverter"],
)
def test_what_must_stay(cells: dict, ports: dict) -> None:
    before = json.dumps(cells)
    gone, after = changed(cells, ports)
    assert gone == 0 and json.dumps(after) == before


@pytest.mark.slow
def test_of_a_netlist_of_yosys(tmp_path: Path) -> None:
    verilog = """
module top(input clk, input resetn, input [7:0] d, output reg [7:0] q);
  always @(posedge clk) if (!resetn) q <= 5; else q <= d;
endmodule
"""
    design = Design(verilog=verilog, top="top", part=PART, clock_mhz=50.0)
    path = synthesize_netlist(design, find_part(PART), tmp_path)
    module = json.loads(path.read_text())["modules"]["top"]
    flip_flops = [c for c in module["cells"].values() if c["type"] == "TRELLIS_FF"]
    assert len(flip_flops) == 8 == len(module["cells"])
    assert {c["parameters"]["LSRMUX"] for c in flip_flops} == {"INV"}
    resets = [c["connections"]["LSR"] for c in flip_flops]
    assert resets == [module["ports"]["resetn"]["bits"]] * 8
