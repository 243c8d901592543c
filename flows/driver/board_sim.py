"""A whole board in Verilator, pins and all; its serial line is a pseudo-terminal.

with simulated_board(board, config, folder) as port:
    link = UartLink(SerialPort(port, board.uart_baud))
"""

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from boards.loader import Board
from boards.pins import Pin
from codegen.board_top import BoardTop, emit_board_top
from flows import toolchain
from flows.sim_design import SIM_TESTS, Design
from flows.simulator import DEFAULT_CACHE, build
from hw.cells import cell_models
from hw.config import OverlayConfig
from ir.errors import ConfigError, ToolError
from ir.files import read_text

CLOCKS_PER_BIT = 4
"""Of the simulated line: a terminal has no baud, and fewer cycles a byte are simulated faster."""

SOURCES = ("board.cpp", "pll_models.sv")
START_TIMEOUT_S = 20.0
POLL_S = 0.02


def board_design(board: Board, config: OverlayConfig) -> Design:
    """The chip of a board and the main around it."""
    top = emit_board_top(board, config, clocks_per_bit=CLOCKS_PER_BIT)
    files = {name: read_text(SIM_TESTS / name) for name in SOURCES}
    button = board.pins.reset_button if board.pins else None
    cells = {path.name: read_text(path) for path in cell_models(top.verilog).values()}
    sources = {"board.v": top.verilog, "board.h": _header(top, button), **cells, **files}
    return Design(sources=sources, top=top.top, kind="harness")


@contextlib.contextmanager
def simulated_board(
    board: Board, config: OverlayConfig, folder: Path, *, cache: str | Path = DEFAULT_CACHE
) -> Iterator[str]:
    """The path of the port behind which the board is, until the block ends. Its log: in `folder`.

    Each board of a folder has a port of its own: where it says which is nobody else's place.
    ConfigError: the board has no top. ToolError: it cannot be built or started.
    """
    simulator = build(board_design(board, config), cache=cache)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "board.log"
    with tempfile.TemporaryDirectory(prefix="bitwright-") as name:
        place = Path(name) / "port.txt"
        command = [simulator.executable, place]
        with open(log, "wb") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            yield _port(process, place, log)
        finally:
            process.kill()
            process.wait()


def _port(process: "subprocess.Popen[bytes]", place: Path, log: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(ConfigError):
            text = read_text(place)
            if text.endswith("\n"):
                return text.strip()
        time.sleep(POLL_S)
    tail = toolchain.last_lines(log)
    raise ToolError("simulated board", process.poll(), log, "read the log", "gave no port", tail)


def _header(top: BoardTop, button: Pin | None) -> str:
    """What board.cpp must know of the chip."""
    rest = f"top.reset_button = {int(button.inverted)};" if button else ""
    return (
        f"#define CLOCKS_PER_BIT {top.parameters.bit_cycles}\n"
        f"inline void release_button(Vtop& top) {{ {rest} }}\n"
    )
