"""The register map: ONE table, from which RTL, driver, C header and docs are derived."""

from __future__ import annotations

from dataclasses import dataclass

ADDRESS_BITS = 12


@dataclass(frozen=True, kw_only=True)
class Register:
    """A 32-bit register at byte `offset`. access: ro, wo or rw."""

    name: str
    offset: int
    access: str
    doc: str


def _counter(name: str, offset: int, doc: str) -> list[Register]:
    return [
        Register(name=name, offset=offset, access="ro", doc=f"{doc}, low half"),
        Register(name=f"{name}_HI", offset=offset + 4, access="ro", doc=f"{doc}, high half"),
    ]


COUNTERS = {
    "CYCLES": "cycles from START to irq",
    "EXEC_RUN": "cycles in which the array got a word",
    "EXEC_WAIT_LHS": "cycles in which execute waited for weights",
    "EXEC_WAIT_RHS": "cycles in which execute waited for activations",
    "EXEC_WAIT_RESULT": "cycles in which execute waited for the result stage",
    "READ_BEATS": "bus words read",
    "WRITE_BEATS": "bus words written",
    "LAYERS": "layers done",
}
"""64-bit event counters, cleared by START, in the order of their addresses from COUNTER_BASE on."""

COUNTER_BASE = 0x40

REGISTERS: tuple[Register, ...] = (
    Register(name="ID", offset=0x00, access="ro", doc="fingerprint of the overlay's configuration"),
    Register(name="CONTROL", offset=0x04, access="wo", doc="bit 0 START: run the program"),
    Register(name="STATUS", offset=0x08, access="ro", doc="bit 0 BUSY, bit 1 DONE (drives irq)"),
    Register(name="IRQ_CLEAR", offset=0x0C, access="wo", doc="bit 0: clear DONE"),
    Register(name="PROG_ADDR", offset=0x10, access="rw", doc="byte address of the program"),
    Register(
        name="PROG_WORDS", offset=0x14, access="rw", doc="instructions of the program's first piece"
    ),
    *(
        r
        for i, (name, doc) in enumerate(COUNTERS.items())
        for r in _counter(name, COUNTER_BASE + 8 * i, doc)
    ),
)

OFFSETS: dict[str, int] = {r.name: r.offset for r in REGISTERS}
