"""What an overlay's configuration refuses, and what it derives."""

import re
from dataclasses import asdict

import pytest

from hw.config import OverlayConfig
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from ir.errors import ConfigError
from tests.hw.test_dpu import DIGITS

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
    (
        {"dm": 60, "memory_bits": 32},
        "dm = 60 (digits of 1 bits) is too large for memory_bits = 32: a tile's rows",
    ),
    ({"dm": 31, "memory_bits": 32}, "dm = 31 (digits of 1 bits) is too large"),
    ({"dn": 256}, "array 8x64x256 is beyond 255x2048x255, the limits of the instruction fields"),
    ({"dk": 2049}, "array 8x2049x4 is beyond"),
    ({"dk": 1024, "rhs_ways": 4}, "dk = 1024 is too large: 4 words (rhs_ways) of 1024 bits, or a"),
    ({"rhs_ways": 3}, "rhs_ways must be 1, 2, 4, 8 or 16, not 3"),
    ({"rhs_ways": 32}, "rhs_ways must be 1, 2, 4, 8 or 16, not 32"),
    ({"requant_lanes": 3}, "requant_lanes = 3 must divide dm = 8"),
    ({"k_split": 2}, "k_split must be 0 or 1, not 2"),
    ({"k_split": True}, "k_split must be 0 or 1, not True"),
    ({"acc_bits": 3}, "acc_bits must be 4 to 32, not 3"),
    ({"acc_bits": 33}, "acc_bits must be 4 to 32, not 33"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=lambda v: str(v)[:30])
def test_refused(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        BitSerial(**({"dm": 8, "dk": 64, "dn": 4} | change))


WRONG_DIGITS = [
    ({"p": 0}, "p must be a positive integer, not 0"),
    ({"q": 2.0}, "q must be a positive integer, not 2.0"),
    ({"p": 3}, "digits must be 1, 2 or 4 bits each, or 8x8, not 3x2 (p, q)"),
    ({"p": 8}, "digits must be 1, 2 or 4 bits each, or 8x8, not 8x2 (p, q)"),
    ({"p": 4, "q": 8}, "digits must be 1, 2 or 4 bits each, or 8x8, not 4x8 (p, q)"),
    (
        {"p": 16, "q": 16, "memory_bits": 256},
        "digits must be 1, 2 or 4 bits each, or 8x8, not 16x16",
    ),
    ({"dm": 33, "q": 2}, "dm = 33 (digits of 2 bits) is too large for memory_bits = 64"),
    ({"dk": 1024, "p": 4, "rhs_ways": 1}, "or a row's 4096 bits, are more than 4095 at once"),
]


@pytest.mark.parametrize(("change", "message"), WRONG_DIGITS, ids=lambda v: str(v)[:30])
def test_digits_refused(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        BitSlice(**({"dm": 8, "dk": 64, "dn": 4} | change))


@pytest.mark.parametrize(("p", "q"), DIGITS)
def test_digits_that_there_are(p: int, q: int) -> None:
    config = BitSlice(dm=8, dk=12, dn=4, p=p, q=q)
    assert (config.style, config.lhs_bits, config.rhs_bits) == ("bit_slice", 12 * p, 12 * q)
    assert config.lhs_word_bits == 8 * -(-12 * p // 8)
    assert asdict(config) | {"p": p, "q": q} == asdict(config)


def test_a_style_is_one_configuration_of_the_other_but_no_other_program_runs_on_it() -> None:
    """Digits of one bit: the same hardware under another name, so the fingerprints differ."""
    serial, slices = BitSerial(dm=8, dk=64, dn=4), BitSlice(dm=8, dk=64, dn=4, p=1, q=1)
    assert (serial.p, serial.q) == (slices.p, slices.q) == (1, 1)
    assert serial.latencies() == slices.latencies()
    hashes = {BitSlice(dm=8, dk=64, dn=4, p=p, q=q).hash for p, q in DIGITS}
    assert len({serial.hash, *hashes}) == len(DIGITS) + 1


def test_latencies_follow_the_lane() -> None:
    """Wider digits are summed up in more stages; nothing else changes."""
    base = BitSerial(dm=2, dk=64, dn=2).latencies()
    for digits, more in {(1, 2): 1, (2, 2): 1, (4, 4): 2, (8, 8): 2}.items():
        wider = BitSlice(dm=2, dk=64, dn=2, p=digits[0], q=digits[1]).latencies()
        assert wider.issue_to_drain == base.issue_to_drain + more
        assert wider.requantize == base.requantize


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
