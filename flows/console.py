"""How results and errors reach a person or a program.

Results go to stdout, everything else to stderr. With `--json` stdout is exactly one JSON
document, also when the command fails, and no library can print into it.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

from ir.errors import BitwrightError
from ir.files import to_json


def print_result(result: Mapping[str, Any], describe: Callable[[Any], str], as_json: bool) -> None:
    """One JSON document, or what `describe` makes of the result for a person."""
    print_text(to_json(result, indent=1) if as_json else describe(result))


def print_text(text: str) -> None:
    """To stdout. A reader that has seen enough (`| head`) is no error."""
    try:
        sys.stdout.write(text.rstrip("\n") + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at its end: let that go nowhere, quietly.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_error(error: BaseException, exit_code: int, as_json: bool) -> None:
    """One message without a traceback on stderr; with `--json` also as the document."""
    text = str(error) or type(error).__name__
    with contextlib.suppress(BrokenPipeError):
        print(f"bitwright: {text}", file=sys.stderr, flush=True)
    if as_json:
        document: dict[str, Any] = {"type": type(error).__name__, "message": text}
        if isinstance(error, BitwrightError) and error.__cause__ is not None:
            document["cause"] = type(error.__cause__).__name__
        print_text(to_json({"error": document, "exit_code": exit_code}, indent=1))


@contextlib.contextmanager
def quiet_stdout(quiet: bool) -> Iterator[None]:
    """While `quiet`, what libraries print goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr) if quiet else contextlib.nullcontext():
        yield


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> str:
    """A table as text, as wide as it needs; plain characters when stdout is no terminal."""
    # Here, so that a missing package is reported by the command line and not by its import.
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    grid = Table(title=title or None, title_justify="left")
    for column in columns:
        grid.add_column(escape(column), overflow="fold")
    for row in rows:
        grid.add_row(*(escape(str(cell)) for cell in row))
    terminal = sys.stdout.isatty()
    paper = StringIO()
    width = None if terminal else 200
    Console(file=paper, width=width, force_terminal=terminal, safe_box=not terminal).print(grid)
    return paper.getvalue()
