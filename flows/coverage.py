"""What a simulation ran of a design: Verilator's coverage.dat, read, related to hw/, and explained.

A *point* is a line (block of statements), a branch, or one direction of a bit's toggle. Points that
never happened are holes; a hole is explained by a pattern with a reason, or it is open.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ir.errors import ConfigError, MismatchError
from ir.files import read_json, read_text

Kind = Literal["line", "branch", "toggle"]
KINDS: tuple[Kind, ...] = ("line", "branch", "toggle")
AIMS: dict[Kind, float] = {"line": 0.98, "branch": 0.90, "toggle": 0.90}

_FIELD, _VALUE = "\x01", "\x02"
_ESCAPE = re.compile(r"__0([0-9A-Fa-f]{2})")
_SOURCE = re.compile(r'src = "[^"]*?((?:hw|ir)/[\w/]+\.py:\d+)')
_EMPTY = re.compile(r"\s*if \(.*\) begin end")
"""The Verilog writer's `if (never) begin end`, which wakes a block once: no hardware."""
_COPY = re.compile(r"\$\d+(?=$|[.\[:])")
_TEMPORARY = re.compile(r"(?:.*\.)?\$(?:signal\$)?\d+(?:\[\d+\])?(?::[01]->[01])?")


@dataclass(frozen=True, kw_only=True)
class Point:
    """`module`: where, from the overlay down ("result.emitter"). `name`: "if", "write[3]:0->1".
    `source`: the line of hw/ that it comes from, "" where unknown. `count`: how often.
    """

    kind: Kind
    module: str
    name: str
    source: str
    count: int

    def __str__(self) -> str:
        return f"{self.kind} {self.module} {self.name} {self.source}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Reason:
    """`pattern` (a regular expression for the whole of str(point)) cannot happen, because."""

    pattern: str
    reason: str


def load_reasons(path: Path) -> list[Reason]:
    """The data file of explained holes. ConfigError: a pattern or a reason is missing or wrong."""
    found = []
    for entry in read_json(path):
        if not isinstance(entry, dict) or set(entry) != {"pattern", "reason"}:
            raise ConfigError(f"{path}: each entry must have a pattern and a reason, not {entry}")
        try:
            re.compile(entry["pattern"])
        except re.error as error:
            raise ConfigError(f"{path}: pattern {entry['pattern']!r}: {error}") from error
        if len(entry["reason"].split()) < 3:
            raise ConfigError(f"{path}: {entry['pattern']!r} needs a reason in words")
        found.append(Reason(**entry))
    return found


def read_points(files: Iterable[Path], verilog: str) -> list[Point]:
    """All points of several runs of one simulator; counts add up over the copies of a point.

    A net is declared in each module that it passes through, and a component in each place where it
    is used: a bit is told by its name and its line in hw/, and belongs to the first module.

    verilog: the design's text with its source attributes. Temporaries of the Verilog writer ($1,
    $signal$2) are left out: they are parts of expressions, whose operands and results are counted;
    and so are the branches by which it wakes a block at the start.
    """
    sources = source_lines(verilog)
    counts: Counter[tuple[Kind, str, str, str]] = Counter()
    tricks = {n for n, line in enumerate(verilog.splitlines(), 1) if _EMPTY.match(line)}
    for file in files:
        for line in read_text(file, limit_bytes=1 << 30).splitlines():
            if line.startswith("C ") and int(_fields(line)["l"]) not in tricks:
                text, _, count = line.rpartition(" ")
                counts[_identity(text, sources)] += int(count)
    merged: dict[tuple[Kind, str, str], tuple[str, int]] = {}
    for (kind, module, name, source), count in sorted(counts.items()):
        if kind == "toggle" and _TEMPORARY.fullmatch(name):
            continue
        key = (kind, _COPY.sub("", name), source)
        first, before = merged.get(key, (module, 0))
        merged[key] = (first, before + count)
    return [
        Point(kind=kind, module=module, name=name, source=source, count=count)
        for (kind, name, source), (module, count) in merged.items()
    ]


