"""The register map: ONE table, from which RTL, driver, C header and docs/registers.md come."""

from __future__ import annotations

import enum
from dataclasses import dataclass

ADDRESS_BITS = 12

VERSION = 2 << 16
"""Of the register map: major << 16 | minor. A driver for another major must not drive it."""


@dataclass(frozen=True, kw_only=True)
class Register:
    """A 32-bit register at byte `offset`.

    access: ro, wo or rw; any other access is refused (SLVERR). bits: width of what is kept.
    locked: part of a job's description, not writable while BUSY.
    """

    name: str
    offset: int
    access: str
    doc: str
    bits: int = 32
    locked: bool = False


class Code(enum.IntEnum):
    """Why a job ended in ERROR: STATUS bits 15 to 8."""

    NONE = 0
    READ_SLVERR = 1
    READ_DECERR = 2
    WRITE_SLVERR = 3
    WRITE_DECERR = 4
    READ_TIMEOUT = 5
    WRITE_TIMEOUT = 6
    READ_WINDOW = 7
    WRITE_WINDOW = 8
    ILLEGAL = 9
    OVERLAY = 10
    OVERFLOW = 11
    STARVED = 12
    LEFTOVER = 13
    CYCLES = 14


CODES: dict[Code, str] = {
    Code.NONE: "no error",
    Code.READ_SLVERR: "the memory answered a read with SLVERR",
    Code.READ_DECERR: "the memory answered a read with DECERR",
    Code.WRITE_SLVERR: "the memory answered a write with SLVERR",
    Code.WRITE_DECERR: "the memory answered a write with DECERR",
    Code.READ_TIMEOUT: "the memory gave no answer to a read for TIMEOUT cycles",
    Code.WRITE_TIMEOUT: "the memory gave no answer to a write for TIMEOUT cycles",
    Code.READ_WINDOW: "a read burst would leave MEM_BASE to MEM_LIMIT",
    Code.WRITE_WINDOW: "a write burst would leave MEM_BASE to MEM_LIMIT",
    Code.ILLEGAL: "an instruction that no stage can run",
    Code.OVERLAY: "the program was made for another overlay",
    Code.OVERFLOW: "more instructions under way than a queue holds",
    Code.STARVED: "the stages wait for one another",
    Code.LEFTOVER: "the last layer ended while reads or instructions were under way",
    Code.CYCLES: "the job took CYCLE_LIMIT cycles",
}
"""What a code means, for messages and docs."""

STATUS_BITS: dict[str, int] = {
    "BUSY": 0,
    "DONE": 1,
    "ERROR": 2,
    "ABORTED": 3,
    "START_IGNORED": 4,
    "DRAINING": 5,
}
"""Flags of STATUS. DONE, ERROR and ABORTED raise irq."""

CODE_SHIFT = 8
"""STATUS holds the Code from this bit on."""

STAGE_SHIFT = 30
"""ERROR_INFO holds the stage from this bit on; below it the instruction's place in the program."""

CONTROL_BITS: dict[str, int] = {"START": 0, "ABORT": 1, "SOFT_RESET": 2}
"""What a 1 written to CONTROL asks for."""


def _counter(name: str, offset: int, doc: str) -> list[Register]:
    return [
        Register(name=name, offset=offset, access="ro", doc=f"{doc}, low half; holds the high one"),
        Register(name=f"{name}_HI", offset=offset + 4, access="ro", doc=f"{doc}, held high half"),
    ]


def _bits(bits: dict[str, int]) -> str:
    return ", ".join(f"bit {bit} {name}" for name, bit in bits.items())


COUNTERS = {
    "CYCLES": "cycles from START to irq",
    "EXEC_RUN": "cycles in which the array got a word",
    "EXEC_WAIT_LHS": "cycles in which execute waited for weights",
    "EXEC_WAIT_RHS": "cycles in which execute waited for activations",
    "EXEC_WAIT_RESULT": "cycles in which execute waited for the result stage",
    "READ_BEATS": "bus words read",
    "WRITE_BEATS": "bus words written",
    "LAYERS": "layers done; one that runs in bands of rows counts each band",
}
"""64-bit event counters, cleared by START, in the order of their addresses from COUNTER_BASE on."""

