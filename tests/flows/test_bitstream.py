"""`bitwright bitstream`: what it refuses before any training, and what timing decides."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from boards.loader import board_names, load_board
from flows import bitstream
from flows.cli import main
from flows.synth import Design, Placement
from ir.errors import CapacityError
from ir.files import write_bytes

Capture = pytest.CaptureFixture[str]
BOARD = "board=ulx3s_85f"
LUTS = "overlay.luts=12000"
PLACED = Placement(
    part="LFE5U-85F-6BG381C",
    seed=1,
    fmax_mhz=60.0,
    met=True,
    clocks={"clk": {"achieved": 60.0, "constraint": 50.0}},
    utilization={"TRELLIS_COMB": {"used": 9000, "available": 83640}},
    bitstream=None,
    tool="nextpnr-ecp5",
    version="0.11",
    synthesis="yosys 0.70",
    seconds=1.0,
)


@pytest.mark.parametrize(
    ("board", "code", "message"),
    [
        ("sim", 2, "board sim: part none has no open flow (toolchain none); `bitwright export`"),
        ("kv260", 2, "board kv260: part xck26-sfvc784-2LV-c has no open flow (toolchain vivado)"),
        ("nexys", 2, "unknown board 'nexys'; there is: arty_a7_100, "),
    ],
)
def test_boards_without_an_open_flow(
    desk: Path, capsys: Capture, board: str, code: int, message: str
) -> None:
    assert main(["bitstream", "small.yaml", "--set", f"board={board}"]) == code
    assert message in capsys.readouterr().err
    assert list((desk / "build").iterdir()) == [desk / "build" / "cache"], "nothing was trained"


def test_a_tool_that_is_missing(
    desk: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.synth.tools.shutil.which", lambda name: None)
    monkeypatch.setattr("flows.synth.tools.sysconfig.get_path", lambda name: "/nowhere")
    assert main(["bitstream", "small.yaml", "--set", BOARD]) == 3
    assert "is not installed in this environment" in capsys.readouterr().err


def test_no_seeds(desk: Path, capsys: Capture) -> None:
    assert main(["bitstream", "small.yaml", "--set", BOARD, "--seeds", "0"]) == 2
    assert "--seeds must be at least 1, not 0" in capsys.readouterr().err


def test_a_board_that_is_too_small(desk: Path, capsys: Capture) -> None:
    chosen = ["--set", "board=ice40_hx8k_evn", "--set", "overlay.luts=null"]
    assert main(["bitstream", "small.yaml", *chosen]) == 2
    error = capsys.readouterr().err
    assert "no overlay fits: the smallest needs " in error
    assert " DSPs; the budget has 5,980, 7,680, 3 and 0" in error
    assert error.rstrip().endswith("(predicted by the model of ecp5, which stands for ice40)")


def test_the_budget_is_the_boards_and_not_the_dies() -> None:
    """The tools place an LFE5U-12F as the 25F whose die it is."""
    board = load_board("ulx3s_12f")
    used = {"TRELLIS_COMB": 12_000, "TRELLIS_FF": 9000, "DP16KD": 32, "TRELLIS_IO": 40_000}
    placed = {name: {"used": count, "available": 24_288} for name, count in used.items()}
    assert bitstream.over_budget(board, placed) == []
    more = placed | {name: {"used": 12_001, "available": 24_288} for name in used}
    assert bitstream.over_budget(board, more) == [
        "TRELLIS_COMB: 12001 of 12000 (budget.luts)",
        "TRELLIS_FF: 12001 of 12000 (budget.ffs)",
        "DP16KD: 12001 of 32 (budget.bram_blocks)",
    ]


@pytest.mark.parametrize("name", [n for n in board_names() if load_board(n).has_open_flow])
def test_every_cell_of_a_budget_is_counted(name: str) -> None:
    board = load_board(name)
    cells = bitstream.PLACED[board.family]
    large = {cell: {"used": 10**6, "available": 10**6} for cell in cells.values()}
    assert len(bitstream.over_budget(board, large)) == len(cells)
    assert set(cells) >= {"luts", "bram_blocks", "dsps"}


@pytest.mark.slow
def test_the_first_placement_that_is_fast_enough(
    desk: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[Any] = []
    used = {"TRELLIS_COMB": {"used": 9000, "available": 83640}}

    def implement(design: Design, *, seed: int, bitstream: Path) -> Placement:
        assert design.top == "bitwright_board" and "module bitwright_overlay(" in design.verilog
        assert 'LOCATE COMP "uart_rx" SITE "M1";' in design.pins
        slack = reached.pop(0)
        if isinstance(slack, Exception):
            raise slack
        speed = design.clock_mhz + slack
        write_bytes(bitstream, b"bits")
        facts = {"seed": seed, "fmax_mhz": speed, "bitstream": str(bitstream)}
        placed = replace(PLACED, **facts, utilization=dict(used))
        return replace(placed, met=slack >= 0)

    monkeypatch.setattr(bitstream, "implement", implement)
    command = ["bitstream", "small.yaml", "--set", BOARD, "--set", LUTS, "--seeds", "3", "--json"]
    reached[:] = [-1.0, 1.0, 50.0]  # MHz beyond the board's clock
    assert main(command) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["seed"], result["fmax_mhz"], result["clock_mhz"]) == (2, 63.5, 62.5)
    file, report = map(Path, result["files"])
    assert file.read_bytes() == b"bits" and file.name == "ulx3s_85f.bit"
    assert json.loads(report.read_text())["utilization"] == PLACED.utilization

    reached[:] = [-9.0, -4.0, -5.0]
    assert main(command) == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["ok"], result["seed"], result["bitstream"]) == (False, 2, None)
    assert not file.exists(), "a bitstream that misses its clock is none"

    file.write_bytes(b"of an earlier run")
    reached[:] = [CapacityError("the design does not fit LFE5U-85F-6BG381C: TRELLIS_COMB: 9 of 8")]
    assert main(command) == 2
    assert "does not fit LFE5U-85F-6BG381C: TRELLIS_COMB: 9 of 8" in capsys.readouterr().out
    assert not file.exists() and not report.exists(), "nothing is said of an earlier run"

    used["DP16KD"] = {"used": 209, "available": 300}
    reached[:] = [1.0]
    assert main(command) == 2
    error = capsys.readouterr().out
    assert "does not fit board ulx3s_85f: DP16KD: 209 of 208 (budget.bram_blocks)" in error
    assert not file.exists() and str(report) in error
    facts = json.loads(report.read_text())
    assert (facts["ok"], facts["met"], facts["bitstream"]) == (False, True, None)
