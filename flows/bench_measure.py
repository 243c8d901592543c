"""Compile, predict, simulate, compare: what every bench does with a graph on an overlay."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from codegen.attribution import Attribution, total
from codegen.cycles import Prediction, predict
from codegen.device_layer import layer_shapes
from codegen.emit import emit_verilog
from codegen.lower import CompiledNetwork, lower
from codegen.read_timing import MemoryTiming
from flows.bench_overlay import BenchOverlay
from flows.execute import Execution, bench_of, expected_outputs, run_images
from flows.harness import simulate
from flows.simulator import DEFAULT_CACHE
from hw.config import OverlayConfig
from ir.graph import IntegerGraph


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One image through a network. exact: every code of every layer equals the golden model."""

    network: CompiledNetwork
    predicted: Prediction
    run: Execution
    exact: bool
    compile_seconds: float
    golden_seconds: float

    @property
    def config(self) -> OverlayConfig:
        """The overlay's."""
        return self.network.config

    @property
    def measured(self) -> int:
        """Cycles from START to irq."""
        return self.run.measured[0]

    @property
    def ok(self) -> bool:
        """Exact, and three counts of its cycles agree, layer by layer and wait by wait."""
        return (
            self.exact
            and self.measured == self.predicted.cycles == self.run.counters["CYCLES"]
            and self.run.layers == self.predicted.layers
            and total(self.layers) == Attribution.of(self.run.counters)
        )

    @property
    def layers(self) -> list[Attribution]:
        """Where the cycles of each layer go, as predicted; their sum is measured."""
        return [Attribution.of(stalls) for stalls in self.predicted.stalls]

    def facts(self) -> dict[str, Any]:
        """The keys that the answer of every bench has."""
        attribution = Attribution.of(self.run.counters)
        return {
            "measured": self.measured,
            "predicted": self.predicted.cycles,
            "limited_by": attribution.limited_by,
            "attribution": asdict(attribution) | {"idle": attribution.idle(self.measured)},
            "bit_exact": self.exact,
            "counters": self.run.counters,
            "overlay": {"style": self.config.style} | asdict(self.config),
            "seconds": self.run.result.seconds,
            "cycles_per_second": self.run.result.cycles_per_second,
            "build_seconds": self.run.result.build_seconds,
            "compile_seconds": self.compile_seconds,
            "golden_seconds": self.golden_seconds,
            "ok": self.ok,
        }


def measure_graph(
    graph: IntegerGraph,
    image: np.ndarray,
    overlay: BenchOverlay,
    *,
    sort: bool = True,
    cache: str = "",
) -> Measurement:
    """Run one image (C, H, W) of codes through `graph` on `overlay`.

    sort: output channels are ordered by the bits of their weights.
    """
    started = time.perf_counter()
    config = overlay.config(layer_shapes(graph))
    network = lower(graph, config, sort=sort)
    predicted = predict(network, MemoryTiming(latency=overlay.memory_latency))
    compiled = time.perf_counter()
    bench = bench_of([network], emit_verilog(config), latency=overlay.memory_latency)
    run = run_images(network, bench, [image], partial(simulate, cache=cache or DEFAULT_CACHE))
    simulated = time.perf_counter()
    expected = expected_outputs(network, [image])
    golden = time.perf_counter()
    exact = all(np.array_equal(run.outputs[name], codes) for name, codes in expected.items())
    return Measurement(
        network=network,
        predicted=predicted,
        run=run,
        exact=exact,
        compile_seconds=round(compiled - started, 3),
        golden_seconds=round(golden - simulated, 3),
    )
