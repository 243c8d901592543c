"""The chip of every board with an open flow: one Verilog text, and each pin once."""

import re
from dataclasses import replace

import pytest

from boards.loader import Board, board_names, load_board
from codegen.board_top import emit_board_top
from codegen.emit import emit_verilog
from hw.config import OverlayConfig
from hw.overlays.bit_serial import BitSerial
from hw.tops.top import BoardParameters
from ir.errors import ConfigError

OPEN = [name for name in board_names() if load_board(name).has_open_flow]
DEPTHS = {"lhs_depth": 32, "rhs_depth": 128, "ring_depth": 16, "table_depth": 8}


def overlay_for(board: Board) -> OverlayConfig:
    return BitSerial(dm=1, dk=8, dn=1, memory_bits=board.memory.bus_bits, **DEPTHS)


@pytest.mark.parametrize("name", OPEN)
def test_every_open_board_has_a_chip(name: str) -> None:
    board = load_board(name)
    config = overlay_for(board)
    top = emit_board_top(board, config)
    assert board.pins is not None
    for port, pin in board.pins.by_port().items():
        place = f'LOCATE COMP "{port}" SITE "{pin.site}";'
        line = place if board.family == "ecp5" else f"{port} {pin.site}\n"
        assert top.constraints.count(line) == 1
    defined = [line for line in top.verilog.splitlines() if line.startswith("module ")]
    assert len(defined) == len(set(defined)), "a module is defined once"
    assert emit_verilog(config) in top.verilog, "the overlay is the text that is proved elsewhere"
    cell = {"ecp5": "EHXPLLL", "ice40": "SB_PLL40_CORE"}[board.family]
    same = board.clock.clk_period_ns == board.clock.oscillator_period_ns
    assert (cell in top.verilog) != same


def test_pulls_and_standards_reach_the_constraints() -> None:
    top = emit_board_top(load_board("ulx3s_85f"), overlay_for(load_board("ulx3s_85f")))
    assert 'FREQUENCY PORT "clock" 25.000000 MHZ;' in top.constraints
    assert 'IOBUF PORT "reset_button" IO_TYPE=LVCMOS33 PULLMODE=DOWN;' in top.constraints
    board = load_board("icebreaker")
    small = emit_board_top(board, overlay_for(board))
    assert "set_frequency clock 12.000000\n" in small.constraints
    assert "set_io -pullup yes reset_button 10\n" in small.constraints
    assert small.parameters.inverted == {"reset_button", "leds"}
    assert small.parameters.bit_cycles == 12


def test_one_led_has_no_index() -> None:
    board = load_board("ice40_hx8k_evn")
    assert board.pins is not None
    one = replace(board, pins=replace(board.pins, leds=board.pins.leds[:1]))
    assert "set_io leds C3\n" in emit_board_top(one, overlay_for(board)).constraints


def test_every_led_is_inverted_or_none() -> None:
    board = load_board("icebreaker")
    assert board.pins is not None
    leds = (*board.pins.leds, replace(board.pins.leds[0], site="27"))
    more = replace(board, pins=replace(board.pins, leds=leds))
    text = emit_board_top(more, overlay_for(board)).verilog
    assert re.search(r"assign leds = ~ ?\{ 1'h0, irq,", text), "the third is dark"


def test_what_has_no_top() -> None:
    board = load_board("pynq_z2")
    message = r"board pynq_z2: part xc7z020clg400-1 has no open flow \(toolchain vivado\); `bitwri"
    with pytest.raises(ConfigError, match=message):
        emit_board_top(board, overlay_for(board))


def test_what_does_not_go_together() -> None:
    board = load_board("ulx3s_85f")
    config = overlay_for(board)
    odd = replace(board.clock, clk_period_ns=30.3)
    with pytest.raises(ConfigError, match="no ECP5 PLL makes 33.0033 MHz of 25 MHz"):
        emit_board_top(replace(board, clock=odd, uart_baud=115200), config)
    slow = replace(board.clock, clk_period_ns=400.0)
    for baud, cycles in ((2_000_000, "1.25"), (576_000, "4.34")):
        with pytest.raises(
            ConfigError, match=f"a clock of 2.5 MHz makes no uart_baud of {baud}: it has {cycles}"
        ):
            emit_board_top(replace(board, clock=slow, uart_baud=baud), config)


def test_a_simulation_chooses_its_own_bits() -> None:
    facts = {"memory_bits": 64, "memory_bytes": 4096, "oscillator_hz": 1e6, "clock_hz": 1e6}
    parameters = BoardParameters(family="ecp5", **facts, baud=1_000_000, clocks_per_bit=4)
    assert parameters.bit_cycles == 4
