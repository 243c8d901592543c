"""The resource model: its parts, its data files, and how near it comes to what was measured."""

from dataclasses import replace
from pathlib import Path

import pytest

from codegen import resources
from codegen.quantities import STAGES, quantities
from codegen.resources import (
    Coefficients,
    dsps,
    families,
    load_coefficients,
    predict_resources,
)
from hw.config import OverlayConfig
from hw.fabric import find_fabric
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from ir.errors import ConfigError
from ir.files import write_text
from ir.plugins import load

CONFIG = BitSerial(dm=4, dk=16, dn=3, acc_bits=20, requant_lanes=2)
FAMILIES = ("ecp5", "xc7")
NEAR = {
    "ecp5": {"luts": (0.05, 0.12), "ff": (0.02, 0.11)},
    "xc7": {"luts": (0.05, 0.12), "ff": (0.03, 0.22)},
}
"""(mean, largest) error on held-out overlays: of LUTs what must be, of FFs what was seen and a
little."""


def model(luts: dict[str, float], ff: dict[str, float]) -> Coefficients:
    return Coefficients(
        family="xc7",
        tool="t",
        version="0",
        hardware="h",
        luts=luts,
        ff=ff,
        errors={},
        overlays=(),
    )


def tables(family: str, lanes: int, p: int, q: int) -> int:
    size = find_fabric(family).lanes.size(lanes, p, q)
    assert size is not None
    return size.tables


def test_stages_count_what_they_have():
    found = quantities(CONFIG, "xc7")
    assert {part.partition(".")[0] for part in found} == set(STAGES)
    assert found["array.unit"] == 5 * 3
    assert found["array.tables"] == 5 * 3 * tables("xc7", 16, 1, 1)
    assert found["array.wide_unit"] == 0
    assert found["operands.rotator"] == 16 * 3 * 2
    assert found["operands.part"] == 16 * 3
    assert found["unpacker.shift"] == 64 * 3 and found["unpacker.held"] == 64
    assert found["result.select"] == 20 * 2
    assert found["ring.choice"] == 16 * 7
    wide = quantities(BitSlice(dm=4, dk=16, dn=3, p=2, q=4, acc_bits=20), "xc7")
    assert wide["array.tables"] == 4 * 3 * tables("xc7", 16, 2, 4)
    assert wide["array.wide_unit"] == 4 * 3


@pytest.mark.parametrize("family", FAMILIES)
def test_an_overlay_is_counted_in_the_cells_of_the_family(family: str):
    """A simulation's board has the portable fabric, and is told what the xc7's would take."""
    lean, wide = (BitSlice(dm=2, dk=dk, dn=2, p=8, q=8, acc_bits=20) for dk in (8, 32))
    assert predict_resources(wide, family) == predict_resources(
        replace(wide, fabric=family), family
    )
    grown = predict_resources(wide, family).luts - predict_resources(lean, family).luts
    assert grown > 0.8 * 4 * (tables(family, 32, 8, 8) - tables(family, 8, 8, 8))


def test_the_prediction_is_a_weighed_sum():
    ff = {"array.fixed": 7.0}
    bare = predict_resources(CONFIG, "xc7", model({}, ff))
    weighed = {"array.fixed": 1000.0, "array.unit": 10.0}
    found = predict_resources(CONFIG, "xc7", model(weighed, ff))
    assert found.luts - bare.luts == 1000 + 5 * 3 * 10
    assert found.ff == 7


@pytest.mark.parametrize(("acc_bits", "wide"), [(15, 1), (16, 1), (17, 2), (32, 2)])
def test_dsps_follow_the_accumulator(acc_bits: int, wide: int):
    config = replace(CONFIG, acc_bits=acc_bits)
    assert dsps(config, "ecp5") == 2 * wide


@pytest.mark.parametrize(("acc_bits", "wide"), [(16, 1), (23, 1), (24, 2), (32, 2)])
def test_dsps_of_the_xc7_are_wider(acc_bits: int, wide: int):
    assert dsps(replace(CONFIG, acc_bits=acc_bits), "xc7") == 2 * wide


@pytest.mark.parametrize("family", FAMILIES)
def test_the_data_files_reproduce_their_own_predictions(family: str):
    fit = load_coefficients(family)
    assert fit.hardware and len(fit.overlays) >= 60
    for row in fit.overlays:
        style = load("hw/overlays", row["style"], OverlayConfig)
        predicted = predict_resources(style(**row["config"]), family).as_dict()
        assert predicted == row["predicted"]


@pytest.mark.parametrize("family", FAMILIES)
def test_block_rams_and_dsps_equal_every_synthesis(family: str):
    rows = load_coefficients(family).overlays
    for row in rows:
        for name in ("bram", "dsp"):
            assert row["predicted"][name] == row["measured"][name], row["config"]


@pytest.mark.parametrize("family", FAMILIES)
def test_luts_and_ffs_of_held_out_overlays_are_near(family: str):
    held_out = [row for row in load_coefficients(family).overlays if row["held_out"]]
    assert len(held_out) >= 30
    for name, (mean, largest) in NEAR[family].items():
        errors = [abs(r["predicted"][name] / r["measured"][name] - 1) for r in held_out]
        assert sum(errors) / len(errors) <= mean
        assert max(errors) <= largest
        recorded = load_coefficients(family).errors[name]["held_out"]
        assert recorded["max"] == pytest.approx(max(errors), abs=1e-4)


def test_every_larger_array_takes_more():
    base = replace(CONFIG, dm=8)
    small = predict_resources(base, "xc7")
    for larger in ({"dm": 16}, {"dn": 6}, {"dk": 64}, {"acc_bits": 30}, {"requant_lanes": 4}):
        found = predict_resources(replace(base, **larger), "xc7")
        assert found.luts > small.luts, larger
        assert found.ff > small.ff, larger


@pytest.mark.parametrize(
    ("family", "model"), [("simulation", "xc7"), ("xcup", "xc7"), ("ice40", "ecp5")]
)
def test_families_that_are_counted_as_another(family: str, model: str):
    assert predict_resources(CONFIG, family) == predict_resources(CONFIG, model)


def test_a_family_without_a_model():
    assert families() == ["ecp5", "xc7"]
    message = "no resource model for family 'max10'.*there is: ecp5, xc7"
    with pytest.raises(ConfigError, match=message):
        load_coefficients("max10")


def test_a_broken_data_file_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_text(tmp_path / "xc9.json", '{"overlays": [], "family": "xc9"}')
    monkeypatch.setattr(resources, "FOLDER", tmp_path)
    with pytest.raises(ConfigError, match=r"xc9\.json is no resource model; run make characterize"):
        load_coefficients("xc9")
