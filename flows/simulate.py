"""`bitwright simulate`: the emitted Verilog under cocotb and Verilator against torch.

Codes of every layer must be equal, and cycles as predicted. The simulator is kept by content: a
second run compiles nothing.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from codegen.lower import CompiledNetwork, lower
from flows import compile as compiling
from flows.artifacts import CHECKPOINT
from flows.build import published_verilog
from flows.networks import load_tuned
from flows.verify import FOLDER, WAVES, Proof, prove_cocotb, prove_golden
from flows.workspace import Workspace, open_workspace
from ir.errors import MismatchError
from quant.integerize import snap

STEPS = compiling.STEPS + 2


def run(config: Path, overrides: tuple[str, ...] = (), waves: bool = False) -> Mapping[str, Any]:
    """What was compared and measured. MismatchError (exit code 1) at the first difference."""
    with open_workspace("simulate", config, overrides, steps=STEPS) as space:
        model, overlay, _ = compiling.compile_model(space)
        net = load_tuned(space, model.plan, space.run / CHECKPOINT)
        space.progress.begin("torch against the golden model")
        golden = prove_golden(space, snap(net), model.graph, space.data.test)
        space.progress.end(f"{golden.codes} codes equal on {golden.images} images")
        space.progress.begin("cocotb against the golden model")
        network = lower(model.graph, overlay.config)
        verilog = published_verilog(space.run, overlay.config)
        cocotb = _prove(space, network, verilog, waves)
        space.progress.end(f"{cocotb.codes} codes equal, {cocotb.cycles} cycles as predicted")
        folder = space.run / FOLDER
        return {
            "ok": True,
            "name": space.project.name,
            "run": str(space.run.path),
            "overlay": compiling.describe_overlay(overlay.config),
            "bit_exact": True,
            "cycles": {"measured": cocotb.cycles, "predicted": cocotb.cycles},
            "stages": [asdict(golden), asdict(cocotb)],
            "waves": str(space.run / WAVES) if waves else None,
            "files": [str(folder / f"{proof.stage}.json") for proof in (golden, cocotb)],
        }


def _prove(space: Workspace, network: CompiledNetwork, verilog: str, waves: bool) -> Proof:
    """The proof under cocotb; what fails is run once more to leave its waveforms."""
    try:
        return prove_cocotb(space, network, verilog, waves=waves)
    except MismatchError:
        if not waves:
            space.progress.say(f"writing waveforms to {space.run / WAVES}")
            with contextlib.suppress(MismatchError):
                prove_cocotb(space, network, verilog, waves=True)
        raise


def describe(result: Mapping[str, Any]) -> str:
    """One line a stage."""
    lines = [
        f"{stage['stage']}: bit-exact, {sum(stage['layers'].values())} codes on "
        f"{stage['images']} images"
        for stage in result["stages"]
    ]
    lines.append(f"{result['cycles']['measured']} cycles an image, measured as predicted")
    waves = [f"waveforms: {result['waves']}"] if result["waves"] else []
    return "\n".join([*lines, *result["files"], *waves])
