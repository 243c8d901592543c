"""Synthesis: which yosys, what is counted, what is kept, and what its failures say."""

from pathlib import Path
from typing import Any

import pytest

from flows.synth import area
from flows.synth.area import FABRICS, Synthesis, synthesize
from flows.synth.tools import Tool
from ir.errors import ConfigError, ToolError

ADDER = """
module tiny(input clk, input [3:0] a, b, output reg [4:0] y);
  always @(posedge clk) y <= a + b;
endmodule
"""
FAKE_STAT = '{"modules": {"\\\\tiny": {"num_cells_by_type": {"LUT4": 5, "CCU2C": 3, "$x": 1}}}}'


def fake_yosys(folder: Path, work: str, version: str = "0.55") -> Tool:
    """A program that does `work` where a yosys would synthesize."""
    folder.mkdir(exist_ok=True)
    binary = folder / "yosys"
    answer = f'if [ "$1" = --version ]; then echo "Yosys {version} (fake)"; exit; fi'
    binary.write_text(f"#!/bin/sh\n{answer}\n{work}\n")
    binary.chmod(0o755)
    return Tool(tool="yosys", binary=binary, version=version)


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """yosys as a program that notes each run in a file and leaves FAKE_STAT."""
    runs = tmp_path / "runs"
    work = f"echo run >> {runs}; cat > stat.json << 'END'\n{FAKE_STAT}\nEND"
    found = fake_yosys(tmp_path / "bin", work)
    monkeypatch.setattr(area, "find_yosys", lambda: found)
    return runs


def tiny(family: str, cache: Path, verilog: str = ADDER) -> Synthesis:
    return synthesize(verilog, family=family, top="tiny", cache=cache)


def test_cells_become_counts(counting: Path, tmp_path: Path):
    found = tiny("ecp5", tmp_path / "cache")
    assert (found.luts, found.lut_cells, found.lut_carry, found.lut_memory) == (11, 5, 6, 0)
    assert (found.carry, found.ff, found.bram, found.dsp) == (3, 0, 0, 0)
    assert found.cells == {"LUT4": 5, "CCU2C": 3}  # scope notes are no cells
    assert (found.tool, found.version) == ("yosys", "0.55")


def test_the_same_text_is_synthesized_once(counting: Path, tmp_path: Path):
    first = tiny("ecp5", tmp_path / "cache")
    assert tiny("ecp5", tmp_path / "cache") == first
    assert counting.read_text().count("run") == 1
    tiny("ecp5", tmp_path / "cache", ADDER + "// changed\n")
    tiny("xc7", tmp_path / "cache")
    assert counting.read_text().count("run") == 3


def test_a_torn_result_is_made_again(counting: Path, tmp_path: Path):
    first = tiny("ecp5", tmp_path / "cache")
    (kept,) = (tmp_path / "cache").glob("*.json")
    kept.write_text('{"luts": 1}')
    assert tiny("ecp5", tmp_path / "cache").cells == first.cells
    assert counting.read_text().count("run") == 2


def test_a_new_version_is_a_new_result(counting: Path, tmp_path: Path, monkeypatch: Any):
    tiny("ecp5", tmp_path / "cache")
    work = f"cat > stat.json << 'END'\n{FAKE_STAT}\nEND"
    newer = fake_yosys(tmp_path / "bin", work, version="0.60")
    monkeypatch.setattr(area, "find_yosys", lambda: newer)
    assert tiny("ecp5", tmp_path / "cache").version == "0.60"


def test_a_failure_ends_with_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    broken = fake_yosys(tmp_path / "bin", "echo 'ERROR: no such cell' > yosys.log; exit 1")
    monkeypatch.setattr(area, "find_yosys", lambda: broken)
    with pytest.raises(ToolError, match=r"exit code 1(.|\n)*yosys\.log(.|\n)*ERROR: no such cell"):
        tiny("xc7", tmp_path / "cache")
    (log,) = (tmp_path / "cache").glob("*/yosys.log")
    assert "no such cell" in log.read_text()


def test_ending_well_without_a_count_is_a_failure(tmp_path: Path, monkeypatch: Any):
    silent = fake_yosys(tmp_path / "bin", "exit 0")
    monkeypatch.setattr(area, "find_yosys", lambda: silent)
    with pytest.raises(ToolError, match=r"left no .*stat\.json"):
        tiny("xc7", tmp_path / "cache")


def test_an_unknown_family(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"family 'xc8'.*did you mean 'xc7'.*there is: ecp5, xc7"):
        tiny("xc8", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(FABRICS))
def test_a_small_adder_for_real(tmp_path: Path, family: str):
    found = tiny(family, tmp_path)
    assert found.ff == 5
    assert 4 <= found.luts <= 12
    assert (found.bram, found.dsp, found.lut_memory) == (0, 0, 0)
