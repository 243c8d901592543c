"""A Perfetto trace of one image: open report/schedule.perfetto.json at ui.perfetto.dev.

One microsecond stands for one cycle. The layers' row is measured. The stages' rows are the cycle
model's, which gave the measured cycles to the last one.
"""

from collections.abc import Sequence
from typing import Any

from codegen.cycles import Span
from ir.isa import Stage

LAYERS = "layers"
ROWS = {Stage.FETCH: "fetch", Stage.EXECUTE: "execute", Stage.RESULT: "result"}


def perfetto(layers: dict[str, int], spans: Sequence[Span], title: str) -> dict[str, Any]:
    """The trace in Chrome's JSON format. layers: measured cycles, in running order."""
    events = [_named("process_name", 0, title)]
    events += [
        _named("thread_name", row, name) for row, name in enumerate((LAYERS, *ROWS.values()))
    ]
    begin = 0
    for name, cycles in layers.items():
        events.append(_slice(0, name, begin, begin + cycles))
        begin += cycles
    rows = list(ROWS)
    events += [_slice(1 + rows.index(s.stage), s.what, s.begin, s.end) for s in spans]
    return {"displayTimeUnit": "ns", "traceEvents": events}


def _slice(row: int, name: str, begin: int, end: int) -> dict[str, Any]:
    cycles = max(0, end - begin)
    place = {"pid": 0, "tid": row, "ts": begin, "dur": cycles}
    return {"ph": "X", "name": name, **place, "args": {"cycles": cycles}}


def _named(kind: str, row: int, title: str) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": 0, "tid": row, "args": {"name": title}}
