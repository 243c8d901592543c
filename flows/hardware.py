"""The overlay of a run: sized to a network by the models of cycles and resources, then emitted."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from boards.loader import Board
from codegen.budget import Budget
from codegen.emit import emit_verilog
from codegen.placeholder import with_bits
from codegen.resources import counted_blocks
from codegen.sizing import Sizing, size
from flows.project import OVERLAYS, OverlayBudget
from flows.steps import Steps, digest
from flows.workspace import Workspace
from hw.config import OverlayConfig
from ir import plugins
from ir.graph import IntegerGraph, Linear
from ir.graph_file import graph_to_dict

SOURCES = ("ir", "hw", "codegen")
BUDGET_KEYS = {"luts": "overlay.luts", "bram": "overlay.bram_blocks"}
OVERLAYS_TRIED = (4, 64)
"""Fewest and most that a model of somebody else's is compiled for."""
WEIGHTS_TRIED = 20_000_000
"""Over all of these overlays."""


@dataclass(frozen=True, kw_only=True)
class Sized:
    """An overlay and what the resource model says of it. limit: what kept it from being larger."""

    config: OverlayConfig
    resources: dict[str, Any]
    limit: str

    @property
    def label(self) -> str:
        """Dm x Dk x Dn, for people."""
        return f"{self.config.dm}x{self.config.dk}x{self.config.dn}"


def sizing_question(wanted: OverlayBudget, board: Board) -> dict[str, Any]:
    """What sizing.size is asked, but for the graphs: budget, memory, family, clock, styles."""
    return {
        "budget": budget_of(wanted, board),
        "memory_bits": board.memory.bus_bits,
        "latency": board.memory.latency_cycles,
        "family": board.family,
        "clock_mhz": board.clock.frequency_hz / 1e6,
        "styles": wanted.styles(),
    }


def budget_of(wanted: OverlayBudget, board: Board) -> Budget:
    """The config's budget, at most what the board leaves to an overlay."""
    luts, blocks = board.luts_for_overlay, board.bram_blocks_for_buffers
    pairs = {"luts": (wanted.luts, luts), "bram": (wanted.bram_blocks, blocks)}
    capped = {name for name, (own, has) in pairs.items() if own is not None and own < has}
    return Budget(
        luts=min(wanted.luts or luts, luts),
        ff=board.budget.ffs,
        bram=counted_blocks(
            min(wanted.bram_blocks or blocks, blocks), board.budget.bram_block_bits
        ),
        dsp=board.budget.dsps,
        keys={name: key for name, key in BUDGET_KEYS.items() if name in capped},
    )


def _inputs(
    question: Mapping[str, Any], graph: IntegerGraph, wanted: OverlayBudget, **others: Any
) -> dict[str, Any]:
    """What decides a sizing, as plain values."""
    budget = asdict(question["budget"])
    styles = [wanted.style, wanted.digits]
    return {**question, "budget": budget, "styles": styles, "graph": graph_digest(graph), **others}


def size_overlay(space: Workspace, graph: IntegerGraph, title: str) -> Sized:
    """The fastest overlay for `graph` within the budget; CapacityError when none fits.

    Its buffers hold the network at every width that is priced: a cost table has no holes.
    """
    project = space.project
    question = sizing_question(project.overlay, space.board)

    def work() -> Mapping[str, Any]:
        bits = max(project.priced)
        widest = {layer.name: (bits, bits) for layer in graph.layers()}
        return _plain(size(graph, must_run=[with_bits(graph, widest)], **question))

    inputs = _inputs(question, graph, project.overlay, widest=max(project.priced))
    return _sized(space.steps, title, inputs, work)


def size_for(
    steps: Steps, graph: IntegerGraph, board: Board, wanted: OverlayBudget, title: str
) -> Sized:
    """A fast overlay for `graph` as it is within a board; CapacityError when none fits.

    Large networks are tried on few overlays: compiling one takes as long as it has weights.
    """
    question = sizing_question(wanted, board)
    weights = sum(node.weight.size for node in graph.nodes if isinstance(node, Linear))
    most = int(np.clip(WEIGHTS_TRIED // max(weights, 1), *OVERLAYS_TRIED))

    def work() -> Mapping[str, Any]:
        return _plain(size(graph, most=most, **question))

    return _sized(steps, title, _inputs(question, graph, wanted, most=most), work)


def _sized(
    steps: Steps, title: str, inputs: Mapping[str, Any], work: Callable[[], Mapping[str, Any]]
) -> Sized:
    result = steps.do("size", title, inputs, work, sources=SOURCES, describe=_describe)
    return Sized(
        config=overlay_from(result["style"], result["config"]),
        resources=result["resources"],
        limit=result["limit"],
    )


def _plain(found: Sizing) -> dict[str, Any]:
    return {
        "style": found.config.style,
        "config": asdict(found.config),
        "cycles": found.cycles,
        "resources": dict(found.resources),
        "limit": found.limit,
    }


def verilog_of(config: OverlayConfig) -> str:
    """The overlay's Verilog, emitted once in this process."""
    if config not in _EMITTED:
        _EMITTED[config] = emit_verilog(config)
    return _EMITTED[config]


_EMITTED: dict[OverlayConfig, str] = {}


def overlay_from(style: str, values: Mapping[str, int]) -> OverlayConfig:
    """The config of an overlay from its plain values."""
    return plugins.load(OVERLAYS, style, OverlayConfig)(**values)


def graph_digest(graph: IntegerGraph) -> str:
    """SHA-256 of everything in a graph."""
    return digest(graph_to_dict(graph))


def _describe(result: Mapping[str, Any]) -> str:
    config = result["config"]
    return f"array {config['dm']}x{config['dk']}x{config['dn']}; {result['limit']}"
