"""`bitwright verify`: reference, golden model and RTL on the same inputs, code for code.

    bitwright verify model.onnx --inputs 16 --json      reference: qonnx's own executor
    bitwright verify examples/digits.yaml               reference: the trained network

reference_equal is null where qonnx is not installed. Exit code 1 at a difference, whose place is in
verification/first_mismatch.json; outputs are in verification/outputs.npy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from codegen.cycles import MemoryTiming, predict
from codegen.frontend.qonnx.importer import Imported
from codegen.lower import lower
from flows import compile as compiling
from flows import model_run
from flows.artifacts import CHECKPOINT
from flows.bisect import (
    describe_first,
    first_of_device,
    first_of_reference,
    first_of_torch,
    write_first,
)
from flows.build import published_verilog
from flows.layer_facts import layer_facts
from flows.model_inputs import drawn_inputs, read_inputs
from flows.model_run import (
    ModelSettings,
    ModelSpace,
    is_model,
    open_model,
    refuse_model_options,
    settings_of,
)
from flows.networks import load_tuned
from flows.qonnx_reference import reference
from flows.run_folder import RunFolder
from flows.verify import FOLDER, Device, prove_device, prove_golden
from flows.workspace import open_workspace
from ir.errors import ConfigError, MismatchError
from ir.files import staged, write_json
from ir.golden import execute
from quant.integerize import snap

OUTPUTS = f"{FOLDER}/outputs.npy"
REFERENCE = f"{FOLDER}/reference.json"
MODEL_STEPS = 3
FLOAT_TOLERANCE = 1e-4
"""Of the network's output, a float, relative to its largest: sums in float32 are rounded."""


def run(
    config: Path,
    overrides: tuple[str, ...] = (),
    input_precision: str = "",
    inexact: bool = False,
    inputs: int = 16,
    inputs_file: Path | None = None,
    bisect: bool = False,
) -> Mapping[str, Any]:
    """inputs: how many, drawn or of the test images. inputs_file: instead of them, as .npy.
    bisect: where there is a difference, find the first (flows/bisect.py), and do not raise.
    """
    if inputs < 1:
        raise ConfigError(f"--inputs must be at least 1, not {inputs}")
    if is_model(config):
        settings = settings_of(config, overrides, input_precision=input_precision, inexact=inexact)
        return _verify_model(config, overrides, settings, inputs, inputs_file, bisect)
    refuse_model_options(input_precision, inexact)
    if inputs_file is not None:
        raise ConfigError("--inputs-file is for ONNX models; a config has its own test images")
    return _verify_config(config, overrides, inputs, bisect)


def describe(result: Mapping[str, Any]) -> str:
    """What was compared, and what came of it."""
    first = result.get("first_difference")
    if not result["rtl_bit_exact"]:
        return "\n".join([result["message"], *([describe_first(first)] if first else [])])
    equal = {True: "equal", False: "NOT equal", None: "not compared, qonnx is not installed"}
    lines = [
        *result["notes"],
        f"reference against golden: {equal[result['reference_equal']]}",
        f"golden against RTL: bit-exact on {result['inputs']} inputs",
        f"{result['measured']:,} cycles an input, measured as predicted, bound "
        f"{result['lower_bound']:,}",
        *(f"{tensor}: {count} codes differ" for tensor, count in result["differences"].items()),
        *([describe_first(first)] if first else []),
        result["outputs_file"],
    ]
    return "\n".join(lines)


def _verify_model(
    path: Path,
    overrides: tuple[str, ...],
    settings: ModelSettings,
    count: int,
    file: Path | None,
    bisect: bool,
) -> Mapping[str, Any]:
    with open_model("verify", path, settings, overrides, steps=MODEL_STEPS) as space:
        model, progress = space.model, space.progress
        floats = (
            read_inputs(file, model)
            if file is not None
            else drawn_inputs(model, count, seed=settings.seed)
        )
        codes = model.encode(floats)
        values, equal, differences = _against_reference(space, path, floats, codes)
        compiled = model_run.compile_model(space, codes[0])
        progress.begin("golden model against RTL")
        latency = space.board.memory.latency_cycles
        verilog = published_verilog(space.run, compiled.overlay.config)
        try:
            device = prove_device(
                space.run, "harness", compiled.network, verilog, codes, latency, golden=values
            )
        except MismatchError as error:
            if not bisect:
                raise
            first = first_of_device(space.run, compiled.network, verilog, codes, latency)
            return _difference(space.run, settings.name, equal, first, str(error))
        progress.end(f"{device.proof.codes} codes equal, {device.proof.cycles} cycles as predicted")
        _save_outputs(space.run / OUTPUTS, model.decode(device.output))
        overlay = compiling.describe_overlay(compiled.overlay.config)
        report = model_run.write_report(
            space,
            compiled,
            overlay,
            measured=device.measured.layers,
            values=values,
            bit_exact=equal is not False,
        )
        first = None
        if bisect and equal is False:
            found = reference(path, floats)
            first = None if found is None else first_of_reference(model, found, codes)
        write_first(space.run, first)
        return _result(device, equal, differences or {}, report["layers"]) | {
            "first_difference": first,
            **{name: report[name] for name in ("limited_by", "bytes", "performance")},
            "name": settings.name,
            "run": str(space.run.path),
            "board": space.board.name,
            "overlay": overlay,
            "inputs": len(codes),
            "notes": list(model.notes),
            "outputs_file": str(space.run / OUTPUTS),
        }


