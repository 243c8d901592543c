"""Netlists as Verilog again: one module of logic, with the ports of the design."""

import re
from pathlib import Path

import pytest

from flows.synth.netlist import netlist_verilog
from flows.synth.place import Design
from ir.errors import ConfigError

MEMORY = """
module top(input clk, input we, input [7:0] at, input [17:0] d, output reg [17:0] q,
           input [17:0] a, output reg [35:0] p);
  (* ram_style = "block" *) reg [17:0] words [0:255];
  always @(posedge clk) begin if (we) words[at] <= d; q <= words[at]; p <= a * d; end
endmodule
"""


@pytest.mark.slow
def test_cells_are_expanded_and_ports_stay(tmp_path: Path) -> None:
    design = Design(verilog=MEMORY, top="top", part="LFE5U-25F-6BG256C", clock_mhz=50.0)
    text = netlist_verilog(design, tmp_path)
    assert re.findall(r"^module (\w+)", text, re.MULTILINE) == ["top"]
    assert not re.search(r"\b(LUT4|DP16KD|MULT18X18D|TRELLIS_FF|CCU2C)\b *#?\(", text)
    assert "[8:0]" in text and "[35:0] p" in text  # the RAM's bytes, the product
    assert netlist_verilog(design, tmp_path) == text


def test_a_family_without_models_is_named(tmp_path: Path) -> None:
    design = Design(verilog=MEMORY, top="top", part="iCE40HX8K-CT256", clock_mhz=50.0)
    with pytest.raises(ConfigError, match="family 'ice40' cannot be simulated.*ecp5"):
        netlist_verilog(design, tmp_path)
