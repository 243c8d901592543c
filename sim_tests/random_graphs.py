"""Random graphs: every kind of layer the overlay runs, with branches, sizes and widths random."""

from __future__ import annotations

from typing import Any

import numpy as np

from codegen.random_network import IMAGE, RandomNetwork
from ir.graph import INT32, IntegerGraph
from ir.nodes import MAX_THRESHOLD_BITS
from ir.precision import Precision, weight_precision

CHANNELS = (1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 64, 65)
ROWS = (1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 20)
SIZES = (1, 1, 2, 3, 3, 3, 5)
STRIDES = (1, 1, 1, 2, 3)
MORE_LAYERS = (0, 0, 0, 1, 2, 4)
MOST_SIDE = 10
BIPOLAR = weight_precision(1)


def random_graph(rng: np.random.Generator) -> tuple[IntegerGraph, np.ndarray]:
    """(graph of one layer or a few, its image (C, H, W) of codes)."""
    graph = _GraphDraw(rng)
    for _ in range(graph.one_of(MORE_LAYERS)):
        graph.more()
    return graph.last()


def random_activations(rng: np.random.Generator) -> Precision:
    """1 to 8 bits, most of them unsigned, some bipolar."""
    if rng.integers(8) == 0:
        return BIPOLAR
    return Precision(int(rng.integers(1, 9)), bool(rng.integers(4) == 0))


class _GraphDraw:
    """A graph that grows by layers drawn at random, each on a tensor drawn at random."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        channels, (height, width) = self.one_of(CHANNELS), rng.integers(1, MOST_SIDE + 1, 2)
        self.network = RandomNetwork(
            "random",
            image=(channels, int(height), int(width)),
            weights=weight_precision(1),
            activations=random_activations(rng),
            seed=int(rng.integers(1 << 30)),
            falling=True,
        )
        self.codes = [IMAGE]

    def more(self) -> None:
        """One more layer, or a concatenation."""
        kinds = [self.conv, self.conv, self.grouped, self.add, self.pool, self.concat]
        self.codes.append(kinds[self.rng.integers(len(kinds))](random_activations(self.rng)))

    def last(self) -> tuple[IntegerGraph, np.ndarray]:
        """The graph, with a layer that may write its sums."""
        kinds = [self.conv] * 5 + [self.grouped, self.linear, self.global_average]
        output = INT32 if self.rng.integers(5) == 0 else random_activations(self.rng)
        return self.network.build(kinds[self.rng.integers(len(kinds))](output))

    def one_of(self, numbers: tuple[int, ...]) -> int:
        return int(self.rng.choice(numbers))

    def pick(self) -> str:
        """A tensor of codes, a late one more often."""
        return self.codes[-min(int(self.rng.geometric(0.6)), len(self.codes))]

    def partner(self, one: str, *, same: bool) -> str:
        """A tensor that can stand beside another: of its shape, or of its precision and size."""
        tensor = self.network.tensor(one)
        found = []
        for name in self.codes:
            other = self.network.tensor(name)
            added = other.shape == tensor.shape and (
                other.precision.bipolar == tensor.precision.bipolar
            )
            joined = other.shape[1:] == tensor.shape[1:] and other.precision == tensor.precision
            if added if same else joined:
                found.append(name)
        return found[self.rng.integers(len(found))]

    def name(self, kind: str) -> str:
        return f"{kind}{len(self.codes)}"

    def weights(self, rows: int) -> dict[str, Any]:
        """The next layer's widths: the same for all rows, or not."""
        signed = bool(self.rng.integers(4))
        self.network.weights = weight_precision(int(self.rng.integers(1, 9)), signed)
        if self.rng.integers(3):
            return {"row_bits": None}
        most = int(self.rng.integers(1, 9))
        return {"row_bits": [int(bits) for bits in self.rng.integers(1, most + 1, rows)]}

    def window(self, source: str) -> dict[str, Any]:
        """A kernel with stride, padding and dilation, with which it fits."""
        square = self.rng.integers(3) > 0
        kernel = [self.one_of(SIZES)] * 2 if square else [self.one_of(SIZES), self.one_of(SIZES)]
        most = max(kernel)
        sides = [int(n) for n in self.rng.integers(0, most, 1 if square else 4)] * (
            4 if square else 1
        )
        dilation = self.one_of((1, 1, 1, 2))
        for axis, size in enumerate(self.network.tensor(source).shape[1:]):
            room = size + sides[axis] + sides[axis + 2]
            kernel[axis] = max(1, min(kernel[axis], (room - 1) // dilation + 1))
        return {
            "kernel": tuple(kernel),
            "stride": self.one_of(STRIDES),
            "padding": tuple(sides),
            "dilation": dilation,
        }

    def conv(self, output: Precision) -> str:
        source = self.pick()
        channels = self.network.tensor(source).shape[0]
        rows = self.one_of((*ROWS, channels, channels))
        return self._conv(source, rows, 1, output)

    def grouped(self, output: Precision) -> str:
        """Depthwise as often as not."""
        source = self.pick()
        channels = self.network.tensor(source).shape[0]
        divisors = tuple(n for n in range(1, channels + 1) if channels % n == 0)
        groups = channels if self.rng.integers(2) else self.one_of(divisors)
        return self._conv(source, groups * self.one_of((1, 1, 2, 3)), groups, output)

    def _conv(self, source: str, rows: int, groups: int, output: Precision) -> str:
        return self.network.conv(
            source,
            self.name("conv"),
            rows,
            groups=groups,
            output=output,
            pad_value=self.one_of((-1, 1)) if self.bipolar(source) else 0,
            thresholds=output.bits <= MAX_THRESHOLD_BITS and self.rng.integers(2) == 0,
            **self.weights(rows),
            **self.window(source),
        )

    def bipolar(self, source: str) -> bool:
        return self.network.tensor(source).precision.bipolar

    def linear(self, output: Precision) -> str:
        rows = self.one_of(ROWS)
        widths = self.weights(rows)
        return self.network.linear(self.pick(), self.name("linear"), rows, output=output, **widths)

    def pool(self, output: Precision) -> str:
        """The average of each window, or its maximum, whose codes are those of its input."""
        source = self.pick()
        most = (min(3, size) for size in self.network.tensor(source).shape[1:])
        height, width = (int(self.rng.integers(1, size + 1)) for size in most)
        window: dict[str, Any] = {"kernel": (height, width), "stride": self.one_of(STRIDES)}
        padding = int(self.rng.integers(min(height, width)))
        if self.rng.integers(2):
            signed = self.network.tensor(source).precision.signed and not self.bipolar(source)
            window["padding"] = 0 if signed else padding
            return self.network.maximum(source, self.name("maximum"), **window)
        window["padding"] = 0 if self.bipolar(source) else padding
        return self.network.average(source, self.name("average"), output=output, **window)

    def global_average(self, output: Precision) -> str:
        return self.network.global_average(self.pick(), self.name("global"), output=output)

    def add(self, output: Precision) -> str:
        one = self.pick()
        pair = (one, self.partner(one, same=True))
        return self.network.add(pair, self.name("add"), output=output)

    def concat(self, _: Precision) -> str:
        one = self.pick()
        pair = (one, self.partner(one, same=False))
        return self.network.concat(pair, self.name("concat"))
