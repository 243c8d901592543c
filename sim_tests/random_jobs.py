"""Random jobs for the overlay: single layers and chains of layers, each from one number.

`python -m sim_tests.random_jobs OVERLAY SEED` runs one again, with its prediction.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from codegen.attribution import Attribution, total
from codegen.cycles import Prediction, predict
from codegen.emit import emit_verilog
from codegen.lower import CompiledNetwork, lower
from codegen.read_timing import MemoryTiming
from codegen.shape import LayerShape
from flows import harness
from flows.bench import Bench, BenchResult, Job, layer_cycles
from flows.execute import bench_of, counters_of, expected_outputs, job_of, output_regions
from hw.config import OverlayConfig
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from ir.errors import CapacityError, UnsupportedModelError
from sim_tests.random_graphs import random_graph

Simulate = Callable[[Bench, Sequence[Job]], BenchResult]

MOST_CYCLES = 60_000
"""Longer jobs are drawn again: many short ones find more."""

_DEPTHS = {"lhs_depth": 256, "rhs_depth": 1024, "ring_depth": 256, "table_depth": 256}

_SPLIT = {"lhs_depth": 16, "k_split": 1}
"""Weight banks that hold few row tiles whole: most sums are cut."""

_BANDS = {"rhs_depth": 64}
"""Activation banks that hold few inputs whole: many layers run in bands of rows."""

SERIAL: dict[str, OverlayConfig] = {
    "2x16x2": BitSerial(dm=2, dk=16, dn=2, memory_bits=64, **_DEPTHS),
    "4x48x3": BitSerial(dm=4, dk=48, dn=3, memory_bits=128, requant_lanes=2, **_DEPTHS),
    "1x16x1": BitSerial(dm=1, dk=16, dn=1, memory_bits=32, rhs_ways=1, **_DEPTHS),
    "3x7x5": BitSerial(
        dm=3, dk=7, dn=5, memory_bits=64, requant_lanes=3, rhs_ways=8, **_DEPTHS | _SPLIT
    ),
    "2x64x2": BitSerial(dm=2, dk=64, dn=2, memory_bits=256, requant_lanes=2, **_DEPTHS),
    "2x24x3": BitSerial(dm=2, dk=24, dn=3, memory_bits=32, **_DEPTHS | _BANDS),
    "8x64x8": BitSerial(dm=8, dk=64, dn=8, memory_bits=64, requant_lanes=4, rhs_ways=4, **_DEPTHS),
}
"""Even and odd sizes, every memory width, one to several requantizer lanes and activation ways."""

SLICE: dict[str, OverlayConfig] = {
    "2x16x2-2x2": BitSlice(dm=2, dk=16, dn=2, p=2, q=2, memory_bits=64, **_DEPTHS),
    "3x8x2-4x1": BitSlice(dm=3, dk=8, dn=2, p=4, q=1, requant_lanes=3, **_DEPTHS),
    "4x8x3-1x4": BitSlice(
        dm=4, dk=8, dn=3, p=1, q=4, memory_bits=128, rhs_ways=4, **_DEPTHS | _SPLIT
    ),
    "2x7x5-2x4": BitSlice(
        dm=2, dk=7, dn=5, p=2, q=4, memory_bits=64, requant_lanes=2, rhs_ways=1, **_DEPTHS
    ),
    "2x8x4-1x2": BitSlice(
        dm=2, dk=8, dn=4, p=1, q=2, memory_bits=64, rhs_ways=4, **_DEPTHS | _BANDS
    ),
    "2x5x2-8x8": BitSlice(dm=2, dk=5, dn=2, p=8, q=8, memory_bits=32, **_DEPTHS),
}
"""Digits of equal and unequal width, -PxQ, either one the wider, and bit-parallel."""

FABRIC: dict[str, OverlayConfig] = {
    "2x64x2-xc7": BitSerial(
        dm=2, dk=64, dn=2, requant_lanes=2, acc_bits=24, fabric="xc7", **_DEPTHS
    ),
    "2x16x2-2x2-xc7": BitSlice(dm=2, dk=16, dn=2, p=2, q=2, fabric="xc7", **_DEPTHS),
    "2x7x2-1x4-xcup": BitSlice(
        dm=2, dk=7, dn=2, p=1, q=4, memory_bits=32, rhs_ways=1, fabric="xcup", **_DEPTHS
    ),
    "1x32x2-ecp5": BitSerial(dm=1, dk=32, dn=2, memory_bits=32, fabric="ecp5", **_DEPTHS),
    "2x9x2-4x2-ecp5": BitSlice(dm=2, dk=9, dn=2, p=4, q=2, fabric="ecp5", **_DEPTHS),
    "2x12x3-ecp5": BitSerial(
        dm=2, dk=12, dn=3, requant_lanes=2, rhs_ways=4, fabric="ecp5", **_DEPTHS | _SPLIT | _BANDS
    ),
    "1x16x1-ice40": BitSerial(
        dm=1, dk=16, dn=1, memory_bits=32, rhs_ways=1, fabric="ice40", **_DEPTHS
    ),
}
"""Dot-product units as each fabric has them, with their own latencies."""

OVERLAYS = SERIAL | SLICE | FABRIC


@dataclass(frozen=True, kw_only=True)
class RandomJob:
    """A compiled network, its input, and the number it was made from."""

    overlay: str
    seed: int
    network: CompiledNetwork
    image: np.ndarray

    def __str__(self) -> str:
        layers = ", ".join(_describe(layer.tiling.shape) for layer in self.network.layers)
        return f"python -m sim_tests.random_jobs {self.overlay} {self.seed}  # {layers}"


def _describe(shape: LayerShape) -> str:
    """The layer's sizes, and what is unusual about it."""
    plain = {"groups": 1, "dilation": 1, "row_bits": None, "pad_ones": False}
    odd = [
        f" {name} {getattr(shape, name)}" for name in plain if getattr(shape, name) != plain[name]
    ]
    operands = f" operands {shape.operands}" if len(shape.parts) > 1 else ""
    return (
        f"{shape.name} {shape.rows}x{shape.channels}x{shape.kernel[0]}x{shape.kernel[1]} on "
        f"{shape.height}x{shape.width} stride {shape.stride} padding {shape.padding} "
        f"{shape.weights} * {shape.activations} -> {shape.output}{''.join(odd)}{operands}"
    )


