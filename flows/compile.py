"""`bitwright compile`: overlay as Verilog, program and memory images, for the run's model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows import quantize
from flows.build import Model, publish_hardware
from flows.hardware import Sized, size_overlay
from flows.workspace import Workspace, open_workspace
from hw.config import OverlayConfig

STEPS = quantize.STEPS + 1
FILES = ("hw/overlay.v", "hw/overlay.ports.json", "hw/regmap.h", "program/program.bin")
FOLDERS = ("images",)


def run(config: Path, overrides: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """Where the overlay, the program and the images lie, and the overlay's sizes."""
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


def compile_model(space: Workspace) -> tuple[Model, Sized, bool]:
    """(the run's model, its overlay, whether files had to be made)."""
    model = quantize.obtain_model(space)
    overlay = size_overlay(space, model.graph, "size an overlay")
    made = publish_hardware(space, model.graph, overlay)
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
    return "\n".join([f"overlay {overlay['style']} {sizes}: {state}", *result["files"]])
