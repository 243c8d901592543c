"""`bitwright size`: an untrained network within a board's budget, and what it refuses."""

import json
from pathlib import Path

import pytest

from boards.loader import load_board
from flows import size
from flows.cli import main
from flows.hardware import budget_of
from flows.project import OverlayBudget, load_project
from flows.run_folder import CONFIG, resolved

Capture = pytest.CaptureFixture[str]
AUTO = ("overlay.style=auto",)
SMALLER = ("overlay.luts=7500",)
LARGER = ("overlay.luts=12000",)


@pytest.fixture
def plan(desk: Path) -> Path:
    """A plan as a run leaves it: its config lies beside its folder."""
    (desk / "run" / "model").mkdir(parents=True)
    (desk / "run" / CONFIG).write_text(resolved(load_project(Path("small.yaml"))))
    layers = {"fc1": {"w_bits": 2, "a_bits": 5}, "fc2": {"w_bits": 2, "a_bits": 2}}
    place = desk / "run" / "model" / "plan.json"
    place.write_text(json.dumps(layers))
    return place


def test_a_config_is_sized_at_its_widest_choice(desk: Path) -> None:
    found = size.run(Path("small.yaml"), SMALLER)
    assert {bits["w_bits"] for bits in found["plan"].values()} == {8}
    assert found["resources"]["luts"] <= found["resources"]["budget"]["luts"] == 7500
    inside = [point for point in found["pareto"] if point["luts"] <= 7500]
    assert inside[-1]["cycles"] == found["cycles"]["predicted"]
    assert found["microseconds"] == found["cycles"]["predicted"] / 100  # at 100 MHz
    used = found["resources"]["luts"]
    assert found["limit"].startswith(f"LUT: {used:,} of the config's overlay.luts 7,500; ")


def test_a_plan_is_sized_at_its_own_widths(plan: Path) -> None:
    narrow, wide = size.run(plan), size.run(Path("small.yaml"))
    assert narrow["plan"]["fc2"] == {"w_bits": 2, "a_bits": 2}
    assert narrow["cycles"]["predicted"] < wide["cycles"]["predicted"]


def test_a_board_and_a_budget_of_ones_own(desk: Path) -> None:
    found = size.run(Path("small.yaml"), LARGER, board="arty_a7_100")
    assert found["board"] == "arty_a7_100"
    assert found["config"]["fabric"] == "xc7"
    assert found["resources"]["family"] == "xc7"
    assert found["resources"]["budget"]["luts"] == 12_000


def test_all_styles_are_searched_when_asked(plan: Path) -> None:
    serial, found = size.run(plan), size.run(plan, AUTO)
    assert found["cycles"]["predicted"] < serial["cycles"]["predicted"]
    assert found["overlay"]["p"] * found["overlay"]["q"] > 1
    assert len({point["digits"] for point in found["pareto"]}) > 1
    fixed = size.run(plan, (*AUTO, "overlay.digits=2x2"))
    assert {point["digits"] for point in fixed["pareto"]} == {"2x2"}
    assert {point["style"] for point in fixed["pareto"]} == {"bit_slice"}


def test_the_budget_is_the_boards_or_the_configs() -> None:
    board = load_board("ulx3s_12f")
    whole = budget_of(OverlayBudget(luts=50_000), board)
    assert whole.as_dict() == {"luts": 10_500, "ff": 12_000, "bram": 23, "dsp": 28}
    assert whole.keys == {}
    part = budget_of(OverlayBudget(luts=9000, bram_blocks=4), board)
    assert (part.luts, part.bram) == (9000, 4)
    assert part.keys == {"luts": "overlay.luts", "bram": "overlay.bram_blocks"}
    halves = budget_of(OverlayBudget(), load_board("ice40_hx8k_evn"))
    assert halves.bram == 15 * 4096 // 18432  # blocks of 18 Kbit


def test_the_command_line(desk: Path, capsys: Capture) -> None:
    assert main(["size", "small.yaml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main(["size", "small.yaml"]) == 0
    text = capsys.readouterr().out
    assert f"{found['cycles']['predicted']:,} cycles an image" in text
    assert f"limit: {found['limit']}" in text
    assert "DSPs: predicted by the model of xc7\n" in text
    assert found["pareto"][0]["array"] in text


def test_what_does_not_fit(desk: Path, capsys: Capture) -> None:
    assert main(["size", "small.yaml", "--board", "icebreaker"]) == 2
    assert "no overlay fits: the smallest needs" in capsys.readouterr().err


def test_a_network_that_the_boards_memory_does_not_hold(desk: Path, capsys: Capture) -> None:
    wide = ["--set", "network.width=256", "--set", "overlay.luts=10500", "--board", "ulx3s_12f"]
    for verb in ("size", "compile"):
        assert main([verb, "small.yaml", *wide]) == 2
        assert "bytes of memory, the board has 16384; take narrower" in capsys.readouterr().err
    found = size.run(Path("small.yaml"), LARGER, board="ulx3s_85f")
    assert 0 < found["memory"]["needs"] < found["memory"]["has"] == 131_072


def test_a_board_that_there_is_not(desk: Path, capsys: Capture) -> None:
    assert main(["size", "small.yaml", "--board", "ulx3s"]) == 2
    assert "unknown board 'ulx3s'" in capsys.readouterr().err


def test_a_plan_without_its_run(plan: Path, capsys: Capture) -> None:
    alone = plan.parents[2] / "plan.json"
    alone.write_bytes(plan.read_bytes())
    assert main(["size", "/plan.json"]) == 2
    assert "/plan.json must lie in the model/ of a run" in capsys.readouterr().err
    assert main(["size", str(alone)]) == 2
    assert "plan.json must lie in the model/ of a run, whose config.resolved.yaml" in (
        capsys.readouterr().err
    )


def test_a_plan_of_another_network(plan: Path, capsys: Capture) -> None:
    plan.write_text('{"conv": {"w_bits": 2, "a_bits": 2}}')
    assert main(["size", str(plan)]) == 2
    assert "conv" in capsys.readouterr().err
