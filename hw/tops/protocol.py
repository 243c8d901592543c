"""The host link's frames: ONE table, from which the hardware, the driver and docs/uart.md come.

On the wire a frame is FLAG, its bytes, FLAG; a byte that is FLAG or ESCAPE goes as ESCAPE and the
byte xor STUFFING. FLAG therefore never stands inside a frame: whatever came before, a receiver is
in step again from the next FLAG on. The last two bytes are the CRC of those before it, high byte
first; a frame whose CRC is wrong never happened.

The host sends a request and waits for its answer; without one it sends the same request again. An
answer carries its request's sequence number. A register write that comes again under the number of
the request just done is answered again and not done again.
"""

import binascii
import enum
from dataclasses import dataclass

VERSION = 1
"""Of this protocol, in the answer to INFO."""

FLAG, ESCAPE, STUFFING = 0x7E, 0x7D, 0x20
CRC_POLYNOMIAL, CRC_START = 0x1021, 0xFFFF
ANSWER = 0x80
"""Set in the opcode of an answer."""

MOST_DATA = 256
"""Bytes of data of a frame."""

CRC_BYTES = 2


class Opcode(enum.IntEnum):
    """What a request asks for."""

    INFO = 0x01
    READ_REGISTER = 0x02
    WRITE_REGISTER = 0x03
    READ_MEMORY = 0x04
    WRITE_MEMORY = 0x05


class Status(enum.IntEnum):
    """How it went."""

    OKAY = 0
    OPCODE = 1
    LENGTH = 2
    ADDRESS = 3
    REFUSED = 4
    BUSY = 5


@dataclass(frozen=True, kw_only=True)
class Request:
    """sends, answers: bytes of data each way; None: `count` of them. count: that the header has."""

    opcode: Opcode
    sends: int | None
    answers: int | None
    doc: str


@dataclass(frozen=True, kw_only=True)
class Field:
    """`size` bytes, least significant first."""

    name: str
    size: int
    doc: str


HEADER = (
    Field(name="sequence", size=1, doc="the host's number of this request"),
    Field(name="opcode", size=1, doc="what to do"),
    Field(name="address", size=4, doc="byte address of the register, or in memory"),
    Field(name="count", size=2, doc=f"bytes to read or write, at most {MOST_DATA}"),
)
"""Of a request; its data follow."""

ANSWER_HEADER = (
    Field(name="sequence", size=1, doc="the request's"),
    Field(name="opcode", size=1, doc=f"the request's + {ANSWER:#04x}"),
    Field(name="status", size=1, doc="how it went; other than OKAY: no data follow"),
)

INFO = (
    Field(name="version", size=1, doc="of this protocol"),
    Field(name="bad_frames", size=1, doc="frames dropped since reset, 255: or more"),
    Field(name="most_data", size=2, doc="bytes of data of a frame"),
    Field(name="memory_bytes", size=4, doc="of the memory, from address 0 on"),
    Field(name="clock_hz", size=4, doc="of the overlay's clock"),
)
"""What INFO answers."""


def size_of(fields: tuple[Field, ...]) -> int:
    """Bytes of a header."""
    return sum(field.size for field in fields)


HEADER_BYTES = size_of(HEADER)
INFO_BYTES = size_of(INFO)
REGISTER_BYTES = 4

REQUESTS = (
    Request(opcode=Opcode.INFO, sends=0, answers=INFO_BYTES, doc="what this device is"),
    Request(
        opcode=Opcode.READ_REGISTER,
        sends=0,
        answers=REGISTER_BYTES,
        doc="a 32-bit read on the control port",
    ),
    Request(
        opcode=Opcode.WRITE_REGISTER,
        sends=REGISTER_BYTES,
        answers=0,
        doc="a 32-bit write on the control port",
    ),
    Request(opcode=Opcode.READ_MEMORY, sends=0, answers=None, doc="bytes of the memory"),
    Request(opcode=Opcode.WRITE_MEMORY, sends=None, answers=0, doc="bytes into the memory"),
)


