"""The pins of a board that its top needs."""

import re
from dataclasses import dataclass, fields

from ir.errors import ConfigError, shorten

SITE = re.compile(r"[A-Z]{0,2}[0-9]{1,3}")
IO_TYPE = re.compile(r"[A-Z][A-Z0-9_]*")
EITHER_LEVEL = ("reset_button", "leds")
"""Ports that may be low when active: the top turns no others."""


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A ball or lead of the part.

    site        as the part's package names it
    io_type     electrical standard, in the words of the toolchain; "": the toolchain's default
    inverted    low when active: a button or an LED
    pull        "up" or "down": a weak resistor inside the part; "": none
    """

    site: str
    io_type: str = ""
    inverted: bool = False
    pull: str = ""

    def __post_init__(self) -> None:
        if not SITE.fullmatch(self.site):
            raise ConfigError(f"site must be a pin's name such as G2 or 35, not {self.site!r}")
        if self.io_type and not IO_TYPE.fullmatch(self.io_type):
            raise ConfigError(
                f"io_type must be a standard such as LVCMOS33, not {shorten(self.io_type)}"
            )
        if self.pull not in ("", "up", "down"):
            raise ConfigError(f"pull must be up or down, not {shorten(self.pull)}")


@dataclass(frozen=True, kw_only=True)
class Pins:
    """clock: the oscillator. uart_rx, uart_tx: as the part sees them, rx goes in.

    reset_button: resets all. leds: the first blinks with the clock, the second says that a job has
    ended. pll_pad: the oscillator's pin belongs to the PLL (iCE40).
    """

    clock: Pin
    uart_rx: Pin
    uart_tx: Pin
    reset_button: Pin | None = None
    leds: tuple[Pin, ...] = ()
    pll_pad: bool = False

    def __post_init__(self) -> None:
        self._check_sites()
        for port, pin in self.by_port().items():
            if pin.inverted and not port.startswith(EITHER_LEVEL):
                raise ConfigError(
                    f"{port}.inverted must be false: only {' and '.join(EITHER_LEVEL)} can be "
                    "inverted"
                )
        if len({pin.inverted for pin in self.leds}) > 1:
            raise ConfigError("leds must be inverted all or none")

    def _check_sites(self) -> None:
        seen: dict[str, str] = {}
        for port, pin in self.by_port().items():
            if pin.site in seen:
                raise ConfigError(f"{port} and {seen[pin.site]} are both at site {pin.site}")
            seen[pin.site] = port

    def by_port(self) -> dict[str, Pin]:
        """{port of the top: its pin}; the LEDs are leds[0], leds[1], ..."""
        found: dict[str, Pin] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Pin):
                found[field.name] = value
        return found | {f"leds[{index}]": pin for index, pin in enumerate(self.leds)}
