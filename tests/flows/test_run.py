"""`bitwright run`: what it refuses, and a run's folder on simulated devices."""

import json
from pathlib import Path

import numpy as np
import pytest

from flows import artifacts, cocotb_run, run
from flows.build import GRAPH, OVERLAY_CONFIG, VERILOG, publish_hardware
from flows.cli import main
from flows.driver import live
from flows.driver.device import Outcome
from flows.hardware import Sized
from flows.project import load_project
from flows.run_folder import CONFIG, RunFolder, file_digest, resolved
from hw.overlays.bit_serial import BitSerial
from ir.errors import MismatchError
from ir.files import read_json, read_text, to_json, write_json, write_text
from ir.graph_file import graph_to_dict
from tests.codegen.networks import mlp

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


@pytest.fixture
def folder(desk: Path) -> Path:
    """What a run leaves of a network with random weights, as far as `run` reads it."""
    graph = mlp(width=3, bits=2)
    config = BitSerial(
        dm=1, dk=8, dn=1, lhs_depth=256, rhs_depth=256, ring_depth=32, table_depth=64
    )
    place = desk / "given"
    write_text(place / CONFIG, resolved(load_project(Path("small.yaml"))))
    write_json(place / GRAPH, graph_to_dict(graph))
    sized = Sized(config=config, resources={}, limit="")
    publish_hardware(RunFolder(path=place), graph, sized, np.zeros((1, 8, 8), np.int64))
    return place


def put_in(folder: Path, name: str, text: str) -> None:
    """Another file, with its digest where the folder keeps those of its files."""
    write_text(folder / name, text)
    entries = read_json(folder / artifacts.FILE)
    entries["hw"]["files"][name] = file_digest(folder / name)
    write_json(folder / artifacts.FILE, entries)


@pytest.mark.parametrize("link", ["harness", "cocotb"])
def test_verilog_of_others_is_not_compiled(
    folder: Path, capsys: Capture, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verilator would compile and run what stands in $c."""
    for builder in (live, cocotb_run):
        monkeypatch.setattr(builder, "build", lambda *_, **__: pytest.fail("compiled"))
    text = read_text(folder / VERILOG)
    put_in(
        folder, VERILOG, text.replace("endmodule", 'initial $c("system(\\"id\\");"); endmodule', 1)
    )
    assert main(["run", "given", "--link", link]) == 2
    error = capsys.readouterr().err
    assert "given/hw/overlay.v is not what this version makes of hw/overlay.config.json" in error


def test_an_overlay_of_another_version_is_told(folder: Path, capsys: Capture) -> None:
    sizes = read_json(folder / OVERLAY_CONFIG)
    put_in(folder, OVERLAY_CONFIG, to_json(sizes | {"ports": 2}))
    assert main(["run", "given", "--link", "harness"]) == 2
    error = capsys.readouterr().err
    assert "hw/overlay.config.json is no overlay of this version" in error and "'ports'" in error


@pytest.mark.slow
def test_a_folder_from_elsewhere_runs(folder: Path, capsys: Capture) -> None:
    assert main(["run", "given", "--images", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bit_exact"]


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
