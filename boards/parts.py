"""Parts that the open tools place and route: what a part's name says, in the tools' options.

Names are the makers' ordering codes: LFE5U-85F-6BG381C, iCE40HX8K-CT256, iCE40UP5K-SG48.
Source: Lattice, ECP5 and iCE40 family data sheets; options: nextpnr 0.11.
"""

import re
from dataclasses import dataclass

from ir.errors import ConfigError, shorten

ECP5_PACKAGES = {
    "BG256": "CABGA256",
    "BG381": "CABGA381",
    "BG554": "CABGA554",
    "BG756": "CABGA756",
    "MG285": "CSFBGA285",
    "TG144": "TQFP144",
}
"""{how the ordering code ends: nextpnr's name}."""

_ECP5 = re.compile(r"LFE5(U|UM|UM5G)-(12|25|45|85)F-([678])([A-Z]{2}\d{3})[CI]?")
_ICE40 = re.compile(r"iCE40(HX|LP|UP)(\d+K)-([A-Z]+\d+)", re.IGNORECASE)
_ICE40_DEVICES = ("hx1k", "hx4k", "hx8k", "lp1k", "lp4k", "lp8k", "up3k", "up5k")


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part, in the words of the programs.

    synthesis    options of yosys' synth_<family>
    placement    options of nextpnr-<family>: device, package, speed grade
    """

    name: str
    family: str
    synthesis: str
    placement: tuple[str, ...]

    @property
    def placer(self) -> str:
        """The program that places and routes it."""
        return f"nextpnr-{self.family}"

    @property
    def packer(self) -> str:
        """The program that makes its bitstream."""
        return {"ecp5": "ecppack", "ice40": "icepack"}[self.family]

    @property
    def suffix(self) -> str:
        """Of its bitstream's file name."""
        return {"ecp5": ".bit", "ice40": ".bin"}[self.family]


def find_part(name: str) -> Part:
    """The part of that ordering code. ConfigError: no open tool places it."""
    if found := _ECP5.fullmatch(name):
        return _ecp5(name, *found.groups())
    if found := _ICE40.fullmatch(name):
        return _ice40(name, *found.groups())
    raise ConfigError(
        f"part {shorten(name)} has no open flow: nextpnr places ECP5 (LFE5U-85F-6BG381C) and "
        "iCE40 parts (iCE40HX8K-CT256)"
    )


def _ecp5(name: str, line: str, size: str, speed: str, package: str) -> Part:
    if package not in ECP5_PACKAGES:
        raise ConfigError(
            f"part {name}: unknown package {package}; there is: {', '.join(ECP5_PACKAGES)}"
        )
    device = {"U": "", "UM": "um-", "UM5G": "um5g-"}[line] + f"{size}k"
    placement = (f"--{device}", "--package", ECP5_PACKAGES[package], "--speed", speed)
    return Part(name=name, family="ecp5", synthesis="", placement=placement)


def _ice40(name: str, line: str, size: str, package: str) -> Part:
    device = f"{line}{size}".lower()
    if device not in _ICE40_DEVICES:
        raise ConfigError(f"part {name}: no iCE40 device {device}; there is: {_ICE40_DEVICES}")
    ultra = device.startswith("up")
    # the 4k dies are 8k dies: nextpnr names their packages so
    housing = package.lower() + (":4k" if "4k" in device else "")
    return Part(
        name=name,
        family="ice40",
        synthesis="-device u -dsp" if ultra else f"-device {device[:2]}",
        placement=(f"--{device}", "--package", housing),
    )
