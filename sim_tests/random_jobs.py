"""Random jobs for the overlay: single layers and chains of layers, each from one number.

`python -m sim_tests.random_jobs OVERLAY SEED` runs one again, with its prediction.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from codegen.cycles import Prediction, predict
from codegen.emit import emit_verilog
from codegen.lower import CompiledNetwork, lower
from codegen.read_timing import MemoryTiming
from codegen.workload import Workload
from flows import harness
from flows.bench import Bench, BenchResult, Job, layer_cycles
from flows.execute import bench_of, expected_outputs, job_of, output_regions
from hw.config import OverlayConfig
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from ir.errors import CapacityError
from ir.graph import INT32, IntegerGraph, Node, Tensor
from ir.nodes import OneInput
from ir.precision import Precision, weight_precision

Simulate = Callable[[Bench, Sequence[Job]], BenchResult]

MOST_CYCLES = 60_000
"""Longer jobs are drawn again: many short ones find more."""

_DEPTHS = {"lhs_depth": 256, "rhs_depth": 1024, "ring_depth": 256, "table_depth": 256}

OVERLAYS: dict[str, OverlayConfig] = {
    "2x16x2": BitSerial(dm=2, dk=16, dn=2, memory_bits=64, **_DEPTHS),
    "4x48x3": BitSerial(dm=4, dk=48, dn=3, memory_bits=128, requant_lanes=2, **_DEPTHS),
    "1x16x1": BitSerial(dm=1, dk=16, dn=1, memory_bits=32, **_DEPTHS),
    "3x7x5": BitSerial(dm=3, dk=7, dn=5, memory_bits=64, requant_lanes=3, **_DEPTHS),
    "2x64x2": BitSerial(dm=2, dk=64, dn=2, memory_bits=256, requant_lanes=2, **_DEPTHS),
    "8x64x8": BitSerial(dm=8, dk=64, dn=8, memory_bits=64, requant_lanes=4, **_DEPTHS),
    "2x16x2-2x2": BitSlice(dm=2, dk=16, dn=2, p=2, q=2, memory_bits=64, **_DEPTHS),
    "3x8x2-4x1": BitSlice(dm=3, dk=8, dn=2, p=4, q=1, requant_lanes=3, **_DEPTHS),
    "4x8x3-1x4": BitSlice(dm=4, dk=8, dn=3, p=1, q=4, memory_bits=128, **_DEPTHS),
    "2x7x5-2x4": BitSlice(dm=2, dk=7, dn=5, p=2, q=4, requant_lanes=2, **_DEPTHS),
    "2x5x2-8x8": BitSlice(dm=2, dk=5, dn=2, p=8, q=8, memory_bits=32, **_DEPTHS),
}
"""Even and odd sizes, every memory width, one to several requantizer lanes; digits as -PxQ."""


@dataclass(frozen=True, kw_only=True)
class RandomJob:
    """A compiled network, its input, and the number it was made from. maker: the module."""

    overlay: str
    seed: int
    network: CompiledNetwork
    image: np.ndarray
    maker: str = "random_jobs"

    def __str__(self) -> str:
        layers = ", ".join(
            f"{s.rows}x{s.channels}x{s.kernel[0]}x{s.kernel[1]} on {s.height}x{s.width} "
            f"stride {s.stride} padding {s.padding} {s.weights} * {s.activations} -> {s.output}"
            for s in (layer.tiling.shape for layer in self.network.layers)
        )
        return f"python -m sim_tests.{self.maker} {self.overlay} {self.seed}  # {layers}"


def random_job(overlay: str, seed: int) -> RandomJob:
    """Job number `seed` of an overlay: one layer, or a chain of two or three."""
    config = OVERLAYS[overlay]
    rng = np.random.default_rng([seed, *overlay.encode()])
    while True:
        layers = [_random_layer(rng, first=True, seed=seed)]
        for _ in range(rng.choice([0, 0, 0, 1, 2])):
            layers.append(_random_layer(rng, first=False, seed=seed))
        graph, image = _chain(layers)
        try:
            network = lower(graph, config)
        except CapacityError:  # drawn too large for this overlay: draw again
            continue
        if predict(network, MemoryTiming()).cycles <= MOST_CYCLES:
            return RandomJob(overlay=overlay, seed=seed, network=network, image=image)


def _random_layer(rng: np.random.Generator, *, first: bool, seed: int) -> Workload:
    kernel = int(rng.choice([1, 1, 2, 3, 3, 5]))
    side = [int(rng.integers(max(1, kernel - 2), 11)) for _ in range(2)]
    w_bits, a_bits = (int(rng.integers(1, 9)) for _ in range(2))
    a_signed, o_signed = bool(rng.integers(4) == 0), bool(rng.integers(4) == 0)
    raw = rng.integers(5) == 0
    return Workload(
        channels=int(rng.choice([1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 64, 65])),
        height=side[0],
        width=side[1],
        rows=int(rng.choice([1, 2, 3, 4, 5, 7, 8, 9, 16, 17])),
        kernel=kernel,
        stride=int(rng.choice([1, 1, 1, 2, 3])),
        padding=max(int(rng.integers(0, kernel)), _least_padding(kernel, min(side))),
        weights=weight_precision(w_bits, bool(rng.integers(4))),
        activations=Precision(a_bits, a_signed),
        output=INT32 if raw else Precision(int(rng.integers(1, 9)), o_signed),
        seed=seed + (0 if first else int(rng.integers(1 << 30))),
    )


def _least_padding(kernel: int, side: int) -> int:
    return max(0, -(-(kernel - side) // 2))


def _chain(layers: Sequence[Workload]) -> tuple[IntegerGraph, np.ndarray]:
    """The layers one after the other: each takes the size and precision of what it gets."""
    tensors: dict[str, Tensor] = {}
    nodes: list[Node] = []
    image: np.ndarray | None = None
    previous: Tensor | None = None
    for index, layer in enumerate(layers):
        if previous is not None:
            channels, height, width = previous.shape
            kernel = min(layer.kernel, height, width)
            layer = replace(
                layer,
                channels=channels,
                height=height,
                width=width,
                kernel=kernel,
                padding=min(layer.padding, kernel - 1),
                activations=previous.precision,
            )
        if index + 1 < len(layers) and layer.output == INT32:
            layer = replace(layer, output=Precision(4, signed=False))
        graph, x = layer.build()
        image = x if image is None else image
        names = {
            "x": "x" if index == 0 else f"y{index - 1}",
            "acc": f"acc{index}",
            "y": f"y{index}",
        }
        for tensor in graph.tensors.values():
            tensors[names[tensor.name]] = replace(tensor, name=names[tensor.name])
        for node in graph.nodes:
            assert isinstance(node, OneInput)
            nodes.append(
                replace(
                    node,
                    name=f"{node.name}{index}",
                    input=names[node.input],
                    output=names[node.output],
                )
            )
        previous = tensors[f"y{index}"]
    assert previous is not None and image is not None
    graph = IntegerGraph("random", tensors, nodes, "x", previous.name).verify()
    return graph, image


def run_jobs(
    jobs: Sequence[RandomJob],
    *,
    latency: int = 20,
    stall_seed: int | None = None,
    simulate: Simulate = harness.simulate,
) -> None:
    """Simulate jobs of one overlay in one process; AssertionError with the reproducer.

    `simulate`: the harness' or cocotb's. Bit-exact against the golden model; without stalls also
    measured == predicted, layer by layer, and == the CYCLES counter.
    """
    networks = [job.network for job in jobs]
    verilog = emit_verilog(networks[0].config)
    bench = bench_of(networks, verilog, latency=latency, stall_seed=stall_seed)
    result = simulate(bench, [job_of(job.network, job.image) for job in jobs])
    for job, answer in zip(jobs, result.jobs, strict=True):
        expected = expected_outputs(job.network, [job.image])
        for layer, raw in zip(job.network.layers, answer.dumps, strict=True):
            assert np.array_equal(layer.unpack_output(raw), expected[layer.name][0]), (
                f"{layer.name} differs: {job}"
            )
        if stall_seed is None:
            measured = Prediction(
                cycles=answer.measured, layers=layer_cycles(answer, output_regions(job.network))
            )
            predicted = predict(job.network, MemoryTiming(latency=latency))
            assert measured == predicted, f"{measured} measured, {predicted} predicted: {job}"
            assert answer.counters["CYCLES"] == answer.measured, f"counter differs: {job}"


if __name__ == "__main__":
    again = random_job(sys.argv[1], int(sys.argv[2]))
    print(again)
    print(predict(again.network, MemoryTiming()))
    run_jobs([again])
    run_jobs([again], stall_seed=1)
    print("bit-exact, predicted cycles equal measured ones")
