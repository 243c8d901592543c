"""Simulated boards side by side; the board itself is a script here."""

from pathlib import Path

import pytest

from boards.loader import load_board
from flows.driver import board_sim
from flows.driver.board_sim import simulated_board
from flows.simulator import Simulator
from hw.overlays.bit_serial import BitSerial
from ir.errors import ToolError

CONFIG = BitSerial(dm=1, dk=8, dn=1)


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program whose port is the place where it is told to write it."""
    program = tmp_path / "board"
    program.write_text('#!/bin/sh\necho "$1" > "$1"\nexec sleep 60\n')
    program.chmod(0o755)
    simulator = Simulator(executable=program, built=False, seconds=0.0)
    monkeypatch.setattr(board_sim, "build", lambda design, cache: simulator)
    monkeypatch.setattr(board_sim, "board_design", lambda board, config: None)
    return program


def test_two_boards_of_one_folder_say_their_ports_in_two_places(
    board: Path, tmp_path: Path
) -> None:
    made, folder = load_board("ulx3s_85f"), tmp_path / "device"
    with simulated_board(made, CONFIG, folder) as first:
        with simulated_board(made, CONFIG, folder) as second:
            assert Path(first).is_file() and Path(second).is_file() and first != second
        assert sorted(path.name for path in folder.iterdir()) == ["board.log"]


def test_a_board_that_gives_no_port(board: Path, tmp_path: Path) -> None:
    board.write_text("#!/bin/sh\necho no terminal\nexit 3\n")
    with pytest.raises(ToolError, match=r"gave no port(.|\n)*exit code: 3(.|\n)*no terminal"):
        with simulated_board(load_board("ulx3s_85f"), CONFIG, tmp_path):
            pass
