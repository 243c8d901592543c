"""A run on a model of somebody else's: an ONNX file instead of a config and a training.

Its folder is that of any run (flows/run_folder.py); what decides its results is a `ModelSettings`.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from boards.loader import Board
from codegen.bounds import network_bounds, total_bound
from codegen.cycles import MemoryTiming, predict
from codegen.frontend.qonnx.importer import Imported, import_onnx
from codegen.lower import CompiledNetwork, lower
from codegen.styles import ANY
from flows import toolchain
from flows.artifacts import publish
from flows.build import GRAPH, PLAN, publish_hardware
from flows.console import table
from flows.hardware import Sized, graph_digest, size_for
from flows.layer_facts import Values, layer_facts
from flows.measure import check_memory
from flows.predicted_area import counted
from flows.progress import Progress
from flows.project import NAME, OverlayBudget, hash_of, usable_board
from flows.run_folder import RunFolder, file_digest, open_run, versions
from flows.steps import Steps, digest
from ir import plugins
from ir.config import apply_overrides, bind, plain
from ir.errors import ConfigError
from ir.files import to_json
from ir.graph import IntegerGraph
from ir.graph_file import graph_to_dict
from ir.plan import LayerBits, PrecisionPlan

SUFFIX = ".onnx"
SUMMARY, LAYERS = "report/summary.json", "report/layers.json"
OTHERS = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """What decides the results of a run on a model file.

    model: SHA-256 of the file. input_precision: of an input without a quantizer. inexact: whether
    the nearest rule does where none is exact. overlay: of any style, since the bits are given.
    """

    name: str
    model: str
    file: str
    seed: int = 0
    board: str = "sim"
    input_precision: str = ""
    inexact: bool = False
    overlay: OverlayBudget = field(default_factory=lambda: OverlayBudget(style=ANY))

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ConfigError(f"name must be letters, digits, '_', '-' and '.', not {self.name!r}")
        if not 0 <= self.seed < 1 << 31:
            raise ConfigError(f"seed must be 0 to 2^31 - 1, not {self.seed}")
        plugins.path("boards", self.board, ".yaml")

    @property
    def hash(self) -> str:
        """Eight hexadecimal digits that name the folder of this run."""
        return hash_of(self)


@dataclass(frozen=True, kw_only=True)
class ModelSpace:
    """What a verb on a model works with."""

    settings: ModelSettings
    model: Imported
    board: Board
    run: RunFolder
    steps: Steps

    @property
    def progress(self) -> Progress:
        """Where steps are announced."""
        return self.steps.progress


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A model on its overlay. made: whether files had to be made."""

    overlay: Sized
    network: CompiledNetwork
    made: bool


def is_model(path: Path) -> bool:
    """Whether a verb was given an ONNX file instead of a config."""
    return path.suffix.lower() == SUFFIX


def refuse_model_options(input_precision: str, inexact: bool) -> None:
    """ConfigError: options of a model, given with a config."""
    if input_precision or inexact:
        raise ConfigError(
            "--input-precision and --inexact are for ONNX models; a config has its own input"
        )


def settings_of(
    path: Path, overrides: Sequence[str], *, input_precision: str = "", inexact: bool = False
) -> ModelSettings:
    """ConfigError: the file cannot be read, or an override names nothing."""
    name = OTHERS.sub("_", path.stem).strip("._-")[:64] or "model"
    settings = ModelSettings(
        name=name,
        model=file_digest(path),
        file=path.name,
        input_precision=input_precision,
        inexact=inexact,
    )
    return bind(ModelSettings, apply_overrides(plain(settings), overrides), str(path))


@contextlib.contextmanager
def open_model(
    verb: str, path: Path, settings: ModelSettings, overrides: Sequence[str], *, steps: int
) -> Iterator[ModelSpace]:
    """Everything that is wrong with the model, and every tool that is missing, is found here."""
    board = usable_board(settings.board)
    model = import_onnx(path, input_precision=settings.input_precision, inexact=settings.inexact)
    toolchain.find_verilator()
    for program in ("g++", "make", "perl"):
        toolchain.find_program(program)
    progress = Progress(steps)
    with open_run(settings, command_line(verb, path, settings, overrides), say=progress.say) as run:
        for note in model.notes:
            progress.say(note)
        yield ModelSpace(
            settings=settings, model=model, board=board, run=run, steps=Steps(run, progress)
        )


def compile_model(space: ModelSpace, image: np.ndarray) -> Compiled:
    """model/, hw/, program/ and images/. image: (C, H, W) codes of an input, for images/."""
    graph = space.model.graph
    _publish_graph(space.run, graph)
    overlay = size_for(space.steps, graph, space.board, space.settings.overlay, "size an overlay")
    network = lower(graph, overlay.config)
    check_memory(network, space.board.memory.size_bytes)
    made = publish_hardware(space.run, graph, overlay, image, network)
    return Compiled(overlay=overlay, network=network, made=made)


