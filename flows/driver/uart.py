"""A device behind the host link of hw/tops: frames over a stream of bytes."""

import time
from dataclasses import dataclass

from flows.driver.link import has_ended, pieces
from flows.driver.serial_port import SerialPort
from hw.tops import protocol
from hw.tops.protocol import ANSWER, ANSWER_HEADER, FLAG, HEADER, STATUSES, Opcode, Status
from ir.errors import ConfigError, ToolError

TRIES = 5
ANSWER_S = 2.0
"""How long an answer may take: the longest frames at 9600 baud, and a busy computer."""

SLOWEST_HZ = 20_000
"""Of an overlay's clock: a simulated board under load."""

LEAST_WAIT_S = 10.0
POLL_S = 0.002
LONGEST_FRAME = 2 * (protocol.size_of(ANSWER_HEADER) + 0xFFFF + protocol.CRC_BYTES)
"""Bytes that any answer can have on the wire, were all of them stuffed."""


@dataclass(frozen=True, kw_only=True)
class Info:
    """What the device says of itself: the fields of protocol.INFO."""

    version: int
    bad_frames: int
    most_data: int
    memory_bytes: int
    clock_hz: int


class UartLink:
    """One device. A request without an answer is sent again, and done once all the same.

    ToolError: no answer, or one that says that it could not be done. ConfigError: the device
    speaks another version of the protocol.
    """

    def __init__(self, port: SerialPort) -> None:
        self._port = port
        self._received = bytearray()
        self._sequence = 0
        self.resent = 0
        self.info = self._hello()

    @property
    def name(self) -> str:
        return f"uart:{self._port.path}"

    def read32(self, offset: int) -> int:
        return int.from_bytes(self._ask(Opcode.READ_REGISTER, offset, 4), "little")

    def write32(self, offset: int, value: int) -> None:
        self._ask(Opcode.WRITE_REGISTER, offset, 4, value.to_bytes(4, "little"))

    def read_memory(self, address: int, size: int) -> bytes:
        parts = pieces(address, size, self.info.most_data)
        return b"".join(self._ask(Opcode.READ_MEMORY, place, count) for place, count in parts)

    def write_memory(self, address: int, data: bytes) -> None:
        for place, count in pieces(address, len(data), self.info.most_data):
            part = data[place - address :][:count]
            self._ask(Opcode.WRITE_MEMORY, place, count, part)

    def wait_irq(self, cycles: int) -> bool:
        deadline = time.monotonic() + max(LEAST_WAIT_S, cycles / SLOWEST_HZ)
        while not has_ended(self):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def _hello(self) -> Info:
        """INFO, after which no number of an earlier host can be mistaken for one of ours."""
        answer = self._done(Opcode.INFO, 0, protocol.INFO_BYTES)
        info = Info(**protocol.unpack(protocol.INFO, answer))
        if info.version != protocol.VERSION:
            raise ConfigError(
                f"{self.name}: the device speaks version {info.version} of the protocol, this "
                f"driver {protocol.VERSION}"
            )
        self._check_size(Opcode.INFO, answer, protocol.INFO_BYTES)
        if info.most_data < protocol.REGISTER_BYTES:
            raise ToolError(
                self.name, reason=f"the device says that a frame holds {info.most_data} bytes"
            )
        return info

    def _ask(self, opcode: Opcode, address: int, count: int, data: bytes = b"") -> bytes:
        """The data of the answer, as many bytes as the request asks for."""
        answer = self._done(opcode, address, count, data)
        self._check_size(opcode, answer, protocol.answered(opcode, count))
        return answer

    def _check_size(self, opcode: Opcode, answer: bytes, expected: int) -> None:
        if len(answer) != expected:
            raise ToolError(
                self.name,
                reason=f"{opcode.name} was answered with {len(answer)} bytes instead of {expected}",
            )

    def _done(self, opcode: Opcode, address: int, count: int, data: bytes = b"") -> bytes:
        """The data of the answer, which says OKAY."""
        for _ in range(TRIES):
            status, answer = self._exchange(opcode, address, count, data)
            if status != Status.BUSY:
                break
        if status != Status.OKAY:
            raise ToolError(
                self.name,
                reason=f"{opcode.name} of {count} bytes at {address:#x} answered "
                f"{status.name}: {STATUSES[status]}",
            )
        return answer

    def _exchange(
        self, opcode: Opcode, address: int, count: int, data: bytes
    ) -> tuple[Status, bytes]:
        self._sequence = (self._sequence + 1) & 0xFF
        head = {"sequence": self._sequence, "opcode": opcode, "address": address, "count": count}
        frame = protocol.to_wire(protocol.pack(HEADER, **head) + data)
        for attempt in range(TRIES):
            self.resent += attempt > 0
            self._port.write(frame, ANSWER_S)
            body = self._answer(opcode, time.monotonic() + ANSWER_S)
            if body is not None:
                size = protocol.size_of(ANSWER_HEADER)
                return Status(protocol.unpack(ANSWER_HEADER, body)["status"]), body[size:]
        raise ToolError(
            self.name,
            reason=f"no answer to {opcode.name}, asked {TRIES} times",
            fix="is the bitstream loaded, and the baud rate the board's?",
        )

    def _answer(self, opcode: Opcode, deadline: float) -> bytes | None:
        """The body of the answer to this request; None when it does not come until `deadline`."""
        while (frame := self._frame(deadline)) is not None:
            body = protocol.from_wire(frame)
            if body is None or len(body) < protocol.size_of(ANSWER_HEADER):
                continue
            found = protocol.unpack(ANSWER_HEADER, body)
            # an answer to an earlier request that came too late is not this one's
            ours = (found["sequence"], found["opcode"]) == (self._sequence, opcode | ANSWER)
            if ours and found["status"] in set(Status):
                return body
        return None

    def _frame(self, deadline: float) -> bytes | None:
        """What stands before the next FLAG, which is taken along; None: there is none in time,
        however much else comes."""
        seen = 0
        while time.monotonic() < deadline:
            end = self._received.find(FLAG, seen)
            if end >= 0:
                frame = bytes(self._received[:end])
                del self._received[: end + 1]
                return frame
            if len(self._received) > LONGEST_FRAME:
                self._received.clear()
            seen = len(self._received)
            data = self._port.read(deadline)
            if not data:
                break
            self._received += data
        return None