def random_job(overlay: str, seed: int) -> RandomJob:
    """Job number `seed` of an overlay."""
    config = OVERLAYS[overlay]
    rng = np.random.default_rng([seed, *overlay.encode()])
    while True:
        graph, image = random_graph(rng)
        try:
            network = lower(graph, config, sort=bool(rng.integers(4)))
        except (CapacityError, UnsupportedModelError):  # drawn too large or odd: draw again
            continue
        if predict(network, MemoryTiming()).cycles <= MOST_CYCLES:
            return RandomJob(overlay=overlay, seed=seed, network=network, image=image)


def run_jobs(
    jobs: Sequence[RandomJob],
    *,
    latency: int = 20,
    stall_seed: int | None = None,
    simulate: Simulate = harness.simulate,
    verilog: str | None = None,
) -> int:
    """Simulate jobs of one overlay in one process: the cycles that all of them took.

    `simulate`: the harness' or cocotb's. `verilog`: what runs, by default the overlay's own text.
    Bit-exact against the golden model; without stalls also measured == predicted, layer by layer,
    and == the counters, those of waits among them. AssertionError has the reproducer.
    """
    networks = [job.network for job in jobs]
    text = verilog or emit_verilog(networks[0].config)
    bench = bench_of(networks, text, latency=latency, stall_seed=stall_seed)
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
            counters = counters_of(answer)
            assert counters["CYCLES"] == answer.measured, f"counter differs: {job}"
            waits = total([Attribution.of(stalls) for stalls in predicted.stalls])
            counted = Attribution.of(counters)
            assert counted == waits, f"{counted} counted, {waits} predicted: {job}"
    return sum(answer.measured for answer in result.jobs)


if __name__ == "__main__":
    again = random_job(sys.argv[1], int(sys.argv[2]))
    print(again)
    print(predict(again.network, MemoryTiming()))
    run_jobs([again])
    run_jobs([again], stall_seed=1)
    print("bit-exact, predicted cycles equal measured ones")
