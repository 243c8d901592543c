"""A serial port, on a pseudo-terminal."""

import os
import pty
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.driver.serial_port import SerialPort
from ir.errors import ConfigError, ToolError

BAUD = 115_200


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """(our end, the path of the other)."""
    ours, other = pty.openpty()
    path = os.ttyname(other)
    os.close(other)
    yield ours, path
    os.close(ours)


def test_bytes_pass_as_they_are(terminal: tuple[int, str]) -> None:
    ours, path = terminal
    every = bytes(range(256))  # line ends, end of file, interrupts among them
    with SerialPort(path, BAUD) as port:
        port.write(every, 1.0)
        assert os.read(ours, 1000) == every
        os.write(ours, every)
        found = b""
        while len(found) < len(every):
            found += port.read(time.monotonic() + 1.0)
        assert found == every
        assert port.read(time.monotonic()) == b""


def test_a_port_has_one_driver(terminal: tuple[int, str]) -> None:
    with SerialPort(terminal[1], BAUD):
        with pytest.raises(ConfigError, match="port /dev/.* is used by another program"):
            SerialPort(terminal[1], BAUD)
    with SerialPort(terminal[1], BAUD):
        pass


def test_a_port_that_goes_away(terminal: tuple[int, str]) -> None:
    ours, other = pty.openpty()
    path = os.ttyname(other)
    os.close(other)
    with SerialPort(path, BAUD) as port:
        os.close(ours)
        with pytest.raises(ToolError, match=f"uart:{path}: .*(.|\n)*fix: is the board still conn"):
            port.read(time.monotonic() + 1.0)


def test_what_is_no_port(tmp_path: Path, terminal: tuple[int, str]) -> None:
    with pytest.raises(ConfigError, match="cannot open port /dev/nothing: No such file"):
        SerialPort("/dev/nothing", BAUD)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file is no serial port"):
        SerialPort(tmp_path / "file", BAUD)
    with pytest.raises(ConfigError, match="115201 baud is no speed of this system; the nearest"):
        SerialPort(terminal[1], 115_201)
