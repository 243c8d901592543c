"""A board's whole chip as text: the top around an overlay as Verilog, and its pins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from amaranth.back import verilog

from boards.loader import Board, board_file
from boards.pins import Pin, Pins
from codegen.emit import emit_verilog, without_memory_zeros
from hw.config import OverlayConfig
from hw.shared import Library
from hw.tops.top import TOP, BoardParameters, Top
from ir.errors import ConfigError

MODULE = re.compile(r"^module (\w+)\(", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class BoardTop:
    """verilog: with all modules. top: the name of its top. constraints: text of the LPF or PCF.

    parameters: what the top was made of.
    """

    verilog: str
    top: str
    constraints: str
    parameters: BoardParameters


def emit_board_top(
    board: Board, config: OverlayConfig, *, clocks_per_bit: int | None = None
) -> BoardTop:
    """The chip of a board with an overlay. clocks_per_bit: for a simulated serial line.

    ConfigError: the board has no open flow, its clock cannot be made, or the overlay's bus is not
    the memory's.
    """
    pins = top_pins(board)
    if config.memory_bits != board.memory.bus_bits:
        raise ConfigError(
            f"board {board.name}: the overlay has a bus of {config.memory_bits} bits, the board's "
            f"memory one of {board.memory.bus_bits}"
        )
    parameters = _parameters(board, pins, clocks_per_bit)
    overlay = emit_verilog(config)
    library = Library()
    library.modules = dict.fromkeys(MODULE.findall(overlay))  # memories of one size are one module
    plain = {"emit_src": False, "strip_internal_attrs": True}
    parts = [verilog.convert(Top(parameters=parameters), name=TOP, platform=library, **plain)]
    for name, module in library.modules.items():
        if module is not None:
            parts.append(verilog.convert(module, name=name, **plain))
    writer = {"ecp5": _lpf, "ice40": _pcf}[board.family]
    return BoardTop(
        verilog=without_memory_zeros("\n".join([*parts, overlay])),
        top=TOP,
        constraints=writer(pins, oscillator_mhz=1e3 / board.clock.oscillator_period_ns),
        parameters=parameters,
    )


def top_pins(board: Board) -> Pins:
    """The pins of a board with an open flow; ConfigError: it has none."""
    if not board.has_open_flow or board.pins is None:
        raise ConfigError(
            f"board {board.name}: part {board.part} has no open flow (toolchain "
            f"{board.toolchain}); `bitwright export` writes an IP folder for Vivado"
        )
    return board.pins


def check_board_top(board: Board) -> None:
    """ConfigError with the board's file: it has an open flow, but no clock or serial line of it."""
    if board.has_open_flow:
        try:
            _parameters(board, top_pins(board), None)
        except ConfigError as error:
            raise ConfigError(f"{board_file(board.name)}: {error}") from error


def _parameters(board: Board, pins: Pins, clocks_per_bit: int | None) -> BoardParameters:
    by_port = pins.by_port()
    inverted = {port.partition("[")[0] for port, pin in by_port.items() if pin.inverted}
    return BoardParameters(
        family=board.family,  # type: ignore[arg-type]
        memory_bits=board.memory.bus_bits,
        memory_bytes=board.memory.size_bytes,
        oscillator_hz=1e9 / board.clock.oscillator_period_ns,
        clock_hz=board.clock.frequency_hz,
        baud=board.uart_baud,
        reset_button=pins.reset_button is not None,
        leds=len(pins.leds),
        inverted=frozenset(inverted),
        pll_pad=pins.pll_pad,
        clocks_per_bit=clocks_per_bit,
    )


def _ports(pins: Pins) -> Mapping[str, Pin]:
    """As Verilog names them: a vector of one bit has no index."""
    found = pins.by_port()
    return {"leds" if len(pins.leds) == 1 and "[" in p else p: pin for p, pin in found.items()}


def _lpf(pins: Pins, *, oscillator_mhz: float) -> str:
    lines = [f'FREQUENCY PORT "clock" {oscillator_mhz:.6f} MHZ;']
    for port, pin in _ports(pins).items():
        settings = {"IO_TYPE": pin.io_type, "PULLMODE": pin.pull.upper()}
        words = [f"{key}={value}" for key, value in settings.items() if value]
        lines.append(f'LOCATE COMP "{port}" SITE "{pin.site}";')
        if words:
            lines.append(f'IOBUF PORT "{port}" {" ".join(words)};')
    return "\n".join(lines) + "\n"


def _pcf(pins: Pins, *, oscillator_mhz: float) -> str:
    lines = [f"set_frequency clock {oscillator_mhz:.6f}"]
    for port, pin in _ports(pins).items():
        pull = " -pullup yes" if pin.pull == "up" else ""
        lines.append(f"set_io{pull} {port} {pin.site}")
    return "\n".join(lines) + "\n"
