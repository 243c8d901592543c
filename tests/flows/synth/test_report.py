"""What is read in nextpnr's report."""

import json
from pathlib import Path

import pytest

from flows.synth.report import read_report
from ir.errors import ConfigError


@pytest.mark.parametrize(("achieved", "met"), [(62.4951, False), (62.5, True), (62.504, True)])
def test_a_clock_is_judged_before_it_is_rounded(achieved: float, met: bool, tmp_path: Path) -> None:
    clock = {"achieved": achieved, "constraint": 62.5}
    place = tmp_path / "report.json"
    place.write_text(json.dumps({"fmax": {"clk": clock}, "utilization": {}}))
    found = read_report(place)
    assert (found["met"], found["fmax_mhz"]) == (met, 62.5)
    assert found["clocks"] == {"clk": {"achieved": 62.5, "constraint": 62.5}}


def test_a_design_without_a_clock(tmp_path: Path) -> None:
    place = tmp_path / "report.json"
    place.write_text('{"fmax": {}, "utilization": {}}')
    with pytest.raises(ConfigError, match="there is no clock to measure"):
        read_report(place)
