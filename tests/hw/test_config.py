"""What an overlay's configuration refuses, and what it derives."""

import re

import pytest

from hw.config import OverlayConfig
from hw.overlays.bit_serial import BitSerial
from ir.errors import ConfigError

WRONG = [
    ({"dm": 0}, "dm must be a positive integer, not 0"),
    ({"dk": -4}, "dk must be a positive integer, not -4"),
    ({"dn": True}, "dn must be a positive integer, not True"),
    ({"ring_depth": 64.0}, "ring_depth must be a positive integer, not 64.0"),
    ({"lhs_depth": 24}, "lhs_depth must be a power of two of at least 4, not 24"),
    ({"rhs_depth": 2}, "rhs_depth must be a power of two of at least 4, not 2"),
    ({"ring_depth": 100}, "ring_depth must be a power of two of at least 4, not 100"),
    ({"table_depth": 3}, "table_depth must be a power of two of at least 4, not 3"),
    ({"memory_bits": 48}, "memory_bits must be one of (32, 64, 128, 256), not 48"),
    ({"dm": 60, "memory_bits": 32}, "dm = 60 is too large for memory_bits = 32: a tile's rows"),
    ({"dm": 31, "memory_bits": 32}, "dm = 31 is too large"),
    ({"dn": 256}, "array 8x64x256 is beyond 255x2048x255, the limits of the instruction fields"),
    ({"dk": 2049}, "array 8x2049x4 is beyond"),
    ({"requant_lanes": 3}, "requant_lanes = 3 must divide dm = 8"),
    ({"acc_bits": 3}, "acc_bits must be 4 to 32, not 3"),
    ({"acc_bits": 33}, "acc_bits must be 4 to 32, not 33"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=lambda v: str(v)[:30])
def test_refused(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        BitSerial(**({"dm": 8, "dk": 64, "dn": 4} | change))


def test_derived() -> None:
    config = BitSerial(dm=12, dk=7, dn=5, memory_bits=128, requant_lanes=3)
    assert config.style == "bit_serial"
    assert (config.bus_bytes, config.write_unit, config.row_groups) == (16, 4, 4)


def test_hash_names_style_and_every_size() -> None:
    base = BitSerial(dm=8, dk=64, dn=4)
    assert base.hash == BitSerial(dm=8, dk=64, dn=4).hash < 1 << 32
    others = [{"dm": 4}, {"dk": 32}, {"dn": 8}, {"memory_bits": 128}, {"acc_bits": 24}]
    hashes = {BitSerial(**({"dm": 8, "dk": 64, "dn": 4} | other)).hash for other in others}
    assert len(hashes | {base.hash}) == len(others) + 1


def test_a_configuration_without_a_style_builds_nothing() -> None:
    config = OverlayConfig(dm=1, dk=1, dn=1)
    for method in (config.build, config.latencies):
        with pytest.raises(NotImplementedError):
            method()
