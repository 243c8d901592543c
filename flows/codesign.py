"""`bitwright codesign`: the whole job. Quantize, size, generate, measure, quantize again; prove the
best round bit-exact; write the report."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from codegen.lower import lower
from flows import console
from flows.artifacts import refuse_damaged_checkpoint
from flows.build import publish_hardware, publish_model, published_verilog
from flows.hardware import SOURCES as HARDWARE_SOURCES
from flows.hardware import graph_digest
from flows.loop import LEAST_SHARE, Loop, run_loop
from flows.networks import Networks
from flows.report.facts import iteration_lines, write_facts
from flows.report.page import write_page
from flows.rounds import Round
from flows.verify import FOLDER, Proof, prove_cocotb, prove_golden, prove_harness
from flows.workspace import Workspace, open_workspace
from ir.files import write_text

ITERATIONS = "report/iterations.jsonl"
AROUND_THE_ROUNDS = 5  # steps: float training, three proofs, the report
A_ROUND = 3


def run(config: Path, overrides: tuple[str, ...] = (), jobs: int = 1) -> Mapping[str, Any]:
    """summary.json and where the report lies. jobs: simulations side by side."""
    with open_workspace("codesign", config, overrides, steps=0, jobs=jobs) as space:
        refuse_damaged_checkpoint(space.run)
        networks = Networks(space)
        space.progress.total = AROUND_THE_ROUNDS + A_ROUND * space.project.rounds
        loop = run_loop(space, networks, lambda loop: _after_round(space, loop))
        space.progress.total = AROUND_THE_ROUNDS + A_ROUND * len(loop.rounds)
        best = loop.best
        publish_model(space, best.tuned)
        publish_hardware(space.run, best.tuned.graph, best.overlay, space.data.test.images[0])
        proofs = prove(space, best)
        space.progress.begin("report")
        summary = write_facts(space, networks, loop, proofs)
        page = write_page(space.run.path)
        space.progress.end(str(page))
        report = {"report": str(page), "summary": str(space.run / "report/summary.json")}
        return {"ok": summary["bit_exact"], "run": str(space.run.path), **summary, "files": report}


def prove(space: Workspace, best: Round) -> list[Proof]:
    """Torch == golden == RTL, in the harness and in cocotb, in equal cycles."""
    graph, test = best.tuned.graph, space.data.test
    network = lower(graph, best.overlay.config)
    verilog = published_verilog(space.run, best.overlay.config)
    return [
        _proof(space, "golden", best, lambda: prove_golden(space, best.tuned.snapped, graph, test)),
        _proof(space, "harness", best, lambda: prove_harness(space, network, verilog)),
        _proof(space, "cocotb", best, lambda: prove_cocotb(space, network, verilog)),
    ]


def _proof(space: Workspace, stage: str, best: Round, prove_it: Callable[[], Proof]) -> Proof:
    """A stage of the proof as a step of the run."""
    result = space.steps.do(
        f"prove-{stage}",
        f"compare code for code: {stage}",
        {
            "graph": graph_digest(best.tuned.graph),
            "overlay": asdict(best.overlay.config),
            "test": space.project.data.fold,
        },
        lambda: asdict(prove_it()),
        sources=(*HARDWARE_SOURCES, "quant", "sim_tests", "flows"),
        writes=[space.run / FOLDER / f"{stage}.json"],
        describe=lambda r: f"{sum(r['layers'].values())} codes equal on {r['images']} images",
    )
    return Proof(**result)


def _after_round(space: Workspace, loop: Loop) -> None:
    write_text(space.run / ITERATIONS, iteration_lines(loop))
    if len(loop.rounds) == 1 and loop.share < LEAST_SHARE:
        space.progress.say(
            f"warning: bit_dependent_share is {loop.share:.2f}, below {LEAST_SHARE}: the overlay "
            "is too large for this network, bits move few cycles; lower overlay.luts"
        )


def describe(result: Mapping[str, Any]) -> str:
    """The rounds as a table, what came out, and where it lies."""
    columns = ("round", "plan (weights x activations)", "overlay", "table sum", "plan_cycles")
    columns += ("measured", "bound", "budget", "val. loss", "val. acc.", "seconds")
    rows = [_row(line, result["best_round"]) for line in result["iterations"]]
    accuracy, cycles = result["accuracy"], result["cycles"]
    return "\n".join(
        [
            console.table(columns, rows, "rounds (* is the one reported)"),
            f"bit_dependent_share {result['bit_dependent_share']:.2f}",
            f"test accuracy: float {accuracy['float']:.3f}, quantized {accuracy['quantized']:.3f}, "
            f"integer {accuracy['integer']:.3f}",
            f"cycles: {cycles['measured']} measured, {cycles['predicted']} predicted, "
            f"{cycles['lower_bound']} lower bound, budget {result['cycle_budget']}",
            *_bytes(result),
            f"bit-exact: {'yes' if result['bit_exact'] else 'NO'}",
            result["files"]["report"],
            result["files"]["summary"],
        ]
    )


def _bytes(result: Mapping[str, Any]) -> list[str]:
    if result["byte_budget"] is None:
        return []
    return [f"weights: {result['weight_bytes']} bytes, budget {result['byte_budget']}"]


def _row(line: Mapping[str, Any], best: int) -> list[str]:
    overlay, cycles = line["overlay"], line["cycles"]
    plan = "  ".join(f"{name} {w}x{a}" for name, (w, a) in line["plan"].items())
    return [
        f"{line['round']}{' *' if line['round'] == best else ''}",
        plan,
        f"{overlay['Dm']}x{overlay['Dk']}x{overlay['Dn']}",
        str(cycles["table_sum"] if cycles["table_sum"] is not None else "-"),
        str(cycles["predicted"]),
        str(cycles["measured"]),
        str(cycles["bound"]),
        f"{'within' if line['within_budget'] else 'over'} {_budget(line)}",
        f"{line['nll']:.4f}",
        f"{line['accuracy']:.3f}",
        f"{line['seconds']:.1f}",
    ]


def _budget(line: Mapping[str, Any]) -> str:
    limit = line["byte_budget"]
    return str(line["budget"]) if limit is None else f"{line['budget']}, {limit} bytes"
