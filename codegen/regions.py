"""Which data lies where in external memory."""

from __future__ import annotations

from hw.config import OverlayConfig


class Regions:
    """Hands out addresses, each region beginning on a 64-byte boundary; takes regions back."""

    ALIGN = 64

    def __init__(self, config: OverlayConfig) -> None:
        self._align = max(self.ALIGN, config.bus_bytes)
        self._next = 0
        self._sizes: dict[int, int] = {}
        self._free: dict[int, int] = {}

    def take(self, size: int, *, fresh: bool = False) -> int:
        """Address of a region of `size` bytes: of the smallest free one that holds it, or new.

        fresh: nothing lay there before.
        """
        size += -size % self._align
        fitting = [(free, address) for address, free in self._free.items() if free >= size]
        if fresh or not fitting:
            address, self._next = self._next, self._next + size
        else:
            free, address = min(fitting)
            del self._free[address]
            if free > size:
                self._free[address + size] = free - size
        self._sizes[address] = size
        return address

    def give(self, address: int) -> None:
        """The region at `address` is free again; it joins its free neighbours."""
        size = self._sizes.pop(address)
        before = next((a for a, free in self._free.items() if a + free == address), address)
        if before != address:
            size += self._free.pop(before)
        size += self._free.pop(before + size, 0)
        self._free[before] = size

    @property
    def size(self) -> int:
        """Bytes in use at most so far."""
        return self._next