def answered(opcode: Opcode, count: int) -> int:
    """Bytes of data in the answer, if it is OKAY, to a request with this `count`."""
    size = next(request.answers for request in REQUESTS if request.opcode == opcode)
    return count if size is None else size


STATUSES = {
    Status.OKAY: "done",
    Status.OPCODE: "there is no such opcode",
    Status.LENGTH: "count and data do not go together",
    Status.ADDRESS: "beyond the memory",
    Status.REFUSED: "the control port answered with an error",
    Status.BUSY: "the overlay kept the memory to itself; ask again",
}


def crc(data: bytes) -> int:
    """CRC-16 of `data`: polynomial 0x1021, from 0xFFFF, most significant bit first."""
    return binascii.crc_hqx(data, CRC_START)


def pack(fields: tuple[Field, ...], **values: int) -> bytes:
    """The bytes of a header. OverflowError for a value beyond its field."""
    return b"".join(values[field.name].to_bytes(field.size, "little") for field in fields)


def unpack(fields: tuple[Field, ...], data: bytes) -> dict[str, int]:
    """{field: value} from the first bytes of `data`."""
    values, place = {}, 0
    for field in fields:
        values[field.name] = int.from_bytes(data[place : place + field.size], "little")
        place += field.size
    return values


def to_wire(body: bytes) -> bytes:
    """The frame of a body as it goes over the wire."""
    whole = body + crc(body).to_bytes(CRC_BYTES, "big")
    escape = bytes([ESCAPE])
    for special in (ESCAPE, FLAG):
        whole = whole.replace(bytes([special]), escape + bytes([special ^ STUFFING]))
    return bytes([FLAG]) + whole + bytes([FLAG])


def from_wire(stuffed: bytes) -> bytes | None:
    """The body of what stood between two FLAGs; None when its CRC is wrong or it is cut short."""
    whole, escaped = bytearray(), False
    for byte in stuffed:
        if byte == ESCAPE:
            escaped = True
            continue
        whole.append(byte ^ STUFFING if escaped else byte)
        escaped = False
    if escaped or len(whole) < CRC_BYTES or crc(bytes(whole)):
        return None
    return bytes(whole[:-CRC_BYTES])


def markdown() -> str:
    """docs/uart.md."""
    introduction = (__doc__ or "").partition("\n\n")[2].strip()
    lines = [
        "# The host link",
        "",
        "Generated by `make docs` from hw/tops/protocol.py. 8 data bits, no parity, one stop bit.",
        "",
        introduction,
        "",
        f"FLAG is {FLAG:#04x}, ESCAPE {ESCAPE:#04x}, STUFFING {STUFFING:#04x}. CRC-16: polynomial "
        f"{CRC_POLYNOMIAL:#06x}, starts at {CRC_START:#06x}, most significant bit first. Numbers "
        "are least significant byte first, the CRC aside.",
    ]
    for title, fields in (("Request", HEADER), ("Answer", ANSWER_HEADER), ("INFO", INFO)):
        rows = [[field.name, str(field.size), field.doc] for field in fields]
        lines += ["", f"## {title}", "", *_table(["field", "bytes", "meaning"], rows)]
    asked = [
        [f"{r.opcode:#04x}", r.opcode.name, _bytes(r.sends), _bytes(r.answers), r.doc]
        for r in REQUESTS
    ]
    ended = [[str(int(code)), code.name, STATUSES[code]] for code in Status]
    columns = ["opcode", "name", "data sent", "data answered", "meaning"]
    lines += ["", "## Opcodes", "", *_table(columns, asked)]
    lines += ["", "## Status", "", *_table(["status", "name", "meaning"], ended), ""]
    return "\n".join(lines)


def _bytes(count: int | None) -> str:
    return "count" if count is None else str(count)


def _table(columns: list[str], rows: list[list[str]]) -> list[str]:
    head = [columns, ["---"] * len(columns)]
    return [f"| {' | '.join(row)} |" for row in (*head, *rows)]
