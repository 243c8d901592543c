"""Synthesis: what is counted, what is kept, and what its failures say."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.synth import area
from flows.synth.area import FABRICS, Synthesis, synthesize
from flows.synth.tools import Tool
from ir.errors import ConfigError, ToolError

ADDER = """
module tiny(clk, a, b, y);
  input clk;
  input [3:0] a, b;
  output reg [4:0] y;
  always @(posedge clk) y <= a + b;
endmodule
"""
PAIR = """
module pair(clk, a, b, y, z);
  input clk;
  input [3:0] a, b;
  output [4:0] y, z;
  tiny first (
    .clk(clk), .a(a), .b(b), .y(y)
  );
  tiny second (
    .clk(clk), .a(b), .b(a), .y(z)
  );
endmodule
"""


def cells(**numbers: int) -> dict[str, Any]:
    """A module of yosys' JSON netlist with so many cells of each type."""
    names = [(kind, index) for kind, number in numbers.items() for index in range(number)]
    return {"cells": {f"{k}_{i}": {"type": k, "connections": {}} for k, i in names}}


def fake_yosys(folder: Path, work: str, version: str = "0.55") -> Tool:
    """A program that does `work` where a yosys would synthesize."""
    folder.mkdir(exist_ok=True)
    binary = folder / "yosys"
    binary.write_text(f"#!/bin/sh\n{work}\n")
    binary.chmod(0o755)
    return Tool(tool="yosys", binary=binary, version=version)


def netlist(**modules: dict[str, Any]) -> str:
    """Shell that leaves such a netlist."""
    return f"cat > netlist.json << 'END'\n{json.dumps({'modules': modules})}\nEND"


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """yosys as a program that keeps each design that it is given."""
    runs = tmp_path / "runs"
    tiny = cells(LUT4=5, CCU2C=3, TRELLIS_FF=2) | {}
    tiny["cells"]["note"] = {"type": "$scopeinfo", "connections": {}}
    pair = cells(LUT4=1, tiny=2)
    work = f"cat design.v >> {runs}\n{netlist(tiny=tiny, pair=pair)}"
    found = fake_yosys(tmp_path / "bin", work)
    monkeypatch.setattr(area, "find_yosys", lambda: found)
    return runs


def synthesized(cache: Path, *, top: str = "tiny", family: str = "ecp5", text: str = ADDER):
    return synthesize(text, family=family, top=top, cache=cache)


def test_cells_become_counts(counting: Path, tmp_path: Path):
    found = synthesized(tmp_path / "cache")
    assert (found.luts, found.lut_cells, found.lut_carry, found.lut_memory) == (11, 5, 6, 0)
    assert (found.comb, found.lut_packed, found.carry, found.ff) == (11, None, 3, 2)
    assert (found.bram, found.dsp) == (0, 0)
    assert found.cells == {"CCU2C": 3, "LUT4": 5, "TRELLIS_FF": 2}  # scope notes are no cells
    assert (found.tool, found.version) == ("yosys", "0.55")


def test_a_block_counts_for_each_of_its_instances(counting: Path, tmp_path: Path):
    found = synthesized(tmp_path / "cache", top="pair", text=ADDER + PAIR)
    assert {block.name: block.count for block in found.blocks} == {"pair": 1, "tiny": 2}
    assert (found.lut_cells, found.ff, found.comb) == (11, 4, 23)
    assert found.cells == {"CCU2C": 6, "LUT4": 11, "TRELLIS_FF": 4}  # blocks are no cells


def test_the_same_block_is_synthesized_once(counting: Path, tmp_path: Path):
    first = synthesized(tmp_path / "cache")
    assert synthesized(tmp_path / "cache") == first
    synthesized(tmp_path / "cache", top="pair", text=ADDER + PAIR)
    assert counting.read_text().count("always") == 1  # the second run saw its ports alone
    synthesized(tmp_path / "cache", text=ADDER.replace("+", "-"))
    synthesized(tmp_path / "cache", family="xc7")
    assert counting.read_text().count("always") == 3


