"""Mutants of a design: drawn, built in behind a selector, and sorted by equivalence."""

import subprocess
from pathlib import Path

import pytest

from flows import mutants
from flows.mutants import Mutant
from flows.sim_design import Design
from flows.simulator import build
from hw.overlay import TOP

# `spare` is kept and nothing reads its upper half; `sum` is what there is to see.
VERILOG = f"""
module {TOP}(input clk, input [3:0] a, output reg [3:0] sum);
  wire [7:0] spare = a + 8'd3;
  initial sum = 0;
  always @(posedge clk) sum <= sum + spare[3:0];
endmodule
"""
PORTS = {
    "clk": {"direction": "input", "width": 1},
    "a": {"direction": "input", "width": 4},
    "sum": {"direction": "output", "width": 4},
}
MAIN = """
#include <cstdio>
#include "Vtop.h"
int main(int count, char** words) {
    Verilated::commandArgs(count, words);
    Vtop top;
    top.clk = 0, top.eval();
    for (int i = 0; i < 3; ++i) { top.a = 1; top.clk = 1; top.eval(); top.clk = 0; top.eval(); }
    std::printf("%d\\n", top.sum);
}
"""


@pytest.mark.slow
def test_each_number_switches_its_mutant_on(tmp_path: Path) -> None:
    drawn = mutants.draw(VERILOG, count=12, seed=3, folder=tmp_path / "work")
    assert [m.number for m in drawn] == list(range(1, 13))
    text = mutants.mutated_verilog(PORTS, tmp_path / "work")
    design = Design(
        sources={"overlay.sv": text, "main.cpp": MAIN}, top=TOP, kind="harness", parameters={}
    )
    executable = build(design, cache=tmp_path / "cache").executable

    def answer(number: int) -> int:
        command = [executable, f"+{mutants.SELECTOR}={number}"]
        return int(subprocess.run(command, capture_output=True, check=True).stdout)

    assert answer(0) == 12
    assert len({answer(m.number) for m in drawn} - {12}) >= 2


@pytest.mark.slow
@pytest.mark.parametrize(("bit", "equivalent"), [(6, True), (2, False)])
def test_a_bit_that_nobody_reads_makes_no_difference(
    tmp_path: Path, bit: int, equivalent: bool
) -> None:
    mutants.draw(VERILOG, count=1, seed=1, folder=tmp_path)
    flat = (tmp_path / "flat.il").read_text()
    cell = next(line.split()[2] for line in flat.splitlines() if "cell $add" in line)
    mutant = Mutant(
        number=1,
        command=f"mutate -ctrl mutant 16 1 -mode inv -module {TOP} -cell {cell} "
        f"-port Y -portbit {bit} -src design.v:3.1-3.2",
    )
    assert (mutant.mode, mutant.line) == ("inv", 3)
    assert mutants.is_equivalent(mutant, tmp_path) is equivalent
