"""A run's model/, hw/, program/ and images/ from a fine-tuned network and an overlay."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from codegen.emit import ports, regmap_header, regmap_json, regmap_python
from codegen.lower import CompiledNetwork, lower
from flows.artifacts import CHECKPOINT, publish, published
from flows.hardware import SOURCES, Sized, graph_digest, overlay_from, verilog_of
from flows.networks import SOURCES as TRAINING_SOURCES
from flows.networks import Tuned
from flows.run_folder import RunFolder
from flows.steps import digest, source_digest
from flows.workspace import Workspace
from hw.config import OverlayConfig
from ir.errors import ConfigError
from ir.files import read_bytes, read_json, read_text, to_json
from ir.golden import execute
from ir.graph import IntegerGraph
from ir.graph_file import graph_to_dict, load_graph
from ir.isa import disassemble
from ir.plan import PrecisionPlan, load_plan

MODEL, HARDWARE = "model", "hw"
PLAN, GRAPH = "model/plan.json", "model/graph.json"
VERILOG = "hw/overlay.v"
OVERLAY_CONFIG = "hw/overlay.config.json"
DESCRIBED = ("style", "hash", "resources")
"""What stands beside the sizes in OVERLAY_CONFIG."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """What lies in model/: the plan that was chosen and the network's integers."""

    plan: PrecisionPlan
    graph: IntegerGraph


def publish_model(space: Workspace, tuned: Tuned) -> Model:
    """model/ from a fine-tuned network."""

    def make() -> Mapping[str, bytes]:
        return {
            PLAN: _json(tuned.plan.to_dict()),
            GRAPH: (to_json(graph_to_dict(tuned.graph)) + "\n").encode(),
            CHECKPOINT: read_bytes(tuned.checkpoint),
        }

    key = _code(TRAINING_SOURCES) + graph_digest(tuned.graph)[:16]
    publish(space.run, MODEL, key, make)
    return Model(plan=tuned.plan, graph=tuned.graph)


def published_model(space: Workspace) -> Model | None:
    """What lies in model/, when it is whole and of today's code; None: it must be made."""
    key = published(space.run, MODEL)
    if key is None or not key.startswith(_code(TRAINING_SOURCES)):
        return None
    return Model(plan=load_plan(space.run / PLAN), graph=load_graph(space.run / GRAPH))


def publish_hardware(
    run: RunFolder,
    graph: IntegerGraph,
    overlay: Sized,
    image: np.ndarray,
    network: CompiledNetwork | None = None,
) -> bool:
    """hw/, program/ and images/; False when they were there already.

    image: (C, H, W) codes of an input, which land in images/ with the output that must come.
    network: the graph on that overlay, where it is compiled already.
    """
    key = _code(SOURCES) + digest([graph_digest(graph), asdict(overlay.config)])[:16]

    def make() -> Mapping[str, bytes]:
        compiled = network or lower(graph, overlay.config)
        return _hardware(overlay) | _program(compiled) | _images(compiled, image)

    _, made = publish(run, HARDWARE, key, make)
    return made


def published_overlay(run: RunFolder) -> OverlayConfig:
    """The overlay in hw/; ConfigError unless hw/, program/ and images/ are there, whole."""
    if published(run, HARDWARE) is None:
        raise ConfigError(
            f"{run.path} is not the whole folder of a run: `bitwright compile CONFIG` makes one"
        )
    found = read_json(run / OVERLAY_CONFIG)
    sizes = {name: value for name, value in found.items() if name not in DESCRIBED}
    try:
        return overlay_from(found["style"], sizes)
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"{run / OVERLAY_CONFIG} is no overlay of this version ({error}): `bitwright compile "
            "CONFIG` makes one"
        ) from error


def published_verilog(run: RunFolder, config: OverlayConfig) -> str:
    """The text in hw/, for a simulator; ConfigError unless it is what `config` is emitted as.

    A run's folder may come from outside, and what Verilator compiles may call any program.
    """
    text = read_text(run / VERILOG)
    if text != verilog_of(config):
        raise ConfigError(
            f"{run / VERILOG} is not what this version makes of {OVERLAY_CONFIG}, and nothing else "
            "is compiled; `bitwright compile CONFIG` makes the folder again"
        )
    return text


def _hardware(overlay: Sized) -> dict[str, bytes]:
    config = overlay.config
    described = {"style": config.style, "hash": f"{config.hash:#010x}", **asdict(config)}
    return {
        VERILOG: verilog_of(config).encode(),
        "hw/overlay.ports.json": _json(ports(config)),
        OVERLAY_CONFIG: _json(described | {"resources": overlay.resources}),
        "hw/regmap.json": regmap_json().encode(),
        "hw/regmap.h": regmap_header().encode(),
        "hw/regmap.py": regmap_python().encode(),
    }


def _program(network: CompiledNetwork) -> dict[str, bytes]:
    return {
        "program/program.bin": network.program,
        "program/program.txt": _listing(network.program).encode(),
    }


def _listing(program: bytes) -> str:
    text = disassemble(program)
    return text if isinstance(text, str) else "\n".join(map(str, text)) + "\n"


def _images(network: CompiledNetwork, first: np.ndarray) -> dict[str, bytes]:
    """What a driver loads before START, and a first image with the output that must come."""
    files, places = {}, []
    for address, data in sorted(network.segments.items()):
        name = f"images/{address:08x}.bin"
        files[name] = data
        places.append({"file": name, "address": address, "bytes": len(data)})
    image = first[np.newaxis].astype(np.int64)
    last = network.layers[-1]
    address, size = last.output_region
    expected = execute(network.graph, image)[last.layer.output][0]
    index: dict[str, Any] = {
        "memory_bytes": network.memory_bytes,
        "registers": network.registers,
        "load_once": places,
        "input": {"file": "images/input.bin", "address": network.input_address},
        "output": {"address": address, "bytes": size, "file": "images/expected.json"},
    }
    files["images/input.bin"] = network.pack_input(image[0])
    files["images/expected.json"] = _json(expected.reshape(-1))
    files["images/index.json"] = _json(index)
    return files


def _code(folders: tuple[str, ...]) -> str:
    """Eight hexadecimal digits for the sources that make a group."""
    return digest([source_digest(folder) for folder in folders])[:8]


def _json(value: Any) -> bytes:
    return (to_json(value, indent=1) + "\n").encode()
