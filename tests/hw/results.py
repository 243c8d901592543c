"""The result ring as a test sees it: the bits that were written, and where tensors lie."""

from __future__ import annotations

from typing import Any

import numpy as np

from codegen.memory import pack_activations
from codegen.tiling import Tiling
from hw.config import OverlayConfig
from hw.ring import element_units


class RingImage:
    """Ring writes without the wrap: what was written since the ring's begin, bit by bit."""

    def __init__(self, config: OverlayConfig) -> None:
        self.config = config
        self.units_seen = 0
        self.bits: dict[int, int] = {}

    def write(self, write: Any) -> None:
        """One cycle of the ring's write port (a constant of ring_layout)."""
        unit = self.config.write_unit
        lap = self.config.ring_depth * self.config.memory_bits
        place = write.place * unit
        units = element_units(self.config) if write.element else write.units
        if not write.valid:
            return
        if units:  # the nearest lap: writes never go back by half a ring
            while place < self.units_seen - lap // 2:
                place += lap
            self.units_seen = max(self.units_seen, place)
        for index in range(units * unit):
            self.bits[place + index] = write.bits >> index & 1

    def bytes(self, first_word: int, size: int) -> bytes:
        """`size` bytes from a word on; bits that nobody wrote are zeros."""
        begin = first_word * self.config.memory_bits
        bits = [self.bits.get(begin + index, 0) for index in range(8 * size)]
        return np.packbits(np.array(bits, np.uint8), bitorder="little").tobytes()


def expected_bytes(codes: np.ndarray, tiling: Tiling) -> bytes:
    """codes (M, H, W) as the device lays them out, to the end of the last bus word."""
    if tiling.shape.elements:
        raw = codes.transpose(1, 2, 0).astype("<i4").tobytes()
        return raw + bytes(tiling.output_bytes - len(raw))
    return pack_activations(
        codes,
        tiling.shape.output,
        channel_bits=tiling.row_bits,
        q=tiling.config.q,
        bus_bytes=tiling.config.bus_bytes,
    )
