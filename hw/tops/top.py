"""A board's top: pins, clock, reset, and the system behind them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from hw.tops.pll import (
    Ecp5Dividers,
    Ice40Dividers,
    ecp5_dividers,
    ecp5_pll,
    ice40_dividers,
    ice40_pll,
)
from hw.tops.system import System
from ir.errors import ConfigError

TOP = "bitwright_board"
"""Module name in the emitted Verilog."""

RESET_CYCLES = 256
"""Of the overlay's clock, from the PLL's lock on: block RAMs of iCE40 need 3 us."""

HEARTBEAT_BITS = 25
MOST_BAUD_ERROR = 0.02
"""Of the baud rate: a byte is ten bits, and its last must be sampled within itself."""


@dataclass(frozen=True, kw_only=True)
class BoardParameters:
    """What a top is made of.

    oscillator_hz, clock_hz   what is soldered, what the system runs at
    baud                      of the serial line
    leds                      how many: the first blinks, the second says that a job has ended
    inverted                  ports that are low when active
    pll_pad                   the oscillator is on the PLL's own pin (iCE40)
    clocks_per_bit            instead of what `baud` says: a simulation's line may be faster
    """

    family: Literal["ecp5", "ice40"]
    memory_bits: int
    memory_bytes: int
    oscillator_hz: float
    clock_hz: float
    baud: int
    reset_button: bool = False
    leds: int = 0
    inverted: frozenset[str] = frozenset()
    pll_pad: bool = False
    clocks_per_bit: int | None = None

    def __post_init__(self) -> None:
        wanted = self.clock_hz / self.baud
        if self.clocks_per_bit is None and (
            wanted < 4 or abs(round(wanted) / wanted - 1) > MOST_BAUD_ERROR
        ):
            raise ConfigError(
                f"a clock of {self.clock_hz / 1e6:g} MHz makes no uart_baud of {self.baud}: it has "
                f"{wanted:.2f} cycles a bit, which must be near an integer of at least 4"
            )
        _ = self.dividers  # refused here, not in the middle of the emission

    @property
    def bit_cycles(self) -> int:
        """Clock cycles of a bit on the line."""
        return self.clocks_per_bit or round(self.clock_hz / self.baud)

    @cached_property
    def dividers(self) -> Ecp5Dividers | Ice40Dividers | None:
        """Of the PLL that makes the clock; None where it is the oscillator's."""
        if self.oscillator_hz == self.clock_hz:
            return None
        make = {"ecp5": ecp5_dividers, "ice40": ice40_dividers}[self.family]
        return make(self.oscillator_hz, self.clock_hz)


class Top(wiring.Component):
    """The whole chip. Ports, all of one bit but the LEDs:

    clock : In       the oscillator          reset_button : In     where the board has one
    uart_rx : In     into the chip           uart_tx : Out
    leds : Out
    """

    clock: Signal
    uart_rx: Signal
    uart_tx: Signal
    reset_button: Signal
    leds: Signal

    def __init__(self, *, parameters: BoardParameters) -> None:
        self.parameters = parameters
        members = {"clock": In(1), "uart_rx": In(1), "uart_tx": Out(1)}
        if parameters.reset_button:
            members["reset_button"] = In(1)
        if parameters.leds:
            members["leds"] = Out(parameters.leds)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        parameters = self.parameters
        locked = self._clock(m)
        self._reset(m, locked)
        m.submodules.system = system = System(
            memory_bits=parameters.memory_bits,
            memory_bytes=parameters.memory_bytes,
            clock_hz=round(parameters.clock_hz),
            clocks_per_bit=parameters.bit_cycles,
        )
        m.d.comb += [system.rx.eq(self.uart_rx), self.uart_tx.eq(system.tx)]
        if parameters.leds:
            beat = Signal(HEARTBEAT_BITS)
            m.d.sync += beat.eq(beat + 1)
            lights = Signal.like(self.leds)
            dark = "leds" in parameters.inverted
            m.d.comb += [
                lights.eq(Cat(beat[-1], system.irq)),
                self.leds.eq(~lights if dark else lights),
            ]
        return m

    def _clock(self, m: Module) -> Signal:
        """The domains `start`, without reset, and `sync`, of the same clock. Whether it is up."""
        parameters = self.parameters
        m.domains += [ClockDomain("sync"), ClockDomain("start", reset_less=True)]
        clock, locked = Signal(), Signal()
        m.d.comb += [ClockSignal("sync").eq(clock), ClockSignal("start").eq(clock)]
        wires = {"clock_in": self.clock, "clock": clock, "locked": locked}
        dividers = parameters.dividers
        if dividers is None:
            m.d.comb += [clock.eq(self.clock), locked.eq(1)]
        elif isinstance(dividers, Ecp5Dividers):
            m.submodules.pll = ecp5_pll(dividers, **wires)
        else:
            m.submodules.pll = ice40_pll(dividers, **wires, pad=parameters.pll_pad)
        return locked

    def _reset(self, m: Module, locked: Signal) -> None:
        """Until RESET_CYCLES after the PLL's lock and the button's release."""
        holds, held = Signal(), Signal()
        pressed = Signal()
        if self.parameters.reset_button:
            low = "reset_button" in self.parameters.inverted
            m.d.comb += pressed.eq(~self.reset_button if low else self.reset_button)
        m.d.comb += holds.eq(~locked | pressed)
        m.submodules.reset_line = FFSynchronizer(holds, held, o_domain="start", reset_less=True)
        count, running = Signal(range(RESET_CYCLES)), Signal()
        m.d.start += [count.eq(count + 1), running.eq(running | (count == RESET_CYCLES - 1))]
        with m.If(held):
            m.d.start += [count.eq(0), running.eq(0)]
        m.d.comb += ResetSignal("sync").eq(~running)
