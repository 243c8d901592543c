"""Dividers that are exact and within what the parts allow, and the cell that has them."""

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
from amaranth.back import verilog
from amaranth.hdl import Module, Signal

from hw.tops.pll import ECP5_VCO_HZ, ICE40_VCO_HZ, ecp5_dividers, ecp5_pll, ice40_dividers
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


OUR_CHOICE = {"CLKOP_CPHASE", "FREQUENCY_PIN_CLKI", "FREQUENCY_PIN_CLKOP"}
"""The phase of the only output matters to nobody, and nextpnr works the frequencies out itself."""

UNUSED_OUTPUTS = {f"OUTDIVIDER_MUX{name}" for name in "BCD"}


def settings_of(text: str) -> dict[str, str]:
    """{attribute or parameter: value} of a Verilog text with one EHXPLLL."""
    attributes = re.findall(r'\(\* ([A-Z_]+) *= *"(\w+)" \*\)', text)
    parameters = re.findall(r"\.(\w+)\((?:32'd)?\"?(\w+)\"?\)", text[: text.index(".CLKI(")])
    return dict(attributes + parameters)


@pytest.mark.parametrize(("source", "wanted"), [(25.0, 37.5), (12.0, 36.0), (48.0, 60.0)])
def test_the_ecp5_cell_is_set_as_ecppll_sets_it(
    source: float, wanted: float, tmp_path: Path
) -> None:
    m = Module()
    clock_in, clock, locked = Signal(), Signal(), Signal()
    dividers = ecp5_dividers(source * 1e6, wanted * 1e6)
    m.submodules.pll = ecp5_pll(dividers, clock_in=clock_in, clock=clock, locked=locked)
    ours = settings_of(verilog.convert(m, ports=[clock_in, clock, locked], emit_src=False))

    program = Path(sysconfig.get_path("scripts")) / "yowasp-ecppll"
    command = [program, "-i", str(source), "-o", str(wanted), "-f", "pll.v"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    theirs = settings_of((tmp_path / "pll.v").read_text())

    assert ours["MFG_ENABLE_FILTEROPAMP"] == "1" and ours["MFG_GMCREF_SEL"] == "2"
    for name in OUR_CHOICE | UNUSED_OUTPUTS:
        ours.pop(name, None)
        theirs.pop(name, None)
    assert ours == theirs
