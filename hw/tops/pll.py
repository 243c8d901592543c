"""Phase-locked loops: dividers by search over what the part allows, and the part's own cell.

Sources: Lattice FPGA-TN-02200 (ECP5 sysCLOCK) and the ECP5 data sheet's PLL timing; Lattice
FPGA-TN-02052 (iCE40 sysCLOCK) and the iCE40 LP/HX data sheet's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from amaranth.hdl import Const, Instance, Signal

from ir.errors import ConfigError

TOLERANCE = 1e-6
"""Relative error of a frequency that still counts as the one that was asked for."""


@dataclass(frozen=True, kw_only=True)
class Ecp5Dividers:
    """EHXPLLL with CLKOP fed back: f_out = f_in * feedback / reference, f_vco = f_out * output."""

    reference: int
    feedback: int
    output: int


@dataclass(frozen=True, kw_only=True)
class Ice40Dividers:
    """SB_PLL40, simple feedback: f_vco = f_in * (divf + 1) / (divr + 1), f_out = f_vco / 2^divq.

    filter_range: the code for the frequency at the phase detector.
    """

    divr: int
    divf: int
    divq: int
    filter_range: int


ECP5_DETECTOR_HZ = (10e6, 400e6)
ECP5_VCO_HZ = (400e6, 800e6)
ECP5_OUTPUT_HZ = (3.125e6, 400e6)
ECP5_MOST = 128
ECP5_ANALOG = {
    "ICP_CURRENT": "12",
    "LPF_RESISTOR": "8",
    "MFG_ENABLE_FILTEROPAMP": "1",
    "MFG_GMCREF_SEL": "2",
}
"""Of the charge pump and the loop filter: what Project Trellis' ecppll writes for every design.
nextpnr takes 0 for what is left out, and a loop without its filter's amplifier need not lock."""
ICE40_DETECTOR_HZ = (10e6, 133e6)
ICE40_VCO_HZ = (533e6, 1066e6)
ICE40_FILTERS_HZ = ((17e6, 1), (26e6, 2), (44e6, 3), (66e6, 4), (101e6, 5), (133e6, 6))


def ecp5_dividers(input_hz: float, output_hz: float) -> Ecp5Dividers:
    """The exact dividers whose VCO is nearest the middle of its range; ConfigError: none."""
    middle = sum(ECP5_VCO_HZ) / 2
    found = list(_ecp5_all(input_hz, output_hz))
    if not found:
        raise _none("ECP5", input_hz, output_hz)
    return min(found, key=lambda d: (d.reference, abs(output_hz * d.output - middle)))


def ice40_dividers(input_hz: float, output_hz: float) -> Ice40Dividers:
    """The exact dividers with the highest frequency at the phase detector; ConfigError: none."""
    found = list(_ice40_all(input_hz, output_hz))
    if not found:
        raise _none("iCE40", input_hz, output_hz)
    return min(found, key=lambda d: (d.divr, d.divf))


def _ecp5_all(input_hz: float, output_hz: float) -> Iterator[Ecp5Dividers]:
    for reference in range(1, ECP5_MOST + 1):
        if not _within(input_hz / reference, ECP5_DETECTOR_HZ):
            continue
        if not _within(output_hz, ECP5_OUTPUT_HZ):
            continue
        feedback = round(output_hz * reference / input_hz)
        if not 1 <= feedback <= ECP5_MOST or not _equal(input_hz * feedback / reference, output_hz):
            continue
        for output in range(1, ECP5_MOST + 1):
            if _within(output_hz * output, ECP5_VCO_HZ):
                yield Ecp5Dividers(reference=reference, feedback=feedback, output=output)


def _ice40_all(input_hz: float, output_hz: float) -> Iterator[Ice40Dividers]:
    for divr in range(16):
        detector = input_hz / (divr + 1)
        if not _within(detector, ICE40_DETECTOR_HZ):
            continue
        filter_range = next(code for most, code in ICE40_FILTERS_HZ if detector <= most)
        for divq in range(1, 7):
            divf = round(output_hz * 2**divq / detector) - 1
            vco = detector * (divf + 1)
            if not 0 <= divf < 128 or not _within(vco, ICE40_VCO_HZ):
                continue
            if _equal(vco / 2**divq, output_hz):
                yield Ice40Dividers(divr=divr, divf=divf, divq=divq, filter_range=filter_range)


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] * (1 - TOLERANCE) <= value <= limits[1] * (1 + TOLERANCE)


def _equal(value: float, wanted: float) -> bool:
    return abs(value - wanted) <= TOLERANCE * wanted


def _none(family: str, input_hz: float, output_hz: float) -> ConfigError:
    return ConfigError(
        f"no {family} PLL makes {output_hz / 1e6:g} MHz of {input_hz / 1e6:g} MHz; choose another "
        "clk_period_ns"
    )


def ecp5_pll(
    dividers: Ecp5Dividers, *, clock_in: Signal, clock: Signal, locked: Signal
) -> Instance:
    """The cell. Every input that is not used is tied low."""
    unused = ("RST", "STDBY", "PHASESEL0", "PHASESEL1", "PHASEDIR", "PHASESTEP", "PHASELOADREG")
    enables = ("PLLWAKESYNC", "ENCLKOP")
    return Instance(
        "EHXPLLL",
        p_CLKI_DIV=dividers.reference,
        p_CLKFB_DIV=dividers.feedback,
        p_CLKOP_DIV=dividers.output,
        p_CLKOP_CPHASE=dividers.output - 1,
        p_CLKOP_FPHASE=0,
        p_CLKOP_ENABLE="ENABLED",
        p_FEEDBK_PATH="CLKOP",
        p_OUTDIVIDER_MUXA="DIVA",
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        **{f"a_{name}": value for name, value in ECP5_ANALOG.items()},
        i_CLKI=clock_in,
        i_CLKFB=clock,
        **{f"i_{name}": Const(0, 1) for name in (*unused, *enables)},
        o_CLKOP=clock,
        o_LOCK=locked,
    )


def ice40_pll(
    dividers: Ice40Dividers, *, clock_in: Signal, clock: Signal, locked: Signal, pad: bool
) -> Instance:
    """The cell. pad: the oscillator is on the pin beside the PLL, which then belongs to it."""
    name, source = ("SB_PLL40_PAD", "PACKAGEPIN") if pad else ("SB_PLL40_CORE", "REFERENCECLK")
    return Instance(
        name,
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=Const(dividers.divr, 4),
        p_DIVF=Const(dividers.divf, 7),
        p_DIVQ=Const(dividers.divq, 3),
        p_FILTER_RANGE=Const(dividers.filter_range, 3),
        **{f"i_{source}": clock_in},
        i_RESETB=Const(1, 1),
        i_BYPASS=Const(0, 1),
        o_PLLOUTGLOBAL=clock,
        o_LOCK=locked,
    )
