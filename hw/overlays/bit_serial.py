"""Bit-serial overlay: a lane multiplies bit by bit, a word of Dk lanes takes w * a cycles."""

from __future__ import annotations

from dataclasses import dataclass

from hw.config import Latencies, OverlayConfig
from hw.overlay import Overlay, latencies


@dataclass(frozen=True, kw_only=True)
class BitSerial(OverlayConfig):
    """Digits of one bit on both sides.

    Source: BISMO (Umuroglu et al., FPL 2018); the parts in hw/ say what differs.
    """

    def build(self) -> Overlay:
        return Overlay(config=self)

    def latencies(self) -> Latencies:
        return latencies(self)
