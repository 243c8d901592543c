"""`bitwright run`: what it refuses, and a run's folder on simulated devices."""

import json
from pathlib import Path

import numpy as np
import pytest

from flows import run
from flows.cli import main
from flows.driver.device import Outcome
from ir.errors import MismatchError

Capture = pytest.CaptureFixture[str]
BOARD = "board=ulx3s_85f"
LUTS = "overlay.luts=12000"


@pytest.mark.parametrize("link", ["", "uart:", "harness:1", "usb:1", "/dev/ttyUSB0"])
def test_links_that_there_are_not(desk: Path, capsys: Capture, link: str) -> None:
    assert main(["run", "small.yaml", f"--link={link}"]) == 2
    error = capsys.readouterr().err
    assert f"--link must be harness, cocotb, uart or uart:PORT, not '{link}'" in error


def test_a_serial_line_without_a_port_is_a_simulated_boards() -> None:
    assert run.parse_link("uart") == run.parse_link("uart:sim") == ("uart", "sim")
    assert run.parse_link("uart:/dev/ttyUSB0") == ("uart", "/dev/ttyUSB0")


@pytest.mark.parametrize("link", ["uart", "uart:/dev/ttyUSB0"])
def test_a_board_without_a_serial_link_is_named_before_anything_is_trained(
    desk: Path, capsys: Capture, link: str
) -> None:
    assert main(["run", "small.yaml", "--link", link]) == 2
    error = capsys.readouterr().err
    assert "board sim has no serial host link; choose one that has: colorl" in error
    assert list((desk / "build").iterdir()) == [desk / "build" / "cache"]


def test_no_images(desk: Path, capsys: Capture) -> None:
    assert main(["run", "small.yaml", "--images", "0"]) == 2
    assert "--images must be at least 1, not 0" in capsys.readouterr().err


def test_a_folder_that_is_no_run(desk: Path, capsys: Capture) -> None:
    (desk / "empty").mkdir()
    assert main(["run", "empty"]) == 2
    assert "empty is not the whole folder of a run: `bitwright compile" in capsys.readouterr().err
    assert main(["run", "empty", "--set", "seed=1"]) == 2
    assert "--set does not change empty: give the config instead" in capsys.readouterr().err


def outcome(codes: np.ndarray, cycles: int) -> Outcome:
    return Outcome(codes=codes, cycles=cycles, counters={"CYCLES": cycles})


class Layer:
    name = "fc"


class Network:
    layers = (Layer(),)


def test_the_first_difference_is_named() -> None:
    golden = np.arange(6).reshape(2, 3, 1, 1)
    right = [outcome(codes, 10) for codes in golden]
    run._compare(right, golden, Network(), 10)  # type: ignore[arg-type]
    wrong = golden.copy()
    wrong[1, 2] = 9
    found = [outcome(codes, 10) for codes in wrong]
    with pytest.raises(MismatchError, match=r"image 1 must give 5, not 9 \(at layer fc, element"):
        run._compare(found, golden, Network(), 10)  # type: ignore[arg-type]
    with pytest.raises(MismatchError, match="image 0: 10 cycles, predicted 11"):
        run._compare(right, golden, Network(), 11)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_network_runs_over_every_link(desk: Path, capsys: Capture) -> None:
    assert main(["compile", "small.yaml"]) == 0
    latest = str(desk / "build" / "small" / "latest")
    assert main(["run", latest, "--link", "uart"]) == 2
    assert (
        "board sim has no serial host link; choose one that has: colorl" in capsys.readouterr().err
    )
    command = ["run", "small.yaml", "--set", BOARD, "--set", LUTS, "--images", "3", "--json"]
    assert main(command) == 0
    first = json.loads(capsys.readouterr().out)
    for link in ("uart:sim", "cocotb"):
        assert main(["run", latest, "--link", link, "--images", "3", "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["bit_exact"] and result["board"] == "ulx3s_85f"
        for name in ("cycles", "classes", "counters"):
            assert result[name] == first[name]
        assert result["cycles"]["measured"] == result["cycles"]["predicted"]
    assert main(["run", latest, "--link", "uart:/dev/nothing"]) == 2
    assert "cannot open port /dev/nothing" in capsys.readouterr().err
    (Path(latest) / "hw" / "overlay.v").write_text("module damaged; endmodule")
    assert main(["run", latest]) == 2
    assert "is not the whole folder of a run" in capsys.readouterr().err
