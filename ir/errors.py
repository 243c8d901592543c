"""The error types. Each one that a user can cause says what is wrong, where, and the way out.

`exit_code` is what the command line returns for it: 1 a check failed, 2 the input, 3 a tool.
Errors cross process borders: their text is made from attributes, so that they survive pickling.
"""

import shlex
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

SHOWN_CHARACTERS = 80


def shorten(value: object, limit: int = SHOWN_CHARACTERS) -> str:
    """`repr(value)` on one line, cut to `limit` characters: an input may be megabytes long."""
    # The text is cut before repr, which would copy all of it several times.
    text = repr(value[: limit + 1] if isinstance(value, str | bytes) else value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """' (did you mean x?)' for the nearest known name, or '' when none is near."""
    near = get_close_matches(str(name)[:SHOWN_CHARACTERS], list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


class BitwrightError(Exception):
    """Whatever bitwright reports on purpose. Printed as one message, without a traceback."""

    exit_code = 2


class ConfigError(BitwrightError):
    """A config, argument or input file is wrong, or a path cannot be read or written."""


class UnsupportedModelError(BitwrightError):
    """The network holds something the overlay cannot do. Names the layer and the way out."""


class CapacityError(BitwrightError):
    """Something does not fit: a budget, a buffer, a field. Says what it needs and what there is."""


class EncodingError(BitwrightError):
    """A value does not fit its field of an instruction or register."""


class UnknownPluginError(BitwrightError):
    """No plug-in of that name. Lists what there is and suggests the nearest name."""

    def __init__(self, kind: str, name: str, known: Sequence[str] = ()):
        super().__init__(kind, name, known)
        self.kind = kind
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        there_is = ", ".join(self.known) if self.known else "none"
        hint = did_you_mean(self.name, self.known)
        return f"unknown {self.kind} {shorten(self.name)}{hint}; there is: {there_is}"


class ToolError(BitwrightError):
    """An outside program is missing or failed: its command, exit code, log, and the fix."""

    exit_code = 3

    def __init__(
        self,
        command: str | Sequence[str],
        returncode: int | None = None,
        log: str | Path | None = None,
        fix: str = "",
        reason: str = "",
        output: str = "",
    ):
        """`returncode` None: it never ran. `reason`: what we saw where the exit code says too
        little. `output`: the last lines of its log."""
        super().__init__(command)
        self.command = command if isinstance(command, str) else shlex.join(map(str, command))
        self.returncode = returncode
        self.log = log
        self.fix = fix
        self.reason = reason
        self.output = output

    def __str__(self) -> str:
        lines = [f"{shorten_command(self.command)}: {self.reason or self._ended()}"]
        if self.reason and self.returncode is not None:
            lines.append(f"exit code: {self.returncode}")
        if self.log is not None:
            lines.append(f"log: {self.log}")
        lines += [f"| {line}" for line in self.output.splitlines()]
        if self.fix:
            lines.append(f"fix: {self.fix}")
        return "\n  ".join(lines)

    def _ended(self) -> str:
        if self.returncode is None:
            return "could not be started"
        if self.returncode < 0:
            return f"was killed by signal {-self.returncode}"
        return f"failed with exit code {self.returncode}"


class MismatchError(BitwrightError):
    """Two things that must be equal are not. Names layer, element and cycle where known."""

    exit_code = 1

    def __init__(
        self,
        message: str,
        layer: str | None = None,
        element: tuple[int, ...] | int | None = None,
        cycle: int | None = None,
    ):
        super().__init__(message)
        self.message = message
        self.layer = layer
        self.element = element
        self.cycle = cycle

    def __str__(self) -> str:
        places = {"layer": self.layer, "element": self.element, "cycle": self.cycle}
        known = [f"{name} {place}" for name, place in places.items() if place is not None]
        return self.message + (f" (at {', '.join(known)})" if known else "")


def shorten_command(command: str, limit: int = 400) -> str:
    """A command line as far as a person reads it; the whole one is in the log."""
    return command if len(command) <= limit else command[: limit - 3] + "..."
