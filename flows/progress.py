"""Progress of long work on stderr: `[3/12] simulate conv2`, elapsed and remaining time.

One plain line a step when stderr is no terminal; on a terminal the line of the step under way is
written over. Never on stdout, which belongs to the result.
"""

import contextlib
import sys
import time
from typing import TextIO


class Progress:
    """Counts steps. `total` may be corrected while it runs."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self.total = total
        self.done = 0
        self._stream = sys.stderr if stream is None else stream
        self._started = time.monotonic()
        self._terminal = self._stream.isatty()
        self._title = ""

    def begin(self, title: str) -> None:
        """A step starts."""
        self.done += 1
        self.total = max(self.total, self.done)
        self._title = f"[{self.done}/{self.total}] {title}"
        self._write(f"{self._title} {self._times()}", over=self._terminal)

    def inside(self, done: int, total: int, unit: str) -> None:
        """How far the step is; shown on a terminal only."""
        if self._terminal:
            self._write(f"{self._title}: {unit} {done}/{total} {self._times()}", over=True)

    def end(self, note: str) -> None:
        """The step is over; `note`: what came out of it."""
        lead = self._title if self._terminal else "   "
        self._write(f"{lead} {note}", over=False)

    def say(self, text: str) -> None:
        """A line of its own."""
        self._write(text, over=False)

    def _times(self) -> str:
        elapsed = time.monotonic() - self._started
        left = elapsed / max(1, self.done - 1) * (self.total - self.done + 1)
        known = f", about {_clock(left)} left" if self.done > 1 else ""
        return f"({_clock(elapsed)} elapsed{known})"

    def _write(self, text: str, over: bool) -> None:
        begin, end = ("\r\x1b[K" if self._terminal else ""), ("" if over else "\n")
        with contextlib.suppress(BrokenPipeError):
            self._stream.write(begin + text + end)
            self._stream.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
