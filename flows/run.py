"""`bitwright run`: images through the network on a device, simulated or real, with one driver.

    bitwright run examples/digits.yaml --link harness
    bitwright run model.onnx                         drawn inputs, of somebody else's model
    bitwright run build/digits/latest --link uart:/dev/ttyUSB0
    bitwright run examples/digits.yaml --set board=ulx3s_85f --link uart       a simulated board

Codes must equal the golden model's and cycles the prediction.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boards.loader import Board, board_names, load_board
from codegen.lower import CompiledNetwork, lower
from codegen.random_network import random_codes
from flows import compile as compiling
from flows.build import GRAPH, published_overlay, published_verilog
from flows.driver.board_sim import simulated_board
from flows.driver.device import Driver, Outcome
from flows.driver.link import Link
from flows.driver.live import cocotb_link, harness_link
from flows.driver.serial_port import SerialPort
from flows.driver.uart import UartLink
from flows.execute import bench_of
from flows.measure import check_memory
from flows.model_inputs import first_input
from flows.model_run import ModelSettings, compile_model, is_model, open_model, settings_of
from flows.project import Project, load_project, usable_board
from flows.run_folder import CONFIG, RunFolder
from flows.verify import FOLDER
from flows.workspace import open_workspace
from ir.config import load_config
from ir.errors import ConfigError, MismatchError, shorten
from ir.golden import execute
from ir.graph_file import load_graph
from ir.yaml_reader import read_yaml
from quant.data import load_data

STEPS = compiling.STEPS
SIMULATED = "sim"
LINKS = ("harness", "cocotb", "uart")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is run: a compiled network with its board. images: (N, C, H, W) codes; labels: (N,), of
    test images; None where they are drawn, for a model of somebody else's.
    """

    name: str
    folder: Path
    board: Board
    network: CompiledNetwork
    images: np.ndarray
    labels: np.ndarray | None


def run(
    config: Path, overrides: tuple[str, ...] = (), link: str = "harness", images: int = 4
) -> Mapping[str, Any]:
    """config: a YAML file, an ONNX model, or the folder of a run. images: how many of the test
    images; drawn ones for an ONNX model.

    MismatchError (exit code 1) at the first code or cycle that is not as it must be.
    """
    if images < 1:
        raise ConfigError(f"--images must be at least 1, not {images}")
    kind, port = parse_link(link)
    if kind == "uart" and not config.is_dir():
        _check_serial(_board_of(config, overrides))  # before anything is trained
    with _subject(config, overrides, images) as subject:
        codes = list(subject.images[:images].astype(np.int64))
        with _open(kind, port, subject) as device:
            started = time.monotonic()
            driver = Driver(device, subject.network, latency=subject.board.memory.latency_cycles)
            driver.load()
            loaded = time.monotonic()
            outcomes = [driver.run(image) for image in codes]
            ended = time.monotonic()
        expected = _golden(subject.network, codes)
        _compare(outcomes, expected, subject.network, driver.predicted)
        classes = [int(outcome.codes.reshape(-1).argmax()) for outcome in outcomes]
        labels = None if subject.labels is None else subject.labels[:images].tolist()
        return {
            "ok": True,
            "name": subject.name,
            "run": str(subject.folder),
            "board": subject.board.name,
            "link": link,
            "images": len(outcomes),
            "bit_exact": True,
            "codes": int(expected.size),
            "cycles": {"measured": outcomes[0].cycles, "predicted": driver.predicted},
            "counters": dict(outcomes[0].counters),
            "classes": classes,
            "labels": labels,
            "load_seconds": round(loaded - started, 3),
            "run_seconds": round(ended - loaded, 3),
            "overlay": asdict(subject.network.config),
        }


def describe(result: Mapping[str, Any]) -> str:
    """What was run, and that it was right."""
    labels = result["labels"]
    judged = (
        "" if labels is None else f", labels {labels}: {_right(result['classes'], labels)} right"
    )
    return "\n".join(
        [
            f"{result['images']} images through {result['name']} over {result['link']}: bit-exact, "
            f"{result['codes']} codes equal",
            f"{result['cycles']['measured']} cycles an image, measured as predicted",
            f"classes {result['classes']}{judged}",
            f"loaded in {result['load_seconds']} s, run in {result['run_seconds']} s",
        ]
    )


def _right(classes: Sequence[int], labels: Sequence[int]) -> int:
    return sum(a == b for a, b in zip(classes, labels, strict=True))


def parse_link(link: str) -> tuple[str, str]:
    """(kind, port) of a link; a serial line without a port is a simulated board's."""
    kind, colon, port = link.partition(":")
    if kind not in LINKS or colon and (kind != "uart" or not port):
        raise ConfigError(f"--link must be {', '.join(LINKS)} or uart:PORT, not {shorten(link)}")
    return kind, port or SIMULATED


