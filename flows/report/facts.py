"""The facts of a run as files in report/: summary, layers, iterations, cost table, resources."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from boards.loader import board_names, load_board
from codegen.cycles import MemoryTiming, predict, timeline
from codegen.lower import lower
from codegen.resources import counted_blocks, predict_resources
from flows.artifacts import publish
from flows.compile import describe_overlay
from flows.hardware import budget_of
from flows.layer_facts import layer_facts
from flows.loop import LEAST_SHARE, Loop
from flows.networks import Networks
from flows.predicted_area import counted
from flows.report.trace import perfetto
from flows.rounds import Round, widths_of
from flows.run_folder import versions
from flows.steps import digest
from flows.verify import Proof
from flows.workspace import Workspace
from hw.config import OverlayConfig
from ir.errors import ConfigError
from ir.files import to_json
from ir.golden import execute
from quant.train import evaluate

GROUP = "report"
SUMMARY, LAYERS = "report/summary.json", "report/layers.json"
RESOURCES, COSTS = "report/resources.json", "report/cost_table.json"
TRACE = "report/schedule.perfetto.json"


def write_facts(
    space: Workspace, networks: Networks, loop: Loop, proofs: Sequence[Proof]
) -> dict[str, Any]:
    """Write every file of report/ but the page and iterations.jsonl; the summary."""
    best = loop.best
    network = lower(best.tuned.graph, best.overlay.config)
    resources = resource_facts(space, best.overlay.config)
    summary = summarize(space, networks, loop, proofs, resources)
    memory = MemoryTiming(latency=space.board.memory.latency_cycles)
    spans = timeline(network, memory)
    files = {
        SUMMARY: summary,
        LAYERS: layer_facts(
            network,
            predict(network, memory),
            measured=best.measured.layers,
            values=execute(network.graph, space.data.test.images.astype(np.int64)),
        ),
        RESOURCES: resources,
        COSTS: best.table.to_dict(),
        TRACE: perfetto(best.measured.layers, spans, f"bitwright {space.project.name}"),
    }
    data = {name: (to_json(value, indent=1) + "\n").encode() for name, value in files.items()}
    publish(space.run, GROUP, digest(files)[:16], lambda: data)
    return summary


def summarize(
    space: Workspace,
    networks: Networks,
    loop: Loop,
    proofs: Sequence[Proof],
    resources: Mapping[str, Any],
) -> dict[str, Any]:
    """summary.json: its keys are a contract, they are only ever added to."""
    project, best, test = space.project, loop.best, space.data.test
    measured = best.measured
    return {
        "name": project.name,
        "network": project.network.name,
        "board": project.board,
        "overlay": describe_overlay(best.overlay.config),
        "plan": {layer: list(pair) for layer, pair in widths_of(best.plan).items()},
        "accuracy": {
            "float": evaluate(networks.float_net(), test)["accuracy"],
            "quantized": evaluate(best.tuned.model, test)["accuracy"],
            "integer": evaluate(best.tuned.snapped, test)["accuracy"],
        },
        "bit_exact": {proof.stage for proof in proofs} == {"golden", "harness", "cocotb"},
        "cycles": {
            "measured": measured.cycles,
            "predicted": measured.predicted,
            "lower_bound": measured.bound,
            "per_layer": list(measured.layers.values()),
        },
        "resources": resources["overlay"],
        "iterations": iterations(loop),
        "versions": versions(),
        "seconds": round(sum(space.steps.seconds.values()), 3),
        "seed": project.seed,
        "best_round": best.number,
        "cycle_budget": loop.budget,
        "byte_budget": loop.byte_budget,
        "weight_bytes": best.weight_bytes,
        "repeats_round": loop.repeats,
        "bit_dependent_share": round(loop.share, 4),
        "bit_dependent_share_ok": loop.share >= LEAST_SHARE,
        "counters": measured.counters,
        "performance": performance(space, best),
        "verified_images": {proof.stage: proof.images for proof in proofs},
    }


def performance(space: Workspace, best: Round) -> dict[str, Any]:
    """Under the names that FINN (cycles, throughput) and BISMO (counters) use."""
    measured, clock = best.measured, space.board.clock
    run, cycles = measured.counters["EXEC_RUN"], measured.cycles
    return {
        "latency_cycles": cycles,
        "max_cycles": max(measured.layers.values()),
        "estimated_latency_ns": cycles * clock.clk_period_ns,
        "estimated_throughput_fps": round(clock.frequency_hz / cycles, 3),
        "stg_exec_idle": cycles - run,
        "run_eff%_exec": round(100 * run / cycles, 2),
    }


def iterations(loop: Loop) -> list[dict[str, Any]]:
    """One entry a round, as in iterations.jsonl."""
    return [_iteration(loop, found) for found in loop.rounds]


def iteration_lines(loop: Loop) -> str:
    """iterations.jsonl."""
    return "".join(to_json(line) + "\n" for line in iterations(loop))


def _iteration(loop: Loop, found: Round) -> dict[str, Any]:
    measured, allocation = found.measured, loop.allocations.get(found.number)
    return {
        "round": found.number,
        "plan": {layer: list(pair) for layer, pair in widths_of(found.plan).items()},
        "overlay": describe_overlay(found.overlay.config) | {"limit": found.overlay.limit},
        "cycles": {
            "measured": measured.cycles,
            "predicted": measured.predicted,
            "bound": measured.bound,
            "table_sum": found.table_cycles,
            "plan_cycles": measured.predicted,
            "per_layer": measured.layers,
        },
        "uniform_cycles": {str(bits): cycles for bits, cycles in found.uniform.items()},
        "table_entries": {
            "measured": found.table.count("measured"),
            "predicted": found.table.count("predicted"),
        },
        "budget": loop.budget,
        "weight_bytes": found.weight_bytes,
        "byte_budget": loop.byte_budget,
        "within_budget": loop.keeps(found),
        "accuracy": found.tuned.accuracy,
        "nll": found.tuned.loss,
        "allocation": None if allocation is None else allocation.provenance.to_dict(),
        "seconds": found.seconds,
    }


def resource_facts(space: Workspace, config: OverlayConfig) -> dict[str, Any]:
    """{overlay: the model's counts on the run's board, boards: against each board's budget}."""
    return {
        "overlay": counted(config, space.board.family),
        "budget": budget_of(space.project.overlay, space.board).as_dict(),
        "boards": {name: _on_board(config, name) for name in board_names()},
    }


def _on_board(config: OverlayConfig, name: str) -> dict[str, Any]:
    """What the overlay takes of a board: {resource: {needs, has}}, or why that is not known."""
    board = load_board(name)
    try:
        need = predict_resources(config, board.family)
    except ConfigError as error:
        return {"description": board.description, "unknown": str(error)}
    blocks = counted_blocks(board.bram_blocks_for_buffers, board.budget.bram_block_bits)
    pairs = {
        "LUTs": (need.luts, board.luts_for_overlay),
        "flip-flops": (need.ff, board.budget.ffs),
        "block RAMs of 18 Kbit": (need.bram, blocks),
        "DSPs": (need.dsp, board.budget.dsps),
    }
    return {
        "description": board.description,
        "fits": all(needs <= has for needs, has in pairs.values()),
        "resources": {what: {"needs": needs, "has": has} for what, (needs, has) in pairs.items()},
    }