def _fields(text: str) -> dict[str, str]:
    words = text[text.index("'") + 1 : text.rindex("'")].split(_FIELD)
    return dict(word.split(_VALUE, 1) for word in words if word)


def _identity(text: str, sources: Sequence[str]) -> tuple[Kind, str, str, str]:
    """(kind, module, name, source) of one entry."""
    fields = _fields(text)
    page, _, module = fields["page"].partition("/")
    kind: Kind | None = next((k for k in KINDS if page == f"v_{k}"), None)
    if kind is None:
        raise ConfigError(f"coverage of an unknown kind: {page!r}")
    number = int(fields["l"])
    name = _ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), fields.get("o", ""))
    if kind != "toggle":  # several on one source line are told apart by their Verilog line
        name = f"{name}@{number}"
    source = sources[number] if number < len(sources) else ""
    return kind, module.partition(".")[2] or module, name, source


def source_lines(verilog: str) -> list[str]:
    """For each line of the Verilog, counted from 1, the line of hw/ that it comes from."""
    current, found = "", [""]
    for line in verilog.splitlines():
        match = _SOURCE.search(line)
        if match:
            current = match.group(1)
        elif line.startswith("module "):
            current = ""
        found.append(current)
    return found


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Points of one kind: all, those that happened, and those that a reason says cannot."""

    kind: Kind
    points: int
    covered: int
    explained: int

    @property
    def measured(self) -> float:
        """Share that happened."""
        return self.covered / self.points if self.points else 1.0

    @property
    def reachable(self) -> float:
        """Share that happened of those that can."""
        can = self.points - self.explained
        return self.covered / can if can else 1.0


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """`open`: holes without a reason. `used`: how many holes each reason explains."""

    summaries: tuple[Summary, ...]
    open: tuple[Point, ...]
    used: Counter[str]


def judge(points: Sequence[Point], reasons: Sequence[Reason]) -> Judgement:
    """Sort the holes into explained and open."""
    compiled = [(re.compile(r.pattern), r.pattern) for r in reasons]
    used: Counter[str] = Counter()
    holes = []
    explained: Counter[Kind] = Counter()
    for point in points:
        if point.count:
            continue
        text = str(point)
        pattern = next((name for regex, name in compiled if regex.fullmatch(text)), None)
        if pattern is None:
            holes.append(point)
        else:
            used[pattern] += 1
            explained[point.kind] += 1
    summaries = [
        Summary(
            kind=kind,
            points=sum(p.kind == kind for p in points),
            covered=sum(p.kind == kind and p.count > 0 for p in points),
            explained=explained[kind],
        )
        for kind in KINDS
    ]
    return Judgement(summaries=tuple(summaries), open=tuple(holes), used=used)


def check_fresh(reasons: Sequence[Reason], used: Counter[str]) -> None:
    """MismatchError: a reason explains no hole any more."""
    stale = [r.pattern for r in reasons if not used[r.pattern]]
    if stale:
        raise MismatchError(
            f"{len(stale)} patterns of explained holes match no hole any more: {', '.join(stale)}"
        )


def hole_lines(holes: Sequence[Point]) -> list[str]:
    """Open holes for a person: one line for each module and source line, the largest first."""
    groups: dict[tuple[str, str, str], list[Point]] = {}
    for hole in holes:
        groups.setdefault((hole.module, hole.source, hole.kind), []).append(hole)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [
        f"{len(found):5} {kind:6} {module} {source or '?'}: {', '.join(_names(found))}"
        for (module, source, kind), found in ordered
    ]


def _names(holes: Sequence[Point], most: int = 4) -> list[str]:
    """Names without the direction, bits and Verilog lines, each once."""
    names = list(dict.fromkeys(re.split(r"[\[:@]", hole.name)[0] for hole in holes))
    return names[:most] + ([f"and {len(names) - most} more"] if len(names) > most else [])
