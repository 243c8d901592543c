"""The clock model that lies in the data files, against the placements behind it."""

import pytest

from codegen.clock_model import clock_families, load_clock_model, predict_clock_mhz
from hw.config import OverlayConfig
from ir.errors import ConfigError
from ir.plugins import load

FARTHEST = 0.15
CELLS = 10_000


def test_the_data_file_reproduces_its_own_predictions():
    assert clock_families() == ["ecp5"]
    model = load_clock_model("ecp5")
    for row in model.overlays:
        style = load("hw/overlays", row["style"], OverlayConfig)
        predicted = predict_clock_mhz(style(**row["config"]), "ecp5")
        assert round(predicted, 2) == row["predicted_mhz"]


def test_held_out_placements_are_near():
    model = load_clock_model("ecp5")
    held_out = [row for row in model.overlays if row["held_out"]]
    assert len(held_out) >= 6
    assert max(row["cells"] for row in held_out) < CELLS
    errors = [abs(row["predicted_mhz"] / row["fmax_mhz"] - 1) for row in held_out]
    assert max(errors) <= FARTHEST
    assert model.errors["held_out"]["max"] == pytest.approx(max(errors), abs=1e-4)


def test_a_family_that_no_open_tool_places_has_none():
    with pytest.raises(ConfigError, match=r"no clock model for family 'xc7'; there is: ecp5"):
        load_clock_model("xc7")
