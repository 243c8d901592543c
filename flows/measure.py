"""Cycles of whole networks on an overlay: simulated in the harness, held against the cycle model.

A measurement that differs from its prediction, or from the overlay's own counter, is an error and
never a number.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from codegen.bounds import network_bounds, total_bound
from codegen.cycles import MemoryTiming, predict
from codegen.lower import CompiledNetwork
from flows.bench import BenchResult, JobResult, layer_cycles
from flows.execute import bench_of, counters_of, job_of, output_regions
from flows.harness import simulate
from ir.errors import CapacityError, MismatchError


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Cycles of one image, START to irq, in all and by layer, and the overlay's counters.

    bound: lower bound of the whole; layer_bounds: of each layer alone.
    """

    cycles: int
    predicted: int
    bound: int
    layers: dict[str, int]
    layers_predicted: dict[str, int]
    layers_bound: dict[str, int]
    counters: dict[str, int]

    def check(self, where: str) -> "Measured":
        """Itself; MismatchError where measurement, model, bound and counter disagree."""
        for name, cycles in self.layers.items():
            _equal(cycles, self.layers_predicted[name], where, name)
        _equal(self.cycles, self.predicted, where, None)
        if self.counters["CYCLES"] != self.cycles:
            raise MismatchError(
                f"{where}: measured {self.cycles} cycles, the overlay's own counter says "
                f"{self.counters['CYCLES']}"
            )
        if self.cycles < self.bound:
            raise MismatchError(
                f"{where}: measured {self.cycles} cycles, below the lower bound of {self.bound}"
            )
        return self


def _equal(measured: int, predicted: int, where: str, layer: str | None) -> None:
    if measured != predicted:
        raise MismatchError(
            f"{where}: measured {measured} cycles, predicted {predicted}", layer=layer
        )


def check_memory(network: CompiledNetwork, limit: int) -> int:
    """The bytes of memory that a network needs; CapacityError when the board has fewer."""
    if network.memory_bytes > limit:
        raise CapacityError(
            f"the network needs {network.memory_bytes} bytes of memory, the board has {limit}; "
            "take narrower widths or another board"
        )
    return network.memory_bytes


def measured_of(network: CompiledNetwork, result: JobResult, *, latency: int) -> Measured:
    """A job's cycles beside what the model and the bounds say of the same network."""
    names = [layer.name for layer in network.layers]
    model = predict(network, MemoryTiming(latency=latency))
    bounds = network_bounds(network)
    spent = layer_cycles(result, output_regions(network))
    return Measured(
        cycles=result.measured,
        predicted=model.cycles,
        bound=total_bound(bounds).cycles,
        layers=dict(zip(names, spent, strict=True)),
        layers_predicted=dict(zip(names, model.layers, strict=True)),
        layers_bound={n: b.cycles for n, b in zip(names, bounds, strict=True)},
        counters=counters_of(result),
    )


def measure(
    networks: Mapping[str, CompiledNetwork],
    verilog: str,
    *,
    latency: int,
    memory_limit: int,
    workers: int = 1,
) -> tuple[dict[str, Measured], BenchResult]:
    """One image through each of the {title: network}, in one harness; each one checked.

    Cycles do not depend on data: the image is the input's largest code everywhere.
    """
    compiled = list(networks.values())
    for network in compiled:
        check_memory(network, memory_limit)
    bench = bench_of(compiled, verilog, latency=latency)
    jobs = [job_of(network, _full_image(network), dumps=False) for network in compiled]
    result = simulate(bench, jobs, workers=workers)
    found = {
        title: measured_of(network, job, latency=latency).check(title)
        for (title, network), job in zip(networks.items(), result.jobs, strict=True)
    }
    return found, result


def _full_image(network: CompiledNetwork) -> np.ndarray:
    tensor = network.graph.tensors[network.graph.input]
    return np.full(tensor.shape, tensor.precision.max, dtype=np.int64)