@contextlib.contextmanager
def _subject(config: Path, overrides: tuple[str, ...], images: int) -> Iterator[Subject]:
    if config.is_dir():
        yield _from_folder(config, overrides, images)
        return
    if is_model(config):
        settings = settings_of(config, overrides)
        with open_model("run", config, settings, overrides, steps=1) as space:
            compiled = compile_model(space, first_input(space))
            yield _of_model(settings, space.run.path, compiled.network, images)
        return
    with open_workspace("run", config, overrides, steps=STEPS) as space:
        model, overlay, _ = compiling.compile_model(space)
        yield Subject(
            name=space.project.name,
            folder=space.run.path,
            board=space.board,
            network=lower(model.graph, overlay.config),
            images=space.data.test.images,
            labels=space.data.test.labels,
        )


def _from_folder(folder: Path, overrides: Sequence[str], images: int) -> Subject:
    """What an earlier run left; nothing is trained or made."""
    if overrides:
        raise ConfigError(f"--set does not change {folder}: give the config instead of a run")
    overlay = published_overlay(RunFolder(path=folder))
    network = lower(load_graph(folder / GRAPH), overlay)
    if "model" in (read_yaml(folder / CONFIG) or {}):
        settings = load_config(ModelSettings, folder / CONFIG)
        return _of_model(settings, folder, network, images)
    project: Project = load_project(folder / CONFIG)
    test = load_data(project.data).test
    return Subject(
        name=project.name,
        folder=folder,
        board=project.load_board(),
        network=network,
        images=test.images,
        labels=test.labels,
    )


def _of_model(
    settings: ModelSettings, folder: Path, network: CompiledNetwork, images: int
) -> Subject:
    """Drawn codes, all equally likely."""
    tensor = network.graph.tensors[network.graph.input]
    rng = np.random.default_rng(settings.seed)
    return Subject(
        name=settings.name,
        folder=folder,
        board=usable_board(settings.board),
        network=network,
        images=random_codes(rng, tensor.precision, (images, *tensor.shape)),
        labels=None,
    )


@contextlib.contextmanager
def _open(kind: str, port: str, subject: Subject) -> Iterator[Link]:
    """The device; where simulators run, their logs land in the run's verification/."""
    board, network, logs = subject.board, subject.network, subject.folder / FOLDER / "device"
    if kind == "uart":
        with _uart(port, board, network, logs) as device:
            yield device
        return
    verilog = published_verilog(RunFolder(path=subject.folder), network.config)
    bench = bench_of([network], verilog, latency=board.memory.latency_cycles)
    opened = harness_link if kind == "harness" else cocotb_link
    with opened(bench, logs) as device:
        yield device


@contextlib.contextmanager
def _uart(port: str, board: Board, network: CompiledNetwork, logs: Path) -> Iterator[Link]:
    _check_serial(board)
    check_memory(network, board.memory.size_bytes)
    with contextlib.ExitStack() as stack:
        if port == SIMULATED:
            port = stack.enter_context(simulated_board(board, network.config, logs))
        link = UartLink(stack.enter_context(SerialPort(port, board.uart_baud)))
        check_memory(network, link.info.memory_bytes)  # of the bitstream that is loaded
        yield link


def _board_of(config: Path, overrides: tuple[str, ...]) -> Board:
    """The board of a config or a model."""
    if is_model(config):
        return load_board(settings_of(config, overrides).board)
    return load_project(config, overrides).load_board()


def _check_serial(board: Board) -> None:
    if not board.has_open_flow:
        able = [name for name in board_names() if load_board(name).has_open_flow]
        raise ConfigError(
            f"board {board.name} has no serial host link; choose one that has: {', '.join(able)}"
        )


def _golden(network: CompiledNetwork, images: Sequence[np.ndarray]) -> np.ndarray:
    """(images, M, H, W): what the network's last layer must give."""
    graph = network.graph
    shape = graph.tensors[graph.input].shape
    values = execute(graph, np.stack([image.reshape(shape) for image in images]))
    return values[network.layers[-1].layer.output]


def _compare(
    outcomes: Sequence[Outcome], expected: np.ndarray, network: CompiledNetwork, predicted: int
) -> None:
    """MismatchError at the first difference."""
    layer = network.layers[-1].name
    for image, (outcome, golden) in enumerate(zip(outcomes, expected, strict=True)):
        codes = outcome.codes.reshape(golden.shape)
        if not np.array_equal(codes, golden):
            place = tuple(int(i) for i in np.argwhere(codes != golden)[0])
            raise MismatchError(
                f"image {image} must give {int(golden[place])}, not {int(codes[place])}",
                layer=layer,
                element=place,
            )
        if outcome.cycles != predicted:
            raise MismatchError(f"image {image}: {outcome.cycles} cycles, predicted {predicted}")