COUNTER_BASE = 0x40
"""A multiple of their size together: bits 3 and up of an address say which one it is."""


def _job(name: str, offset: int, doc: str, bits: int = 32) -> Register:
    return Register(name=name, offset=offset, access="rw", doc=doc, bits=bits, locked=True)


REGISTERS: tuple[Register, ...] = (
    Register(name="ID", offset=0x00, access="ro", doc="fingerprint of the overlay's configuration"),
    Register(name="CONTROL", offset=0x04, access="wo", doc=_bits(CONTROL_BITS)),
    Register(
        name="STATUS",
        offset=0x08,
        access="ro",
        doc=f"{_bits(STATUS_BITS)}, bits 15 to {CODE_SHIFT} error code",
    ),
    Register(
        name="IRQ_CLEAR",
        offset=0x0C,
        access="wo",
        doc="bit 0: clear STATUS, all but BUSY and DRAINING",
    ),
    _job("PROG_ADDR", 0x10, "byte address of the program"),
    _job("PROG_WORDS", 0x14, "instructions of the program's first piece", 16),
    Register(
        name="VERSION", offset=0x18, access="ro", doc="of this map: bits 31 to 16 major, then minor"
    ),
    _job("MEM_BASE", 0x1C, "first byte of the window that jobs may touch, on a bus word"),
    _job("MEM_LIMIT", 0x20, "first byte beyond the window; 0 after reset: nothing may be touched"),
    _job("TIMEOUT", 0x24, "cycles without an answer that end a job, 0 for any", 24),
    _job("CYCLE_LIMIT", 0x28, "most cycles of a job, 0 for any"),
    Register(
        name="ERROR_ADDR", offset=0x2C, access="ro", doc="address of the bus word that went wrong"
    ),
    Register(
        name="ERROR_INFO",
        offset=0x30,
        access="ro",
        doc=f"bits 31 to {STAGE_SHIFT} stage (3: none), bits 15 to 0 instruction of the program",
    ),
    *(
        r
        for i, (name, doc) in enumerate(COUNTERS.items())
        for r in _counter(name, COUNTER_BASE + 8 * i, doc)
    ),
)

OFFSETS: dict[str, int] = {r.name: r.offset for r in REGISTERS}


_INTRODUCTION = f"""\
Version {VERSION >> 16}.{VERSION & 0xFFFF} of the map. The control port is AXI4-Lite: addresses of \
{ADDRESS_BITS} bits, words of 32.
What can be written is 0 after reset, and WSTRB is honoured. An access that the table does not allow
is answered SLVERR and has no effect; so is a write to a *locked* register while BUSY. DONE, ERROR
and ABORTED hold irq until IRQ_CLEAR or the next START."""


def markdown() -> str:
    """docs/registers.md."""
    registers = [
        [f"{r.offset:#05x}", f"`{r.name}`", r.access, str(r.bits), "yes" if r.locked else "", r.doc]
        for r in REGISTERS
    ]
    codes = [[str(int(code)), f"`{code.name}`", CODES[code]] for code in Code]
    return "\n".join(
        [
            "# Registers",
            "",
            "Generated from `hw/csr.py` by `make docs`; do not edit.",
            "",
            _INTRODUCTION,
            "",
            *_table(["offset", "name", "access", "bits", "locked", "meaning"], registers),
            "",
            "Of a counter the low half is read first: it holds the high half of the same instant.",
            "",
            "## Error codes",
            "",
            f"Bits 15 to {CODE_SHIFT} of STATUS, when ERROR is set.",
            "",
            *_table(["code", "name", "meaning"], codes),
            "",
        ]
    )


def _table(columns: list[str], rows: list[list[str]]) -> list[str]:
    head = [columns, ["---"] * len(columns)]
    return [f"| {' | '.join(row)} |" for row in (*head, *rows)]
