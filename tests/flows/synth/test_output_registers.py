"""Registers behind block RAMs of the ECP5, as yosys writes them, are moved into the block RAMs."""

import json
from pathlib import Path

import pytest

from boards.parts import find_part
from flows.synth.output_registers import move_output_registers
from flows.synth.place import Design, synthesize_netlist

PART = "LFE5U-25F-6BG256C"


def netlist_of(body: str, tmp_path: Path, bits: int = 18) -> dict:
    """The cells after synthesis of a memory whose word `q` the body takes."""
    verilog = f"""
module top(input clk, input we, input go, input clear, input [7:0] at, input [{bits - 1}:0] d,
           output reg [{bits - 1}:0] kept, output [{bits - 1}:0] too);
  (* ram_style = "block", no_rw_check *) reg [{bits - 1}:0] words [0:255];
  reg [{bits - 1}:0] q;
  initial kept = 0;
  always @(posedge clk) begin if (we) words[at] <= d; q <= words[at]; end
  {body}
endmodule
"""
    return synthesized(verilog, tmp_path)


def synthesized(verilog: str, tmp_path: Path) -> dict:
    design = Design(verilog=verilog, top="top", part=PART, clock_mhz=50.0)
    path = synthesize_netlist(design, find_part(PART), tmp_path)
    return json.loads(path.read_text())["modules"]["top"]["cells"]


def cells(found: dict, kind: str) -> list[dict]:
    return [cell for cell in found.values() if cell["type"] == kind]


@pytest.mark.slow
@pytest.mark.parametrize("bits", [18, 36])
@pytest.mark.parametrize("condition", ["", "if (go) "])
def test_plain_registers_are_moved(bits: int, condition: str, tmp_path: Path) -> None:
    found = netlist_of(f"always @(posedge clk) {condition}kept <= q;", tmp_path, bits)
    assert cells(found, "TRELLIS_FF") == []
    (memory,) = cells(found, "DP16KD")
    moved = [memory["parameters"][f"REGMODE_{port}"] for port in "AB"]
    enables = {memory["connections"][f"OCE{port}"][0] for port in "AB"}
    assert moved == ["OUTREG", "OUTREG"] if bits == 36 else "OUTREG" in moved
    assert ("1" in enables) == (condition == "" or bits == 18)
    assert any(isinstance(enable, int) for enable in enables) == (condition != "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        "always @(posedge clk) if (clear) kept <= 0; else kept <= q;",  # a reset
        "always @(posedge clk) kept <= q; assign too = q;",  # another reader
        "always @(posedge clk) kept <= q ^ d;",  # logic between
        "always @(posedge clk) begin kept[8:0] <= q[8:0]; if (go) kept[17:9] <= q[17:9]; end",
        "always @(negedge clk) kept <= q;",
    ],
)
def test_what_is_no_plain_register_stays(body: str, tmp_path: Path) -> None:
    found = netlist_of(body, tmp_path)
    (memory,) = cells(found, "DP16KD")
    assert len(cells(found, "TRELLIS_FF")) == 18
    assert {memory["parameters"][f"REGMODE_{port}"] for port in "AB"} == {"NOREG"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "flip_flops", "clock"),
    [
        ("always @(posedge clk) p <= a * b;", 0, "CLK0"),
        ("always @(posedge clk) if (go) p <= a * b;", 0, "CLK0"),
        ("always @(posedge clk) if (clear) p <= 0; else p <= a * b;", 36, "NONE"),
        ("always @(posedge clk) p <= a * b + 1;", 36, "NONE"),
    ],
)
def test_products(body: str, flip_flops: int, clock: str, tmp_path: Path) -> None:
    verilog = f"""
module top(input clk, input go, input clear, input signed [17:0] a, input signed [17:0] b,
           output reg signed [35:0] p);
  initial p = 0;
  {body}
endmodule
"""
    found = synthesized(verilog, tmp_path)
    (product,) = cells(found, "MULT18X18D")
    assert len(cells(found, "TRELLIS_FF")) == flip_flops
    assert product["parameters"].get("REG_OUTPUT_CLK", "NONE") == clock
    if clock == "CLK0":
        assert (product["connections"]["CE0"] == ["1"]) == ("go" not in body)


def test_netlists_without_block_rams_stay() -> None:
    netlist = {"modules": {"top": {"cells": {}, "ports": {}}}}
    assert move_output_registers(netlist) == 0
