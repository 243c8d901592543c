"""Frames as the driver writes and reads them."""

import random

import pytest

from flows import docs
from hw.tops import protocol
from hw.tops.protocol import ESCAPE, FLAG, HEADER, INFO, Opcode, Status


def test_the_crc_is_the_standard_one() -> None:
    assert protocol.crc(b"123456789") == 0x29B1  # the check value of CRC-16/IBM-3740


def test_a_frame_is_flags_stuffing_and_crc() -> None:
    body = bytes([0x01, FLAG, ESCAPE])
    wire = protocol.to_wire(body)
    check = protocol.crc(body).to_bytes(2, "big")
    assert wire == b"\x7e\x01\x7d\x5e\x7d\x5d" + check + b"\x7e"


def test_every_body_comes_back(rng: random.Random) -> None:
    for size in (0, 1, 2, 3, 10, 266):
        body = bytes(rng.choice((FLAG, ESCAPE, rng.randrange(256))) for _ in range(size))
        wire = protocol.to_wire(body)
        assert FLAG not in wire[1:-1]
        assert protocol.from_wire(wire[1:-1]) == body


@pytest.mark.parametrize("stuffed", [b"", b"\x00", b"\x12\x34\x56", b"\x29\xb1\x7d"])
def test_what_is_no_frame_is_none(stuffed: bytes) -> None:
    assert protocol.from_wire(stuffed) is None


def test_one_wrong_bit_is_seen(rng: random.Random) -> None:
    wire = bytearray(protocol.to_wire(bytes(rng.randrange(0x40) for _ in range(40))))[1:-1]
    for place in range(len(wire)):
        damaged = bytearray(wire)
        damaged[place] ^= 1 << rng.randrange(5)
        assert protocol.from_wire(bytes(damaged)) is None


def test_headers_come_back() -> None:
    values = {"sequence": 7, "opcode": Opcode.READ_MEMORY, "address": 0x12345678, "count": 256}
    packed = protocol.pack(HEADER, **values)
    assert packed == bytes([7, 4, 0x78, 0x56, 0x34, 0x12, 0, 1])
    assert protocol.unpack(HEADER, packed) == values
    assert protocol.INFO_BYTES == sum(field.size for field in INFO) == 12


def test_the_page_names_every_opcode_and_status() -> None:
    page = protocol.markdown()
    for name in (*Opcode.__members__, *Status.__members__):
        assert f"| {name} |" in page
    assert docs.UART_PAGE.read_text(encoding="utf-8") == page