def _against_reference(
    space: ModelSpace, path: Path, floats: np.ndarray, codes: np.ndarray
) -> tuple[dict[str, np.ndarray], bool | None, dict[str, int] | None]:
    """(golden's tensors, whether the file's are equal, how many codes differ by tensor), written to
    the run; None where qonnx is not installed."""
    space.progress.begin("reference against the golden model")
    values = execute(space.model.graph, codes)
    differences = compare_reference(path, space.model, floats, values)
    equal = None if differences is None else not any(differences.values())
    space.progress.end({None: "qonnx is not installed", True: "equal", False: "NOT equal"}[equal])
    write_json(space.run / REFERENCE, {"equal": equal, "differences": differences})
    return values, equal, differences


def _difference(
    run: RunFolder, name: str, equal: bool | None, first: dict[str, Any] | None, message: str
) -> Mapping[str, Any]:
    """The answer where a stage differs. equal: whether reference and golden model are."""
    write_first(run, first)
    return {
        "ok": False,
        "reference_equal": equal,
        "rtl_bit_exact": False,
        "first_difference": first,
        "message": message,
        "name": name,
        "run": str(run.path),
    }


def _verify_config(
    config: Path, overrides: tuple[str, ...], count: int, bisect: bool
) -> Mapping[str, Any]:
    """Torch is the reference, in every tensor."""
    with open_workspace("verify", config, overrides, steps=compiling.STEPS + 2) as space:
        model, overlay, _ = compiling.compile_model(space)
        snapped = snap(load_tuned(space, model.plan, space.run / CHECKPOINT))
        test, latency = space.data.test, space.board.memory.latency_cycles
        split = replace(test, images=test.images[:count], labels=test.labels[:count])
        codes = split.images.astype(np.int64)
        network = lower(model.graph, overlay.config)
        verilog = published_verilog(space.run, overlay.config)
        try:
            space.progress.begin("torch against the golden model")
            golden = prove_golden(space, snapped, model.graph, split)
            space.progress.end(f"{golden.codes} codes equal")
            space.progress.begin("golden model against RTL")
            device = prove_device(space.run, "harness", network, verilog, codes, latency)
        except MismatchError as error:
            if not bisect:
                raise
            first = first_of_torch(snapped, model.graph, split) or first_of_device(
                space.run, network, verilog, codes, latency
            )
            return _difference(space.run, space.project.name, None, first, str(error))
        space.progress.end(f"{device.proof.codes} codes equal, {device.proof.cycles} cycles")
        write_first(space.run, None)
        _save_outputs(space.run / OUTPUTS, device.output)
        layers = layer_facts(
            network,
            predict(network, MemoryTiming(latency=latency)),
            measured=device.measured.layers,
        )
        return _result(device, True, {}, layers) | {
            "first_difference": None,
            "name": space.project.name,
            "run": str(space.run.path),
            "board": space.board.name,
            "overlay": compiling.describe_overlay(overlay.config),
            "inputs": len(codes),
            "notes": [],
            "outputs_file": str(space.run / OUTPUTS),
        }


def compare_reference(
    path: Path, model: Imported, floats: np.ndarray, values: Mapping[str, np.ndarray]
) -> dict[str, int] | None:
    """{tensor of the file: how many of its codes differ from qonnx's}; None: not installed.

    floats: (N, ...) the file's inputs; values: what golden makes of them. qonnx's floats
    are brought to the nearest code; the network's output, where it is no code, to FLOAT_TOLERANCE.
    """
    found = reference(path, floats)
    if found is None:
        return None
    differences = {}
    for name, value in model.codes.items():
        ours = values[value.tensor].reshape(len(floats), *value.shape)
        scale, offset = value.affine()
        theirs = np.rint((found[name].astype(np.float64) - offset) / scale)
        differences[name] = int((ours != theirs).sum())
    ours, theirs = model.decode(values[model.graph.output]), found[model.output_name]
    limit = FLOAT_TOLERANCE * max(1e-30, float(np.abs(theirs).max()))
    differences[model.output_name] = int((np.abs(ours - theirs) > limit).sum())
    return differences


def _result(
    device: Device,
    equal: bool | None,
    differences: Mapping[str, int],
    layers: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """layers: as in report/layers.json."""
    measured = device.measured
    return {
        "ok": equal is not False,
        "reference_equal": equal,
        "differences": {name: count for name, count in differences.items() if count},
        "rtl_bit_exact": True,
        "measured": measured.cycles,
        "predicted": measured.predicted,
        "lower_bound": measured.bound,
        "layers": [
            {
                "name": layer["name"],
                **layer["cycles"],
                "codes": device.proof.layers[layer["name"]],
                **{name: layer[name] for name in ("limited_by", "bytes", "w_bits", "a_bits")},
            }
            for layer in layers
        ],
    }


def _save_outputs(path: Path, outputs: np.ndarray) -> None:
    with staged(path) as temporary, open(temporary, "wb") as file:
        np.save(file, outputs)
