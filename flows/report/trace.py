"""A Perfetto trace of one image: open report/schedule.perfetto.json at ui.perfetto.dev.

One microsecond stands for one cycle. The layers' row is measured; how each layer's cycles divide
among its stages' work is calculated from the schedule.
"""

from typing import Any

from boards.loader import Board
from codegen.bounds import network_bounds
from codegen.lower import CompiledNetwork
from flows.measure import Measured

ROWS = ("layers (measured)", "fetch: bus words at least", "execute: array words", "result: writes")


def perfetto(network: CompiledNetwork, measured: Measured, board: Board) -> dict[str, Any]:
    """The trace in Chrome's JSON format."""
    events: list[dict[str, Any]] = [_named("process_name", 0, f"bitwright overlay, {board.name}")]
    events += [_named("thread_name", row, title) for row, title in enumerate(ROWS)]
    begin = 0
    for layer, bound in zip(network.layers, network_bounds(network), strict=True):
        spent = measured.layers[layer.name]
        for row, cycles in enumerate((spent, bound.read, bound.exec, bound.write)):
            events.append(_slice(row, layer.name, begin, min(cycles, spent), cycles))
        begin += spent
    return {"displayTimeUnit": "ns", "traceEvents": events}


def _slice(row: int, name: str, begin: int, shown: int, cycles: int) -> dict[str, Any]:
    place = {"pid": 0, "tid": row, "ts": begin, "dur": shown}
    return {"ph": "X", "name": name, **place, "args": {"cycles": cycles}}


def _named(kind: str, row: int, title: str) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": 0, "tid": row, "args": {"name": title}}
