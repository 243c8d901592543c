"""All proofs."""

from __future__ import annotations

from flows.formal import arithmetic, bounds, streams, tokens
from flows.formal.proof import Proof
from hw.overlays.bit_serial import BitSerial

_DEPTHS = {"lhs_depth": 16, "rhs_depth": 16, "ring_depth": 16, "table_depth": 16}
SMALLEST = BitSerial(dm=1, dk=16, dn=1, memory_bits=64, **_DEPTHS)
"""The overlay whose parts are proved: small, so that its memories are."""


def proofs() -> list[Proof]:
    """Every proof, in the order in which they run."""
    return [
        *arithmetic.proofs(),
        *bounds.proofs(SMALLEST),
        *tokens.proofs(SMALLEST),
        *streams.proofs(SMALLEST),
    ]