def test_a_torn_result_is_made_again(counting: Path, tmp_path: Path):
    first = synthesized(tmp_path / "cache")
    (kept,) = (tmp_path / "cache").glob("*.json")
    kept.write_text('{"luts": 1}')
    assert synthesized(tmp_path / "cache").cells == first.cells
    assert counting.read_text().count("always") == 2


def test_a_new_version_is_a_new_result(counting: Path, tmp_path: Path, monkeypatch: Any):
    synthesized(tmp_path / "cache")
    newer = fake_yosys(tmp_path / "bin", netlist(tiny=cells(LUT4=4)), version="0.60")
    monkeypatch.setattr(area, "find_yosys", lambda: newer)
    found = synthesized(tmp_path / "cache")
    assert (found.version, found.lut_cells) == ("0.60", 4)


def test_a_failure_ends_with_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    broken = fake_yosys(tmp_path / "bin", "echo 'ERROR: no such cell' > yosys.log; exit 1")
    monkeypatch.setattr(area, "find_yosys", lambda: broken)
    with pytest.raises(ToolError, match=r"exit code 1(.|\n)*yosys\.log(.|\n)*ERROR: no such cell"):
        synthesized(tmp_path / "cache", family="xc7")
    (log,) = (tmp_path / "cache").glob("*/yosys.log")
    assert "no such cell" in log.read_text()


def test_blocks_that_are_too_much_at_once_are_synthesized_apart(
    counting: Path, tmp_path: Path, monkeypatch: Any
):
    whole = synthesized(tmp_path / "whole", top="pair", text=ADDER + PAIR)
    able = area.find_yosys().binary.read_text().removeprefix("#!/bin/sh\n")
    both = "grep -q always design.v && grep -q second design.v"
    small = (
        both
        + " && {{ echo {} > yosys.log; exit 1; }}\n"
        + able.replace("{", "{{").replace("}", "}}")
    )
    full = fake_yosys(tmp_path / "full", small.format("Executing ABC9_OPS"))
    monkeypatch.setattr(area, "find_yosys", lambda: full)
    found = synthesized(tmp_path / "cache", top="pair", text=ADDER + PAIR)
    assert found.cells == whole.cells and counting.read_text().count("always") == 2
    assert not [place for place in (tmp_path / "cache").iterdir() if place.is_dir()]
    wrong = fake_yosys(tmp_path / "wrong", small.format("ERROR: no such cell"))
    monkeypatch.setattr(area, "find_yosys", lambda: wrong)
    with pytest.raises(ToolError, match="ERROR: no such cell"):
        synthesized(tmp_path / "other", top="pair", text=ADDER + PAIR)


@pytest.mark.parametrize(
    ("work", "reason"),
    [("exit 0", r"left no .*netlist\.json"), (netlist(), "ended without module tiny")],
)
def test_ending_well_without_a_result_is_a_failure(
    tmp_path: Path, monkeypatch: Any, work: str, reason: str
):
    silent = fake_yosys(tmp_path / "bin", work)
    monkeypatch.setattr(area, "find_yosys", lambda: silent)
    with pytest.raises(ToolError, match=reason):
        synthesized(tmp_path / "cache")


def test_an_unknown_family(tmp_path: Path):
    with pytest.raises(
        ConfigError, match=r"family 'xc8'.*did you mean 'xc7'.*there is: ecp5, ice40, xc7"
    ):
        synthesized(tmp_path, family="xc8")


def test_an_unknown_top(tmp_path: Path):
    with pytest.raises(ConfigError, match="the Verilog has no module huge"):
        synthesized(tmp_path, top="huge")


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(FABRICS))
def test_a_pair_of_adders_for_real(tmp_path: Path, family: str):
    found: Synthesis = synthesized(tmp_path, top="pair", family=family, text=ADDER + PAIR)
    assert found.ff == 10
    assert 8 <= found.luts <= 24
    assert (found.bram, found.dsp, found.lut_memory) == (0, 0, 0)
    (tiny,) = [block for block in found.blocks if block.name == "tiny"]
    assert tiny.count == 2 and 2 * tiny.luts == found.luts
