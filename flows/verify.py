"""Proof that the device computes what was trained: torch == golden == RTL, code for code.

Every stage leaves `verification/<stage>.json`. The first difference is written to
`first_mismatch.json` with layer, image and element, and ends the run with exit code 1.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from codegen.lower import CompiledNetwork
from flows import cocotb_run, harness
from flows.bench import Bench, BenchResult, Job
from flows.execute import bench_of, expected_outputs, run_images
from flows.measure import Measured, check_memory, measured_of
from flows.run_folder import RunFolder
from flows.workspace import Workspace
from ir.errors import MismatchError
from ir.files import write_json
from ir.golden import execute
from ir.graph import IntegerGraph
from quant.data import Split
from quant.snapped import SnappedNet
from quant.train import inputs_of

FOLDER = "verification"
WAVES = f"{FOLDER}/cocotb/dump.vcd"
FIRST_MISMATCH = f"{FOLDER}/first_mismatch.json"
COCOTB_IMAGES = 4


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A stage that ended well. codes: how many were compared, over all layers and images."""

    stage: str
    images: int
    layers: dict[str, int]
    cycles: int | None = None
    cycles_per_second: int | None = None
    seconds: float | None = None

    @property
    def codes(self) -> int:
        """Codes compared, all equal."""
        return sum(self.layers.values())


def prove_golden(space: Workspace, snapped: SnappedNet, graph: IntegerGraph, split: Split) -> Proof:
    """Torch's snapped network and the golden model agree in every tensor, sums included."""
    codes = execute(graph, split.images.astype(np.int64))
    torch_codes = snapped.activations(inputs_of(split))
    compared: dict[str, int] = {}
    for name in torch_codes:
        _compare(space.run, "golden", name, torch_codes[name], codes[name])
        compared[name] = codes[name].size
    return _pass(space.run, Proof(stage="golden", images=len(split), layers=compared))


@dataclass(frozen=True, kw_only=True, eq=False)
class Device:
    """A proof on a device. output: (N, M, H, W) codes of the network's output."""

    proof: Proof
    measured: Measured
    output: np.ndarray


def prove_harness(space: Workspace, network: CompiledNetwork, verilog: str) -> Proof:
    """RTL and golden model agree in every layer on every test image, in the C++ harness."""

    def simulate(bench: Bench, jobs: Sequence[Job]) -> BenchResult:
        return harness.simulate(bench, jobs, workers=space.jobs)

    return _on_board(space, "harness", network, verilog, space.data.test.images, simulate)


def prove_cocotb(
    space: Workspace, network: CompiledNetwork, verilog: str, *, waves: bool = False
) -> Proof:
    """The same on a few images with cocotb and cocotbext-axi, in the same cycles."""
    folder = (space.run / WAVES).parent if waves else None

    def simulate(bench: Bench, jobs: Sequence[Job]) -> BenchResult:
        return cocotb_run.run(bench, jobs, folder=folder, waves=waves)

    images = space.data.test.images[:COCOTB_IMAGES]
    return _on_board(space, "cocotb", network, verilog, images, simulate)


def _on_board(
    space: Workspace,
    stage: str,
    network: CompiledNetwork,
    verilog: str,
    images: np.ndarray,
    simulate: Callable[[Bench, Sequence[Job]], BenchResult],
) -> Proof:
    """The proof with the memory of the run's board."""
    memory = space.board.memory
    check_memory(network, memory.size_bytes)
    latency = memory.latency_cycles
    return prove_device(space.run, stage, network, verilog, images, latency, simulate).proof


def prove_device(
    run: RunFolder,
    stage: str,
    network: CompiledNetwork,
    verilog: str,
    images: np.ndarray,
    latency: int,
    simulate: Callable[[Bench, Sequence[Job]], BenchResult] = harness.simulate,
    *,
    golden: Mapping[str, np.ndarray] | None = None,
) -> Device:
    """RTL and golden model agree in every layer, in as many cycles as predicted.

    images: (N, C, H, W) codes; golden: what the golden model makes of them, where that is known.
    MismatchError at the first difference.
    """
    bench = bench_of([network], verilog, latency=latency)
    codes = list(images.astype(np.int64))
    done = run_images(network, bench, codes, simulate)
    for layer, expected in expected_outputs(network, codes, golden).items():
        _compare(run, stage, layer, expected, done.outputs[layer])
    found = [measured_of(network, job, latency=latency) for job in done.result.jobs]
    _check_cycles(run, stage, found)
    proof = Proof(
        stage=stage,
        images=len(images),
        layers={layer: codes.size for layer, codes in done.outputs.items()},
        cycles=found[0].cycles,
        cycles_per_second=round(done.result.cycles_per_second),
        seconds=round(done.result.seconds, 3),
    )
    _pass(run, proof, asdict(found[0]))
    output = done.outputs[network.layers[-1].name]
    return Device(proof=proof, measured=found[0], output=output)


def _check_cycles(run: RunFolder, stage: str, found: Sequence[Measured]) -> None:
    """Every image as predicted, and so all alike: cycles do not depend on data."""
    for image, measured in enumerate(found):
        try:
            measured.check(f"{stage}, image {image}")
        except MismatchError as error:
            _fail(run, stage, {"what": "cycles", "image": image, "layer": error.layer}, error)


def _compare(run: RunFolder, stage: str, layer: str, expected: np.ndarray, got: np.ndarray) -> None:
    """expected, got: (N, C, H, W) codes."""
    if np.array_equal(expected, got):
        return
    image, *element = (int(i) for i in np.argwhere(expected != got)[0])
    values = int(expected[(image, *element)]), int(got[(image, *element)])
    error = MismatchError(
        f"{stage}: image {image} must give {values[0]}, not {values[1]}; "
        f"{int((expected != got).sum())} of {expected.size} codes differ",
        layer=layer,
        element=tuple(element),
    )
    place = {"what": "codes", "layer": layer, "image": image, "element": element}
    _fail(run, stage, place | {"expected": values[0], "got": values[1]}, error)


def _fail(run: RunFolder, stage: str, place: Mapping[str, Any], error: MismatchError) -> None:
    write_json(run / FIRST_MISMATCH, {"stage": stage, **place, "message": str(error)})
    write_json(run / FOLDER / f"{stage}.json", {"stage": stage, "ok": False, **place})
    run.event("mismatch", stage=stage, **place)
    raise error


def _pass(run: RunFolder, proof: Proof, cycles: Mapping[str, Any] | None = None) -> Proof:
    facts = {"ok": True, **asdict(proof), "codes": proof.codes}
    write_json(run / FOLDER / f"{proof.stage}.json", facts | ({"first": cycles} if cycles else {}))
    (run / FIRST_MISMATCH).unlink(missing_ok=True)
    return proof
