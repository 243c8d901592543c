"""The clock over several seeds, behind a wrapper with four pins."""

from pathlib import Path
from typing import Any

import pytest

from flows.synth import fmax
from flows.synth.fmax import measure_fmax, narrow
from flows.synth.place import Design, Placement
from ir.errors import ConfigError

WIDE = """
module wide(clk, rst, a, \\b$1 , y, z);
  input clk;
  wire clk;
  input rst;
  input [7:0] a;
  input [1:0] \\b$1 ;
  output [8:0] y;
  output z;
  reg [8:0] y;
endmodule
"""


def test_inputs_are_shifted_in_and_outputs_folded():
    text = narrow(WIDE, "wide")
    assert "reg [10:0] inputs;" in text and "wire [9:0] outputs;" in text
    assert ".clk(clk)" in text and ".rst (inputs[0:0])" in text
    assert ".a (inputs[8:1])" in text and ".\\b$1 (inputs[10:9])" in text
    assert ".y (outputs[8:0])" in text and ".z (outputs[9:9])" in text


def test_a_module_without_a_clock():
    with pytest.raises(ConfigError, match="module still has no clock"):
        narrow("module still(a);\n  input a;\nendmodule\n", "still")


def test_median_and_spread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def place(design: Design, *, seed: int, **options: Any) -> Placement:
        assert design.top == "narrow" and "module wide" in design.verilog
        return Placement(
            part=design.part,
            seed=seed,
            fmax_mhz=[100.0, 130.0, 90.0][seed - 1],
            met=True,
            clocks={},
            utilization={},
            bitstream=None,
            tool="nextpnr-ecp5",
            version="0.11",
            synthesis="yosys 0.70",
            seconds=1.0,
        )

    monkeypatch.setattr(fmax, "implement", place)
    said: list[str] = []
    found = measure_fmax(
        WIDE, top="wide", part="LFE5U-25F-6BG381C", seeds=[1, 2, 3], say=said.append
    )
    assert (found.median, found.min, found.max) == (100.0, 90.0, 130.0)
    assert said[1] == "LFE5U-25F-6BG381C seed 2: 130.0 MHz"


def test_no_seed():
    with pytest.raises(ConfigError, match="at least one seed is needed"):
        measure_fmax(WIDE, top="wide", part="LFE5U-25F-6BG381C", seeds=[])
