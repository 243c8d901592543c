"""Place and route: options, reports, what is kept, and what failures say."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flows.synth import place
from flows.synth.place import SETTINGS, Design, Placement, implement
from flows.synth.tools import Tool
from ir.errors import CapacityError, ConfigError, ToolError

ECP5, ICE40 = "LFE5U-25F-6BG256C", "iCE40HX8K-CT256"
COUNTER = """
module top(input clk, input [3:0] a, output reg [7:0] y);
  always @(posedge clk) y <= y + a;
endmodule
"""
STEP = {"from": {"cell": "a"}, "to": {"cell": "b"}}
REPORT = {
    "critical_paths": [
        {"from": "<async>", "to": "posedge clk", "path": [{"delay": 90.0, "type": "x", **STEP}]},
        {
            "from": "posedge clk",
            "to": "posedge clk",
            "path": [
                {"delay": 0.5, "type": "clk-to-q", **STEP},
                {"delay": 1.25, "type": "routing", "net": "sum", **STEP},
            ],
        },
    ],
    "fmax": {
        "clk": {"achieved": 40.0, "constraint": 50.0},
        "slow": {"achieved": 30.0, "constraint": 20.0},
    },
    "utilization": {
        "TRELLIS_COMB": {"used": 9, "available": 24288},
        "DCCA": {"used": 0, "available": 56},
    },
}


def design(part: str = ECP5, **changes: str) -> Design:
    texts = {"verilog": COUNTER, "top": "top", "part": part} | changes
    return Design(clock_mhz=50.0, **texts)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that note their arguments and leave what the real ones leave."""
    folder = tmp_path / "bin"
    folder.mkdir()
    works = {
        "yosys": "echo '{\"modules\": {}}' > netlist.json",
        "nextpnr-ecp5": f"cat > report.json << 'END'\n{json.dumps(REPORT)}\nEND\n> routed.config",
        "ecppack": "echo bits > design.bit",
    }
    for name, work in works.items():
        binary = folder / name
        binary.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/runs\n{work}\n')
        binary.chmod(0o755)

    def find(name: str) -> Tool:
        return Tool(tool=name, binary=folder / name, version="1.0")

    monkeypatch.setattr(place, "find_tool", find)
    monkeypatch.setattr(place, "find_yosys", lambda: find("yosys"))
    return tmp_path


def runs(programs: Path) -> list[str]:
    return (programs / "runs").read_text().splitlines()


def test_the_clock_that_misses_most_is_reported(programs: Path):
    found = implement(design(), cache=programs / "cache")
    assert (found.fmax_mhz, found.met) == (40.0, False)
    assert found.utilization == {"TRELLIS_COMB": {"used": 9, "available": 24288}}
    assert (found.tool, found.version, found.synthesis) == ("nextpnr-ecp5", "1.0", "yosys 1.0")
    assert found.bitstream is None
    assert found.critical_path == ["  0.50 clk-to-q b", "  1.75 routing sum"]


def test_pins_seed_and_clock_reach_nextpnr(programs: Path):
    implement(design(pins='LOCATE COMP "clk" SITE "P3";'), seed=7, cache=programs / "cache")
    (line,) = [run for run in runs(programs) if run.startswith("nextpnr")]
    settings = " ".join(SETTINGS["ecp5"])
    assert f"--25k --package CABGA256 --speed 6 {settings} --freq 50 --seed 7" in line
    assert "--lpf pins.lpf" in line and "unconstrained" not in line
    implement(design(), seed=7, cache=programs / "cache")
    assert "--lpf-allow-unconstrained" in runs(programs)[-1]


def test_netlist_and_placement_are_kept(programs: Path):
    first = implement(design(), cache=programs / "cache")
    assert implement(design(), cache=programs / "cache") == first
    implement(design(), seed=2, cache=programs / "cache")
    assert [run.split()[0] for run in runs(programs)] == ["yosys", "nextpnr-ecp5", "nextpnr-ecp5"]


def test_the_bitstream_lands_where_it_is_asked_for(programs: Path):
    target = programs / "out" / "top.bit"
    for _ in range(2):
        target.unlink(missing_ok=True)
        found = implement(design(), bitstream=target, cache=programs / "cache")
        assert found.bitstream == str(target) and target.read_text() == "bits\n"
    assert sum(run.startswith("ecppack") for run in runs(programs)) == 1


def test_a_netlist_that_other_code_changed_is_not_used_again(
    programs: Path, monkeypatch: pytest.MonkeyPatch
):
    """A mistake that is found in one of the changes leaves no netlist behind."""
    for name in ("output_registers", "inverted_resets", "nets"):
        implement(design(), cache=programs / "cache")
        known = place.source_digest

        def edited(file: str, name: str = name, known: Callable[[str], str] = known) -> str:
            return known(file) + ("'" if file == f"flows/synth/{name}.py" else "")

        monkeypatch.setattr(place, "source_digest", edited)
        implement(design(), cache=programs / "cache")
    assert sum(run.startswith("yosys") for run in runs(programs)) == 4


def test_another_packer_packs_again(programs: Path, monkeypatch: pytest.MonkeyPatch):
    find = place.find_tool
    for version in ("1.0", "1.0", "1.1"):
        packer = replace(find("ecppack"), version=version)
        tools = {"nextpnr-ecp5": find("nextpnr-ecp5"), "ecppack": packer}
        monkeypatch.setattr(place, "find_tool", tools.__getitem__)
        implement(design(), cache=programs / "cache", bitstream=programs / "top.bit")
    assert sum(run.startswith("ecppack") for run in runs(programs)) == 2


def test_a_part_that_is_too_small(programs: Path):
    log = "Info:          DP16KD:    300/    56   535%\nERROR: no more BELs\n"
    (programs / "bin" / "nextpnr-ecp5").write_text(
        f"#!/bin/sh\ncat > nextpnr.log << 'END'\n{log}END\nexit 1\n"
    )
    with pytest.raises(CapacityError, match=r"does not fit LFE5U-25F-6BG256C: DP16KD: 300 of 56"):
        implement(design(), cache=programs / "cache")


def test_a_failing_nextpnr_names_its_log(programs: Path):
    """Whatever it says of cells that are enough."""
    log = "Info:  TRELLIS_COMB:  5/24288  0%\nERROR: IO 'led' is unconstrained\n"
    (programs / "bin" / "nextpnr-ecp5").write_text(
        f"#!/bin/sh\ncat > nextpnr.log << 'END'\n{log}END\nexit 1\n"
    )
    with pytest.raises(ToolError, match=r"exit code 1(.|\n)*nextpnr\.log(.|\n)*IO 'led'"):
        implement(design(), cache=programs / "cache")


def test_what_is_refused_before_any_tool_runs():
    with pytest.raises(ConfigError, match="the Verilog has no module bottom"):
        design(top="bottom")
    with pytest.raises(ConfigError, match="clock_mhz must be positive, not 0"):
        Design(verilog=COUNTER, top="top", part=ECP5, clock_mhz=0)
    with pytest.raises(ConfigError, match="has no open flow"):
        implement(design("xc7z020clg400-1"))


@pytest.mark.slow
@pytest.mark.parametrize("part", [ECP5, ICE40])
def test_a_counter_for_real(tmp_path: Path, part: str):
    target = tmp_path / "counter.bits"
    found = implement(design(part), bitstream=target, cache=tmp_path / "cache")
    assert isinstance(found, Placement) and found.met and found.fmax_mhz > 50
    assert target.stat().st_size > 1000
