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

_ECP5_HOLDS = {
    "12": (12_000, 32, 28),
    "25": (24_288, 56, 28),
    "45": (43_848, 108, 72),
    "85": (83_640, 208, 156),
}
"""{size: LUTs and as many flip-flops, block RAMs, multipliers}. A 12F is sold with half of a 25F's
die, which nextpnr would fill."""

_ECP5_SIZES = {
    "CABGA256": ("12", "25", "45"),
    "TQFP144": ("12", "25", "45"),
    "CABGA554": ("45", "85"),
    "CABGA756": ("85",),
}
"""{package: the sizes it comes with}, where these are not all."""

_ECP5 = re.compile(r"LFE5(U|UM|UM5G)-(12|25|45|85)F-([678])([A-Z]{2}\d{3})[CI]?")
_ICE40 = re.compile(r"iCE40(HX|LP|UP)(\d+K)-([A-Z]+\d+)", re.IGNORECASE)
_ICE40_HOLDS = {
    "hx1k": (1280, 16, 0),
    "hx4k": (3520, 20, 0),
    "hx8k": (7680, 32, 0),
    "lp1k": (1280, 16, 0),
    "lp4k": (3520, 20, 0),
    "lp8k": (7680, 32, 0),
    "up3k": (2800, 20, 4),
    "up5k": (5280, 30, 8),
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part, in the words of the programs.

    synthesis    options of yosys' synth_<family>
    placement    options of nextpnr-<family>: device, package, speed grade
    holds        LUTs and as many flip-flops, block RAMs, multipliers
    """

    name: str
    family: str
    synthesis: str
    placement: tuple[str, ...]
    holds: tuple[int, int, int]

    @property
    def most(self) -> dict[str, int]:
        """{key of a board's budget: what the part has of it}."""
        luts, blocks, multipliers = self.holds
        return {"luts": luts, "ffs": luts, "bram_blocks": blocks, "dsps": multipliers}

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
    housing = ECP5_PACKAGES[package]
    sizes = _ECP5_SIZES.get(housing, tuple(_ECP5_HOLDS))
    if size not in sizes:
        raise ConfigError(f"part {name}: package {package} comes with {', '.join(sizes)} k LUTs")
    if size == "12" and line != "U":
        raise ConfigError(f"part {name}: there is no LFE5{line}-12F")
    device = {"U": "", "UM": "um-", "UM5G": "um5g-"}[line] + f"{size}k"
    placement = (f"--{device}", "--package", housing, "--speed", speed)
    return Part(
        name=name, family="ecp5", synthesis="", placement=placement, holds=_ECP5_HOLDS[size]
    )


def _ice40(name: str, line: str, size: str, package: str) -> Part:
    device = f"{line}{size}".lower()
    if device not in _ICE40_HOLDS:
        raise ConfigError(
            f"part {name}: no iCE40 device {device}; there is: {', '.join(_ICE40_HOLDS)}"
        )
    ultra = device.startswith("up")
    # the 4k dies are 8k dies: nextpnr names their packages so
    housing = package.lower() + (":4k" if "4k" in device else "")
    return Part(
        name=name,
        family="ice40",
        synthesis="-device u -dsp" if ultra else f"-device {device[:2]}",
        placement=(f"--{device}", "--package", housing),
        holds=_ICE40_HOLDS[device],
    )
