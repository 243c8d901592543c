"""The overlays to which the models of area and clock are fitted, and by which they are judged."""

from __future__ import annotations

import contextlib

import numpy as np

from hw.config import OverlayConfig
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from ir.errors import ConfigError

COLUMNS = (
    *("dm", "dk", "dn", "memory_bits", "lhs_depth", "rhs_depth", "ring_depth", "table_depth"),
    *("rhs_ways", "acc_bits", "requant_lanes"),
)

# The corners of the space, which a draw seldom meets: single units, long words, wide and narrow
# arrays, all rows requantized at once.
CORNERS = (
    (1, 16, 1, 64, 256, 256, 64, 32, 1, 16, 1),
    (4, 64, 4, 64, 1024, 1024, 256, 128, 4, 32, 2),
    (8, 64, 8, 64, 2048, 4096, 1024, 512, 4, 32, 4),
    (2, 256, 2, 64, 512, 512, 512, 64, 1, 20, 1),
    (8, 8, 8, 64, 256, 256, 64, 32, 2, 16, 8),
    (4, 4, 16, 64, 256, 256, 64, 32, 2, 12, 1),
    (16, 16, 2, 64, 512, 512, 64, 64, 2, 20, 2),
    (3, 20, 5, 32, 512, 256, 128, 64, 1, 18, 3),
)
FIT_SEED, FIT = 11, 24
HELD_OUT_SEED, HELD_OUT = 2, 32
LEAST_LANES, MOST_LANES = 16, 2048

_DEPTHS = ((128, 256, 1024, 2048), (64, 256, 512, 1024, 4096), (32, 64, 128, 512), (32, 64, 256))
_DIGITS = ((1, 1), (1, 1), (1, 1), (1, 2), (2, 1), (2, 2), (1, 4), (2, 4), (4, 2), (4, 4))


def spread() -> list[tuple[OverlayConfig, bool]]:
    """(overlay, held out) of all overlays: corners and a draw to fit, another draw to judge."""
    fitted = [BitSerial(**dict(zip(COLUMNS, row, strict=True))) for row in CORNERS]
    fitted += drawn_overlays(FIT_SEED, FIT)
    held_out = [c for c in drawn_overlays(HELD_OUT_SEED, HELD_OUT + 8) if c not in fitted]
    return [(c, False) for c in fitted] + [(c, True) for c in held_out[:HELD_OUT]]


def drawn_overlays(seed: int, count: int) -> list[OverlayConfig]:
    """Random overlays of LEAST_LANES to MOST_LANES lanes and all sizes of digits."""
    rng = np.random.default_rng(seed)
    found: list[OverlayConfig] = []
    while len(found) < count:
        p, q = _DIGITS[rng.integers(len(_DIGITS))]
        row = {
            "dm": int(rng.choice([1, 2, 3, 4, 6, 8, 12, 16])),
            "dk": int(rng.choice([4, 8, 16, 24, 32, 48, 64, 96, 128, 256])),
            "dn": int(rng.integers(1, 13)),
            "memory_bits": int(rng.choice([32, 64, 64, 128])),
            "rhs_ways": int(rng.choice([1, 2, 4])),
            "acc_bits": int(rng.integers(12, 33)),
            "k_split": int(rng.integers(4) == 0),
        }
        names = ("lhs_depth", "rhs_depth", "ring_depth", "table_depth")
        row |= {name: int(rng.choice(depths)) for name, depths in zip(names, _DEPTHS, strict=True)}
        row["requant_lanes"] = int(rng.choice([r for r in range(1, 5) if row["dm"] % r == 0]))
        lanes = row["dm"] * row["dk"] * row["dn"]
        if not LEAST_LANES <= lanes <= MOST_LANES:
            continue
        with contextlib.suppress(ConfigError):  # sizes that do not go together
            found.append(BitSerial(**row) if p * q == 1 else BitSlice(**row, p=p, q=q))
    return found
