"""A network of one's own in one call; the example is run as it stands."""

import os
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from codegen.frontend.torch_qonnx import Bits
from flows.module_run import accelerate
from ir.errors import ConfigError, UnsupportedModelError
from ir.golden import execute
from quant.train import inputs_of

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EXAMPLE = EXAMPLES / "own_network.py"
TRAINED = EXAMPLES / "train_own_network.py"


@pytest.mark.slow
def test_the_example(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    variables = runpy.run_path(str(EXAMPLE))
    report = variables["report"]
    assert report["reference_equal"] is True and report["rtl_bit_exact"] is True
    assert report["measured"] == report["predicted"] > report["lower_bound"]
    assert (Path(report["run"]) / "report/summary.json").is_file()
    assert f"{report['measured']} cycles an image" in capsys.readouterr().out
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and line[0].islower()]
    calls = [line for line in lines if not line.startswith(("import", "from", "torch.manual"))]
    assert len(calls) <= 5


@pytest.mark.slow
def test_the_example_that_trains(desk: Path) -> None:
    """A module of one's own: torch == golden on every test image, RTL == golden on four."""
    variables = runpy.run_path(str(TRAINED))
    report, net, data = (variables[name] for name in ("report", "integers", "data"))
    assert report["reference_equal"] is True and report["rtl_bit_exact"] is True
    assert report["inputs"] == 4 and report["measured"] == report["predicted"]
    codes = execute(net.graph, data.test.images.astype(np.int64))
    found = net.activations(inputs_of(data.test))
    assert all(np.array_equal(found[name], values) for name, values in codes.items())
    assert {layer["name"] for layer in report["layers"]} > {"deep.0", "wide", "add", "peak", "mean"}
    float_accuracy, quantized, integer = variables["accuracy"]
    assert integer == pytest.approx(quantized, abs=0.01) and quantized > float_accuracy - 0.03
    with pytest.raises(ConfigError, match="bits are of a float module"):
        accelerate(net, inputs_of(data.test), bits=Bits())


def test_without_simulation_it_is_compiled(desk: Path) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))
    found = accelerate(net, torch.rand(9, 1, 4, 4), name="own", inputs=0)
    assert found["name"] == "own" and found["cycles"]["predicted"] > 0
    assert os.path.isfile(desk / found["run"] / "hw/overlay.v")


def test_what_cannot_be_taken_writes_nothing(desk: Path) -> None:
    before = sorted(desk.rglob("*"))
    with pytest.raises(UnsupportedModelError, match="the overlay cannot compute"):
        accelerate(nn.Sequential(nn.Linear(4, 4), nn.GELU()), torch.rand(3, 4))
    with pytest.raises(ConfigError, match="name must be letters"):
        accelerate(nn.Linear(4, 4), torch.rand(3, 4), name="../x")
    assert sorted(desk.rglob("*")) == before
