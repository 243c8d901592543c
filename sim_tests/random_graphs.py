"""Random networks with branches: every layer of ir/nodes.py that the device computes.

`python -m sim_tests.random_graphs OVERLAY SEED` runs one again, with its prediction.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np

from codegen.cycles import predict
from codegen.lower import lower
from codegen.random_network import fitted_requantizer
from codegen.read_timing import MemoryTiming
from codegen.workload import random_codes
from ir.errors import CapacityError, UnsupportedModelError
from ir.golden import run_node
from ir.graph import (
    INT32,
    Add,
    AveragePool,
    Concat,
    Conv,
    GlobalAveragePool,
    IntegerGraph,
    MatMul,
    MaxPool,
    Node,
    Sums,
    Tensor,
    Threshold,
    output_shape,
    sums_range,
)
from ir.precision import Precision, narrowest, weight_precision
from sim_tests.random_jobs import MOST_CYCLES, OVERLAYS, RandomJob, run_jobs

BIPOLAR = weight_precision(1)


def random_graph_job(overlay: str, seed: int) -> RandomJob:
    """Graph number `seed` on an overlay."""
    config = OVERLAYS[overlay]
    rng = np.random.default_rng([seed, 7, *overlay.encode()])
    while True:
        builder = GraphBuilder(rng)
        for _ in range(rng.integers(1, 6)):
            builder.step()
        graph, image = builder.finish()
        try:
            network = lower(graph, config, sort=bool(rng.integers(4)))
        except (CapacityError, UnsupportedModelError):  # drawn too large: draw again
            continue
        if predict(network, MemoryTiming()).cycles <= MOST_CYCLES:
            return RandomJob(overlay=overlay, seed=seed, network=network, image=image)


class GraphBuilder:
    """A graph in the making, with the codes that one random image makes of it."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        height, width = (int(side) for side in rng.integers(1, 9, 2))
        shape = (int(rng.choice([1, 2, 3, 5, 8, 17])), height, width)
        image = Tensor("x", shape, self._precision())
        self.tensors = {"x": image}
        self.codes = ["x"]
        self.nodes: list[Node] = []
        self.values = {"x": random_codes(rng, image.precision, shape)[np.newaxis]}

    def _precision(self) -> Precision:
        if self.rng.integers(6) == 0:
            return BIPOLAR
        return Precision(int(self.rng.integers(1, 6)), bool(self.rng.integers(3) == 0))

    def _pick(self) -> Tensor:
        """A tensor of codes, a late one more often."""
        back = min(int(self.rng.geometric(0.5)), len(self.codes))
        return self.tensors[self.codes[-back]]

    def step(self) -> None:
        """One more layer, on tensors that are there."""
        makers = [self._conv, self._conv, self._depthwise, self._add, self._pool, self._concat]
        node = makers[self.rng.integers(len(makers))]()
        if node is not None:
            self._enter(node, self._precision())

    def finish(self) -> tuple[IntegerGraph, np.ndarray]:
        """The graph with a last layer, and its image (C, H, W)."""
        node = (self._conv, self._linear, self._global)[self.rng.integers(3)]()
        last = INT32 if self.rng.integers(2) else self._precision()
        self._enter(node, last)
        graph = IntegerGraph("random", self.tensors, self.nodes, "x", self.codes[-1])
        return graph.verify(), self.values["x"][0]

    def _enter(self, node: Node, precision: Precision) -> None:
        """The node, and a rule behind sums."""
        sources = [self.tensors[name] for name in node.inputs]
        shape = output_shape(node, *(source.shape for source in sources))
        values = run_node(node, *(self.values[name] for name in node.inputs))
        self.nodes.append(node)
        if not isinstance(node, Sums):
            self.tensors[node.output] = Tensor(node.output, shape, sources[0].precision)
            self.values[node.output] = values
            self.codes.append(node.output)
            return
        reach = sums_range(node, [s.shape for s in sources], [s.precision for s in sources])
        self.tensors[node.output] = Tensor(node.output, shape, narrowest(*reach))
        name = f"{node.name}_codes"
        if precision.bipolar or (precision.bits == 1 and self.rng.integers(2)):
            low, step = (-1, 2) if precision.bipolar else (precision.min, 1)
            sign = self.rng.choice([-1, 1], shape[0])
            limits = np.median(values, axis=(0, 2, 3)).astype(np.int64) * sign
            rule = Threshold(
                f"{node.name}_rule", node.output, name, limits[:, np.newaxis], sign, low, step
            )
        else:
            rule = fitted_requantizer(values[0], precision, name=node.name)
        self.nodes.append(rule)
        self.tensors[name] = Tensor(name, shape, precision)
        self.values[name] = run_node(rule, values)
        self.codes.append(name)

    def _names(self, kind: str) -> tuple[str, str]:
        name = f"{kind}{len(self.nodes)}"
        return name, f"{name}_sums"

    def _weights(self, shape: tuple[int, ...]) -> tuple[np.ndarray, Precision, tuple | None]:
        """(codes, precision, row_bits), the rows' widths equal or not."""
        rng, signed = self.rng, bool(self.rng.integers(4))
        if rng.integers(2):
            precision = weight_precision(int(rng.integers(1, 6)), signed)
            return random_codes(rng, precision, shape), precision, None
        widths = tuple(int(bits) for bits in rng.integers(1, 7, shape[0]))
        rows = [random_codes(rng, weight_precision(bits, signed), shape[1:]) for bits in widths]
        return np.stack(rows), weight_precision(max(widths), signed), widths

    def _window(self, source: Tensor) -> dict:
        """kernel, stride, padding and dilation that fit."""
        rng, (_, height, width) = self.rng, source.shape
        dilation = int(rng.choice([1, 1, 1, 2]))
        kernel = [int(rng.choice([1, 2, 3, 3])) for _ in range(2)]
        sides = [int(n) for n in rng.integers(0, 2, 4)]
        for axis, size in enumerate((height, width)):
            while dilation * (kernel[axis] - 1) + 1 > size + sides[axis] + sides[axis + 2]:
                kernel[axis] -= 1
        padding = 1 if min(kernel) == 3 and dilation == 1 and rng.integers(2) else tuple(sides)
        return {
            "kernel": tuple(kernel),
            "stride": int(rng.choice([1, 1, 1, 2, 3])),
            "padding": padding,
            "dilation": dilation,
        }

    def _conv(self) -> Conv:
        source = self._pick()
        channels = source.shape[0]
        rows = int(self.rng.choice([1, 3, channels, channels, 8, 9, 20]))
        groups = 1
        if self.rng.integers(4) == 0:
            groups = int(self.rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))
            rows = groups * int(self.rng.integers(1, 4))
        return self._convolution(source, rows, groups)

    def _depthwise(self) -> Conv:
        source = self._pick()
        return self._convolution(source, source.shape[0], source.shape[0])

    def _convolution(self, source: Tensor, rows: int, groups: int) -> Conv:
        window = self._window(source)
        weight, precision, widths = self._weights(
            (rows, source.shape[0] // groups, *window.pop("kernel"))
        )
        name, sums = self._names("conv")
        pad_value = int(self.rng.choice([-1, 1])) if source.precision.bipolar else 0
        return Conv(
            name,
            source.name,
            sums,
            weight,
            precision,
            groups=groups,
            row_bits=widths,
            pad_value=pad_value,
            **window,
        )

    def _linear(self) -> MatMul:
        source = self._pick()
        rows = int(self.rng.integers(1, 12))
        weight, precision, widths = self._weights((rows, int(np.prod(source.shape))))
        return MatMul(*self._place("linear", source), weight, precision, widths)

    def _place(self, kind: str, source: Tensor) -> tuple[str, str, str]:
        name, sums = self._names(kind)
        return name, source.name, sums

    def _global(self) -> GlobalAveragePool:
        return GlobalAveragePool(*self._place("global", self._pick()))

    def _pool(self) -> AveragePool | MaxPool:
        source, codes = self._pick(), bool(self.rng.integers(2))
        kernel = [int(self.rng.integers(1, min(3, size) + 1)) for size in source.shape[1:]]
        window = (kernel[0], kernel[1]), int(self.rng.integers(1, 4))
        padding = int(self.rng.integers(min(kernel)))
        if codes:
            plain = source.precision.signed and not source.precision.bipolar
            name, _ = self._names("largest")
            return MaxPool(name, source.name, name, *window, 0 if plain else padding)
        place = self._place("pool", source)
        return AveragePool(*place, *window, 0 if source.precision.bipolar else padding)

    def _add(self) -> Add | None:
        one = self._pick()
        partners = [
            self.tensors[name]
            for name in self.codes
            if self.tensors[name].shape == one.shape
            and self.tensors[name].precision.bipolar == one.precision.bipolar
        ]
        other = partners[self.rng.integers(len(partners))]
        name, sums = self._names("add")
        return Add(name, (one.name, other.name), sums)

    def _concat(self) -> Concat | None:
        one = self._pick()
        partners = [
            self.tensors[name]
            for name in self.codes
            if self.tensors[name].shape[1:] == one.shape[1:]
            and self.tensors[name].precision == one.precision
        ]
        other = partners[self.rng.integers(len(partners))]
        name, _ = self._names("concat")
        return Concat(name, (one.name, other.name), name)


if __name__ == "__main__":
    again = random_graph_job(sys.argv[1], int(sys.argv[2]))
    print(again)
    print(predict(again.network, MemoryTiming()))
    run_jobs([again])
    run_jobs([replace(again)], stall_seed=1)
    print("bit-exact, predicted cycles equal measured ones")