def plan_of(graph: IntegerGraph) -> PrecisionPlan:
    """The widths that the model came with."""
    return PrecisionPlan(
        {
            name: LayerBits(w_bits=weights.bits, a_bits=activations.bits)
            for name, (weights, activations) in graph.layer_precisions().items()
        }
    )


def write_report(
    space: ModelSpace,
    compiled: Compiled,
    overlay: dict[str, Any],
    *,
    measured: Mapping[str, int] | None = None,
    values: Values | None = None,
    bit_exact: bool | None = None,
) -> dict[str, Any]:
    """report/summary.json and layers.json. measured: cycles by layer; values: of the golden model;
    bit_exact: None where nothing was simulated.
    """
    network, clock = compiled.network, space.board.clock
    bounds = network_bounds(network)
    predicted = predict(network, MemoryTiming(latency=space.board.memory.latency_cycles))
    layers = layer_facts(network, predicted, measured=measured, values=values)
    plan = plan_of(space.model.graph)
    summary = {
        "name": space.settings.name,
        "network": space.settings.file,
        "board": space.board.name,
        "overlay": overlay,
        "plan": {layer: list(bits.pair) for layer, bits in plan.layers.items()},
        "accuracy": {"float": None, "quantized": None, "integer": None},
        "bit_exact": bit_exact,
        "cycles": {
            "measured": None if measured is None else sum(measured.values()),
            "predicted": predicted.cycles,
            "lower_bound": total_bound(bounds).cycles,
            "per_layer": list(predicted.layers),
        },
        "resources": dict(compiled.overlay.resources) | counted(network.config, space.board.family),
        "iterations": [],
        "versions": versions(),
        "seconds": round(sum(space.steps.seconds.values()), 3),
        "seed": space.settings.seed,
        "notes": list(space.model.notes),
        "performance": {
            "latency_cycles": predicted.cycles,
            "max_cycles": max(predicted.layers),
            "estimated_latency_ns": predicted.cycles * clock.clk_period_ns,
            "estimated_throughput_fps": round(clock.frequency_hz / predicted.cycles, 3),
        },
        "limited_by": total_bound(bounds).limited_by,
        "bytes": {
            what: sum(layer["bytes"][what] for layer in layers) for what in ("read", "written")
        },
    }
    facts = {SUMMARY: summary, LAYERS: layers}
    data = {name: (to_json(value, indent=1) + "\n").encode() for name, value in facts.items()}
    publish(space.run, "report", digest(facts)[:16], lambda: data)
    return summary | {"layers": layers}


def describe_layers(result: Mapping[str, Any]) -> list[str]:
    """A table of the layers, and the whole in two lines."""
    columns = ("layer", "bits", "cycles", "bound", "limited by", "bytes read", "bytes written")
    rows = [
        [
            layer["name"],
            f"{layer['w_bits']} x {layer['a_bits']}",
            f"{layer['cycles']['predicted']:,}",
            f"{layer['cycles']['lower_bound']:,}",
            layer["limited_by"],
            f"{layer['bytes']['read']:,}",
            f"{layer['bytes']['written']:,}",
        ]
        for layer in result["layers"]
    ]
    cycles, fps = result["cycles"], result["performance"]["estimated_throughput_fps"]
    moved = result["bytes"]
    return [
        table(columns, rows).rstrip("\n"),
        f"{cycles['predicted']:,} cycles an input, bound {cycles['lower_bound']:,} (by "
        f"{result['limited_by']}); {fps:,.1f} a second at the board's clock",
        f"{moved['read']:,} bytes read and {moved['written']:,} written an input",
    ]


def command_line(verb: str, path: Path, settings: ModelSettings, overrides: Sequence[str]) -> str:
    """The command that does this again."""
    words = ["bitwright", verb, str(path)]
    words += ["--input-precision", settings.input_precision] if settings.input_precision else []
    words += ["--inexact"] if settings.inexact else []
    words += [word for override in overrides for word in ("--set", override)]
    return shlex.join(words)


def _publish_graph(run: RunFolder, graph: IntegerGraph) -> None:
    """model/graph.json and model/plan.json."""

    def make() -> Mapping[str, bytes]:
        return {
            PLAN: (to_json(plan_of(graph).to_dict(), indent=1) + "\n").encode(),
            GRAPH: (to_json(graph_to_dict(graph)) + "\n").encode(),
        }

    publish(run, "model", graph_digest(graph)[:16], make)
