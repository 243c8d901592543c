"""What keeps a model from becoming an IntegerGraph: one entry for each node in the way."""

from collections.abc import Sequence
from dataclasses import dataclass

from ir.errors import UnsupportedModelError, shorten

SHOWN = 20
"""Problems that the message of an error lists; the rest is counted."""


class RefusalError(Exception):
    """A node cannot be taken. Raised where it is found; the importer knows the node's name."""

    def __init__(self, why: str, rewrite: str):
        super().__init__(why)
        self.why = why
        self.rewrite = rewrite


def misfit(error: Exception) -> RefusalError:
    """What numpy or Python says of numbers and shapes that do not fit together."""
    said = (str(error).splitlines() or [""])[0]
    why = f"its numbers and shapes do not fit together ({type(error).__name__}: {shorten(said)})"
    return RefusalError(why, "check the file")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """node: its name in the file, or what it writes where it has none. rewrite: the way out."""

    node: str
    op: str
    why: str
    rewrite: str

    def __str__(self) -> str:
        return f"{shorten(self.node)} ({shorten(self.op)}): {self.why}; {self.rewrite}"


def refuse_all(model: str, problems: Sequence[Problem]) -> None:
    """UnsupportedModelError with the whole list, when there is one."""
    if not problems:
        return
    lines = [str(problem) for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"and {len(problems) - SHOWN} more")
    nodes = "1 node" if len(problems) == 1 else f"{len(problems)} nodes"
    raise UnsupportedModelError(
        f"model {shorten(model)}: {nodes} cannot be taken exactly\n  " + "\n  ".join(lines)
    )
