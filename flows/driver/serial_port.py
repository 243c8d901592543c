"""A serial port as a stream of bytes: POSIX terminals, raw, 8 data bits, no parity."""

import fcntl
import os
import select
import termios
import time
import tty
from pathlib import Path

from ir.errors import ConfigError, ToolError

READ_BYTES = 65536


def speeds() -> dict[int, int]:
    """{baud: its constant} of those that this system knows."""
    names = [name for name in dir(termios) if name.startswith("B") and name[1:].isdigit()]
    return {int(name[1:]): getattr(termios, name) for name in names if int(name[1:]) > 0}


class SerialPort:
    """An open port that no one else drives; `with` closes it.

    ConfigError: there is no such port, it may not be used, or cannot be as fast as `baud`.
    """

    def __init__(self, path: str | Path, baud: int) -> None:
        self.path = str(path)
        known = speeds()
        if baud not in known:
            nearest = min(known, key=lambda speed: abs(speed - baud))
            raise ConfigError(f"{baud} baud is no speed of this system; the nearest is {nearest}")
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise ConfigError(f"cannot open port {self.path}: {error.strerror}") from error
        try:
            self._prepare(known[baud])
        except BaseException:
            os.close(self._file)
            raise

    def _prepare(self, speed: int) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            tty.setraw(self._file, termios.TCSANOW)
            settings = termios.tcgetattr(self._file)
            settings[2] |= termios.CLOCAL | termios.CREAD
            settings[2] &= ~(termios.CSTOPB | termios.CRTSCTS)
            settings[4] = settings[5] = speed
            termios.tcsetattr(self._file, termios.TCSANOW, settings)
            termios.tcflush(self._file, termios.TCIOFLUSH)
        except BlockingIOError as error:
            raise ConfigError(f"port {self.path} is used by another program") from error
        except (OSError, termios.error) as error:
            raise ConfigError(f"{self.path} is no serial port: {error.args[-1]}") from error

    def __enter__(self) -> "SerialPort":
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._file)

    def write(self, data: bytes, timeout_s: float) -> None:
        """All of `data`; ToolError when the port does not take it in time."""
        deadline = time.monotonic() + timeout_s
        while data:
            self._wait(deadline, writing=True)
            try:
                data = data[os.write(self._file, data) :]
            except OSError as error:
                raise self._lost(error.strerror or str(error)) from error

    def read(self, deadline: float) -> bytes:
        """What has come, at least a byte; b"" when none did until `deadline` (monotonic)."""
        if not self._wait(deadline, writing=False):
            return b""
        try:
            data = os.read(self._file, READ_BYTES)
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error
        if not data:
            raise self._lost("the other end is gone")
        return data

    def _wait(self, deadline: float, *, writing: bool) -> bool:
        left = max(0.0, deadline - time.monotonic())
        mine = [self._file]
        ready = select.select([] if writing else mine, mine if writing else [], [], left)
        if writing and not ready[1]:
            raise self._lost("it takes no bytes")
        return any(ready)

    def _lost(self, reason: str) -> ToolError:
        return ToolError(f"uart:{self.path}", reason=reason, fix="is the board still connected?")
