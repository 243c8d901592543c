"""Ordering codes in nextpnr's options."""

import pytest

from boards.parts import find_part
from ir.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("LFE5U-85F-6BG381C", "--85k --package CABGA381 --speed 6"),
        ("LFE5U-12F-8BG256C", "--12k --package CABGA256 --speed 8"),
        ("LFE5UM5G-85F-8BG381", "--um5g-85k --package CABGA381 --speed 8"),
        ("LFE5UM-45F-7MG285I", "--um-45k --package CSFBGA285 --speed 7"),
        ("iCE40HX8K-CT256", "--hx8k --package ct256"),
        ("iCE40HX4K-TQ144", "--hx4k --package tq144:4k"),
        ("ICE40UP5K-SG48", "--up5k --package sg48"),
    ],
)
def test_a_part_in_options(name: str, options: str):
    assert " ".join(find_part(name).placement) == options


def test_the_family_chooses_the_programs():
    ecp5, ice40 = find_part("LFE5U-25F-6BG381C"), find_part("iCE40UP5K-SG48")
    assert (ecp5.placer, ecp5.packer, ecp5.suffix) == ("nextpnr-ecp5", "ecppack", ".bit")
    assert (ice40.placer, ice40.packer, ice40.suffix) == ("nextpnr-ice40", "icepack", ".bin")
    assert ice40.synthesis == "-device u -dsp"


def test_a_part_without_an_open_flow():
    with pytest.raises(ConfigError, match=r"part 'xc7a100tcsg324-1' has no open flow.*LFE5U"):
        find_part("xc7a100tcsg324-1")


def test_an_unknown_package_or_device():
    with pytest.raises(ConfigError, match="unknown package BG999; there is: BG256"):
        find_part("LFE5U-85F-6BG999C")
    with pytest.raises(ConfigError, match="no iCE40 device hx3k; there is: hx1k, hx4k, hx8k"):
        find_part("iCE40HX3K-CT256")
    with pytest.raises(ConfigError, match="package TG144 comes with 12, 25, 45 k LUTs"):
        find_part("LFE5U-85F-6TG144C")
    with pytest.raises(ConfigError, match="there is no LFE5UM-12F"):
        find_part("LFE5UM-12F-6BG381C")
