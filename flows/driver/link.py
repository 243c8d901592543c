"""What a driver needs of a device, wherever it is."""

from collections.abc import Iterator
from typing import Protocol

from hw.csr import OFFSETS, STATUS_BITS

ENDED = sum(1 << STATUS_BITS[name] for name in ("DONE", "ERROR", "ABORTED"))
"""STATUS bits that raise irq."""


class Link(Protocol):
    """Registers and memory of one device.

    Every method raises ToolError when the device does not answer or refuses an access, and
    MismatchError when a simulated one breaks a rule.
    """

    @property
    def name(self) -> str:
        """What it is, for messages."""
        ...

    def read32(self, offset: int) -> int:
        """A register."""
        ...

    def write32(self, offset: int, value: int) -> None:
        """Write a register."""
        ...

    def read_memory(self, address: int, size: int) -> bytes:
        """`size` bytes of memory."""
        ...

    def write_memory(self, address: int, data: bytes) -> None:
        """Bytes into memory."""
        ...

    def wait_irq(self, cycles: int) -> bool:
        """Wait until the job has ended; False: it did not within `cycles` of the overlay's clock.

        Where time is not the overlay's, as much of it as `cycles` take at the slowest.
        """
        ...


def has_ended(link: Link) -> bool:
    """Whether STATUS says that irq is high."""
    return bool(link.read32(OFFSETS["STATUS"]) & ENDED)


def pieces(address: int, size: int, most: int) -> Iterator[tuple[int, int]]:
    """(address, bytes) of pieces of at most `most` bytes."""
    for begin in range(0, size, most):
        yield address + begin, min(most, size - begin)
