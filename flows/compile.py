"""`bitwright compile`: overlay as Verilog, program and memory images.

bitwright compile examples/digits.yaml          for the run's model, which is trained first
bitwright compile model.onnx --board ulx3s_85f  for a QONNX model of somebody else's
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codegen.lower import lower
from flows import model_run, quantize
from flows.build import Model, publish_hardware
from flows.hardware import Sized, size_overlay
from flows.measure import check_memory
from flows.model_inputs import first_input
from flows.model_run import (
    ModelSettings,
    is_model,
    open_model,
    refuse_model_options,
    settings_of,
)
from flows.workspace import Workspace, open_workspace
from hw.config import OverlayConfig

STEPS = quantize.STEPS + 1
FILES = ("hw/overlay.v", "hw/overlay.ports.json", "hw/regmap.h", "program/program.bin")
FOLDERS = ("images",)


def run(
    config: Path,
    overrides: tuple[str, ...] = (),
    input_precision: str = "",
    inexact: bool = False,
) -> Mapping[str, Any]:
    """Where the overlay, the program and the images lie, and the overlay's sizes.

    config: a YAML file, or an ONNX model, for which `input_precision` and `inexact` are as in
    codegen/frontend/qonnx/importer.py.
    """
    if is_model(config):
        settings = settings_of(config, overrides, input_precision=input_precision, inexact=inexact)
        return _run_model(config, overrides, settings)
    refuse_model_options(input_precision, inexact)
    with open_workspace("compile", config, overrides, steps=STEPS) as space:
        _, overlay, made = compile_model(space)
        folder = space.run.path
        return {
            "name": space.project.name,
            "run": str(folder),
            "overlay": describe_overlay(overlay.config),
            "made": made,
            "files": [str(folder / name) for name in (*FILES, *FOLDERS)],
        }


def _run_model(
    path: Path, overrides: tuple[str, ...], settings: ModelSettings
) -> Mapping[str, Any]:
    with open_model("compile", path, settings, overrides, steps=1) as space:
        compiled = model_run.compile_model(space, first_input(space))
        overlay = describe_overlay(compiled.overlay.config)
        summary = model_run.write_report(space, compiled, overlay)
        folder = space.run.path
        return {
            "name": settings.name,
            "run": str(folder),
            "board": space.board.name,
            "overlay": overlay,
            "made": compiled.made,
            "plan": summary["plan"],
            "cycles": summary["cycles"],
            "limited_by": summary["limited_by"],
            "bytes": summary["bytes"],
            "performance": summary["performance"],
            "layers": summary["layers"],
            "resources": summary["resources"],
            "notes": list(space.model.notes),
            "files": [str(folder / name) for name in (*FILES, *FOLDERS, model_run.SUMMARY)],
        }


def compile_model(space: Workspace) -> tuple[Model, Sized, bool]:
    """(the run's model, its overlay, whether files had to be made). CapacityError: it does not fit
    the board's memory."""
    model = quantize.obtain_model(space)
    overlay = size_overlay(space, model.graph, "size an overlay")
    network = lower(model.graph, overlay.config)
    check_memory(network, space.board.memory.size_bytes)
    made = publish_hardware(space.run, model.graph, overlay, space.data.test.images[0], network)
    return model, overlay, made


def describe_overlay(config: OverlayConfig) -> dict[str, Any]:
    """The `overlay` of summary.json. p, q: bits of a digit of weights and of activations."""
    sizes = {"Dm": config.dm, "Dk": config.dk, "Dn": config.dn}
    digits = {"p": getattr(config, "p", 1), "q": getattr(config, "q", 1)}
    return {"style": config.style, **sizes, **digits}


def describe(result: Mapping[str, Any]) -> str:
    """The array and the files."""
    overlay = result["overlay"]
    sizes = f"{overlay['Dm']}x{overlay['Dk']}x{overlay['Dn']}"
    state = "made" if result["made"] else "up to date, nothing to do"
    layers = model_run.describe_layers(result) if "layers" in result else []
    head = f"overlay {overlay['style']} {sizes}: {state}"
    return "\n".join([*result.get("notes", ()), head, *layers, *result["files"]])
