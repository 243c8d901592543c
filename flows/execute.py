"""A compiled network on the simulated overlay: jobs in, codes and cycles out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codegen.cycles import MemoryTiming, predict
from codegen.lower import CompiledNetwork
from flows.bench import Bench, BenchResult, Job, JobResult, Region, layer_cycles
from hw.csr import COUNTERS, OFFSETS
from ir.golden import execute as golden

PAGE = 4096
CYCLE_LIMIT_FACTOR = 4  # a job that takes so many times its prediction hangs
STALLED = 8  # how much longer random stalls may make it
COUNTER_REGISTERS = tuple(name + half for name in COUNTERS for half in ("", "_HI"))


@dataclass(frozen=True, kw_only=True)
class Execution:
    """outputs: {layer: (images, M, H, W) int64}. measured: cycles of each image. layers: of the
    first. counters: the overlay's own, of the first image.
    """

    outputs: dict[str, np.ndarray]
    measured: list[int]
    layers: list[int]
    counters: dict[str, int]
    result: BenchResult


def bench_of(
    networks: Sequence[CompiledNetwork],
    verilog: str | Path,
    *,
    latency: int,
    stall_seed: int | None = None,
) -> Bench:
    """A bench that any of `networks`, all compiled for one overlay, can run on."""
    needs = max(network.memory_bytes for network in networks)
    expected = max(predict(network, MemoryTiming(latency=latency)).cycles for network in networks)
    slack = STALLED if stall_seed else 1
    return Bench(
        verilog=verilog,
        memory_bits=networks[0].config.memory_bits,
        memory_bytes=-(-needs // PAGE) * PAGE,
        regmap=OFFSETS,
        latency=latency,
        counters=COUNTER_REGISTERS,
        stall_seed=stall_seed,
        cycle_limit=slack * (CYCLE_LIMIT_FACTOR * expected + 10_000),
    )


def output_regions(network: CompiledNetwork) -> tuple[Region, ...]:
    """Where each layer writes, in order."""
    places = [layer.output_region for layer in network.layers]
    return tuple(Region(address=address, size=size) for address, size in places)


def job_of(network: CompiledNetwork, image: np.ndarray, *, dumps: bool = True) -> Job:
    """One image (C, H, W) of codes through a network, whose own images are loaded with it.

    `dumps`: read every layer's output back.
    """
    return Job(
        loads=network.segments | {network.input_address: network.pack_input(image)},
        registers=network.registers,
        dumps=output_regions(network) if dumps else (),
    )


def counters_of(result: JobResult) -> dict[str, int]:
    """The overlay's 64-bit counters."""
    values = result.counters
    return {name: values[name] + (values[f"{name}_HI"] << 32) for name in COUNTERS}


def run_images(
    network: CompiledNetwork,
    bench: Bench,
    images: Sequence[np.ndarray],
    simulate: Callable[[Bench, Sequence[Job]], BenchResult],
) -> Execution:
    """Run images (C, H, W) one after the other; every layer's output is read back."""
    jobs = [job_of(network, image) for image in images]
    result = simulate(bench, jobs)
    outputs = {
        layer.name: np.stack([layer.unpack_output(job.dumps[index]) for job in result.jobs])
        for index, layer in enumerate(network.layers)
    }
    return Execution(
        outputs=outputs,
        measured=[job.measured for job in result.jobs],
        layers=layer_cycles(result.jobs[0], output_regions(network)),
        counters=counters_of(result.jobs[0]),
        result=result,
    )


def expected_outputs(
    network: CompiledNetwork,
    images: Sequence[np.ndarray],
    values: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """What the golden model says: {layer: (images, M, H, W)}. values: of all tensors, if known."""
    graph = network.graph
    if values is None:
        shape = graph.tensors[graph.input].shape
        values = golden(graph, np.stack([np.asarray(i).reshape(shape) for i in images]))
    return {layer.name: values[layer.layer.output] for layer in network.layers}
