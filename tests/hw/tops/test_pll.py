"""Dividers that are exact and within what the parts allow."""

import pytest

from hw.tops.pll import ECP5_VCO_HZ, ICE40_VCO_HZ, ecp5_dividers, ice40_dividers
from ir.errors import ConfigError


@pytest.mark.parametrize(
    ("source", "wanted"),
    [(25e6, 50e6), (25e6, 62.5e6), (48e6, 60e6), (12e6, 48e6), (25e6, 112.5e6), (25e6, 37.5e6)],
)
def test_ecp5_dividers(source: float, wanted: float) -> None:
    found = ecp5_dividers(source, wanted)
    assert source * found.feedback / found.reference == pytest.approx(wanted)
    assert ECP5_VCO_HZ[0] <= wanted * found.output <= ECP5_VCO_HZ[1]
    assert source / found.reference >= 10e6


@pytest.mark.parametrize(
    ("source", "wanted", "parts"),
    [(12e6, 24e6, (0, 63, 5)), (12e6, 48e6, (0, 63, 4)), (12e6, 30e6, (0, 79, 5))],
)
def test_ice40_dividers(source: float, wanted: float, parts: tuple[int, int, int]) -> None:
    found = ice40_dividers(source, wanted)
    assert (found.divr, found.divf, found.divq) == parts
    vco = source * (found.divf + 1) / (found.divr + 1)
    assert ICE40_VCO_HZ[0] <= vco <= ICE40_VCO_HZ[1]
    assert vco / 2**found.divq == pytest.approx(wanted)
    assert found.filter_range == 1  # 12 MHz at the phase detector


@pytest.mark.parametrize("wanted", [1e6, 500e6, 33.333e6])
def test_what_cannot_be_made_exactly_is_refused(wanted: float) -> None:
    with pytest.raises(ConfigError, match="no ECP5 PLL makes .* MHz of 25 MHz"):
        ecp5_dividers(25e6, wanted)
    with pytest.raises(ConfigError, match="no iCE40 PLL makes .* MHz of 12 MHz"):
        ice40_dividers(12e6, wanted)
