"""The driver's end of the host link against a device in Python, over a line that loses things."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import pytest

from flows.driver import uart
from flows.driver.uart import UartLink
from hw.tops import protocol
from hw.tops.protocol import ANSWER, ANSWER_HEADER, FLAG, HEADER, INFO, Opcode, Status
from ir.errors import ConfigError, ToolError

INFORMATION = {
    "version": protocol.VERSION,
    "bad_frames": 0,
    "most_data": 64,
    "memory_bytes": 4096,
    "clock_hz": 1_000_000,
}


class Port:
    """A device with registers and memory, and what the line does to each answer.

    spoil: for each answer what becomes of its bytes; the rest pass as they are.
    """

    path = "test"

    def __init__(self, spoil: Iterable[Callable[[bytes], bytes]] = (), **changes: int) -> None:
        self.spoil = itertools.chain(spoil, itertools.repeat(untouched))
        self.information = INFORMATION | changes
        self.memory, self.registers = bytearray(4096), {0x10: 5}
        self.statuses: list[Status] = []  # for the next requests, instead of OKAY
        self.requests: list[dict[str, int]] = []
        self.waiting = b""

    def write(self, data: bytes, timeout_s: float) -> None:
        assert data[0] == data[-1] == FLAG
        body = protocol.from_wire(data[1:-1])
        assert body is not None
        asked = protocol.unpack(HEADER, body)
        self.requests.append(asked)
        status = self.statuses.pop(0) if self.statuses and len(self.requests) > 1 else Status.OKAY
        answer = self.do(asked, body[protocol.HEADER_BYTES :]) if status == Status.OKAY else b""
        head = {"sequence": asked["sequence"], "opcode": asked["opcode"] | ANSWER}
        frame = protocol.to_wire(protocol.pack(ANSWER_HEADER, **head, status=status) + answer)
        self.waiting += next(self.spoil)(frame)

    def read(self, deadline: float) -> bytes:
        data, self.waiting = self.waiting[:7], self.waiting[7:]
        return data

    def do(self, asked: dict[str, int], data: bytes) -> bytes:
        place, count = asked["address"], asked["count"]
        if asked["opcode"] == Opcode.INFO:
            return protocol.pack(INFO, **self.information)
        if asked["opcode"] == Opcode.READ_MEMORY:
            return bytes(self.memory[place : place + count])
        if asked["opcode"] == Opcode.READ_REGISTER:
            return self.registers[place].to_bytes(4, "little")
        if asked["opcode"] == Opcode.WRITE_MEMORY:
            self.memory[place : place + count] = data
        else:
            self.registers[place] = int.from_bytes(data, "little")
        return b""


def link(port: Port) -> UartLink:
    return UartLink(port)  # type: ignore[arg-type]


def untouched(data: bytes) -> bytes:
    return data


def nothing(data: bytes) -> bytes:
    return b""


def damaged(data: bytes) -> bytes:
    return data[:4] + bytes([data[4] ^ 1]) + data[5:]


def cut(data: bytes) -> bytes:
    return data[:5]


def buried(data: bytes) -> bytes:
    return b"\x00\xff garbage \x7d" + data + b"\x7d\x7d noise"


def test_memory_goes_in_pieces_that_the_device_can_take() -> None:
    port = Port()
    device = link(port)
    data = bytes(range(200))
    device.write_memory(1000, data)
    assert device.read_memory(1000, 200) == data == bytes(port.memory[1000:1200])
    sizes = [asked["count"] for asked in port.requests[1:]]
    assert sizes == [64, 64, 64, 8] * 2
    assert (device.name, device.info.clock_hz) == ("uart:test", 1_000_000)


@pytest.mark.parametrize("spoil", [nothing, damaged, cut, buried])
def test_what_the_line_spoils_is_asked_again(spoil: Callable[[bytes], bytes]) -> None:
    spoils = [untouched, spoil, spoil, untouched, spoil]
    port = Port(spoils)
    device = link(port)
    device.write32(0x10, 77)
    assert device.read32(0x10) == port.registers[0x10] == 77
    numbers = [asked["sequence"] for asked in port.requests]
    assert numbers == ([1, 2, 3] if spoil is buried else [1, 2, 2, 2, 3, 3])
    assert device.resent == len(numbers) - 3


def test_an_answer_that_comes_too_late_is_not_the_next_requests() -> None:
    kept: list[bytes] = []

    def late(data: bytes) -> bytes:
        kept.append(data)
        return b""

    port = Port([untouched, late, lambda data: kept[0] + data, lambda data: kept[0] + data])
    device = link(port)
    assert device.read32(0x10) == 5
    port.registers[0x10] = 6
    assert device.read32(0x10) == 6


def test_a_busy_memory_is_asked_again() -> None:
    port = Port()
    port.statuses = [Status.BUSY, Status.BUSY]
    assert link(port).read_memory(0, 4) == bytes(4)
    assert [asked["sequence"] for asked in port.requests] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("statuses", "message"),
    [
        ([Status.REFUSED], "READ_REGISTER of 4 bytes at 0x10 answered REFUSED: the control port"),
        ([Status.BUSY] * uart.TRIES, "answered BUSY: the overlay kept the memory to itself"),
    ],
)
def test_what_the_device_refuses_is_an_error(statuses: list[Status], message: str) -> None:
    port = Port()
    port.statuses = statuses
    with pytest.raises(ToolError, match=message) as caught:
        link(port).read32(0x10)
    assert caught.value.exit_code == 3


def test_a_device_that_says_nothing() -> None:
    port = Port([nothing] * uart.TRIES)
    message = "uart:test: no answer to INFO, asked 5 times(.|\n)*fix: is the bitstream loaded"
    with pytest.raises(ToolError, match=message):
        link(port)


@pytest.mark.parametrize("flood", [b"A" * 4096, bytes([FLAG]) * 4096])
def test_a_device_that_never_stops(flood: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is over when it is over, and what is no answer is not kept."""

    class Endless(Port):
        def read(self, deadline: float) -> bytes:
            return flood

    monkeypatch.setattr(uart, "ANSWER_S", 0.1)
    port, most = Endless([nothing] * uart.TRIES), 0
    device = object.__new__(UartLink)
    with pytest.raises(ToolError, match="no answer to INFO, asked 5 times"):
        device.__init__(port)  # type: ignore[misc, arg-type]
    most = len(device._received)
    assert most <= uart.LONGEST_FRAME + len(flood)


def test_answers_of_another_size_are_no_answers() -> None:
    port = Port()
    device = link(port)
    port.do = lambda asked, data: b"abc"  # type: ignore[method-assign]
    for ask in (
        lambda: device.read32(0x10),
        lambda: device.write32(0x10, 1),
        lambda: device.read_memory(0, 8),
        lambda: device.write_memory(0, bytes(8)),
    ):
        with pytest.raises(ToolError, match="was answered with 3 bytes instead of [048]"):
            ask()
    with pytest.raises(ToolError, match="a frame holds 0 bytes"):
        link(Port(most_data=0))


def test_another_version_of_the_protocol() -> None:
    with pytest.raises(ConfigError, match="the device speaks version 9 of the protocol, this dri"):
        link(Port(version=9))


def test_a_job_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    port = Port()
    port.registers[0x08] = 1  # STATUS: BUSY
    device = link(port)
    monkeypatch.setattr(uart, "LEAST_WAIT_S", 0.0)
    assert device.wait_irq(10) is False
    port.registers[0x08] = 2
    assert device.wait_irq(10) is True
