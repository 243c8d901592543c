"""A network of one's own in one call; the example is run as it stands."""

import os
import runpy
from pathlib import Path

import pytest
import torch
from torch import nn

from flows.module_run import accelerate
from ir.errors import ConfigError, UnsupportedModelError

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "own_network.py"


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
