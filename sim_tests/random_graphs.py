"""Random graphs: short networks of every kind of layer the overlay runs, sizes and widths random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from codegen.random_network import IMAGE, RandomNetwork
from ir.graph import INT32, IntegerGraph
from ir.nodes import MAX_THRESHOLD_BITS
from ir.precision import Precision, weight_precision

CHANNELS = (1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 64, 65)
ROWS = (1, 2, 3, 4, 5, 7, 8, 9, 16, 17)
KERNELS = (1, 1, 2, 3, 3, 5)
STRIDES = (1, 1, 1, 2, 3)
MORE_STEPS = (0, 0, 0, 1, 2)
MOST_SIDE = 10


def random_graph(rng: np.random.Generator) -> tuple[IntegerGraph, np.ndarray]:
    """(graph of one to three steps, its image (C, H, W) of codes).

    A step is a layer, or a few that belong together.
    """
    network = RandomNetwork(
        "random",
        image=(int(rng.choice(CHANNELS)), *(int(n) for n in rng.integers(1, MOST_SIDE + 1, 2))),
        weights=random_weights(rng),
        activations=random_activations(rng),
        seed=int(rng.integers(1 << 30)),
        falling=True,
    )
    source, more = IMAGE, int(rng.choice(MORE_STEPS))
    for index in range(1 + more):
        network.weights = random_weights(rng)
        sums = index == more and rng.integers(5) == 0
        output = INT32 if sums else random_activations(rng)
        kind = _KINDS[int(rng.integers(len(_KINDS)))]
        source = kind(_Draw(rng=rng, network=network), source, f"layer{index}", output)
    return network.build(source)


def random_weights(rng: np.random.Generator) -> Precision:
    """1 to 8 bits, most of them signed."""
    return weight_precision(int(rng.integers(1, 9)), bool(rng.integers(4)))


def random_activations(rng: np.random.Generator) -> Precision:
    """1 to 8 bits, most of them unsigned."""
    return Precision(int(rng.integers(1, 9)), rng.integers(4) == 0)


@dataclass(frozen=True, kw_only=True)
class _Draw:
    """What a step draws from."""

    rng: np.random.Generator
    network: RandomNetwork

    def one_of(self, numbers: tuple[int, ...]) -> int:
        return int(self.rng.choice(numbers))

    def size(self, source: str) -> tuple[int, int, int]:
        return self.network.tensor(source).shape

    def window(self, source: str, kernel: int) -> dict[str, int]:
        """A kernel with a stride, and a padding with which it fits."""
        _, height, width = self.size(source)
        least = max(0, -(-(kernel - min(height, width)) // 2))
        padding = max(int(self.rng.integers(0, kernel)), least)
        return {"kernel": kernel, "stride": self.one_of(STRIDES), "padding": padding}

    def thresholds(self, output: Precision) -> bool:
        """Whether a staircase writes the codes."""
        return output.bits <= MAX_THRESHOLD_BITS and self.rng.integers(4) == 0

    def row_bits(self, rows: int) -> list[int]:
        return [int(bits) for bits in self.rng.integers(1, 9, rows)]


def _conv(draw: _Draw, source: str, name: str, output: Precision) -> str:
    window = draw.window(source, draw.one_of(KERNELS))
    return draw.network.conv(source, name, draw.one_of(ROWS), output=output, **window)


def _linear(draw: _Draw, source: str, name: str, output: Precision) -> str:
    rows = draw.one_of(ROWS)
    widths = draw.row_bits(rows) if draw.rng.integers(2) else None
    return draw.network.linear(source, name, rows, row_bits=widths, output=output)


def _mixed(draw: _Draw, source: str, name: str, output: Precision) -> str:
    """Weight bits by output channel."""
    window, rows = draw.window(source, draw.one_of(KERNELS)), draw.one_of(ROWS)
    widths = draw.row_bits(rows)
    return draw.network.conv(source, name, rows, row_bits=widths, output=output, **window)


def _dilated(draw: _Draw, source: str, name: str, output: Precision) -> str:
    dilation, rows = draw.one_of((2, 3)), draw.one_of(ROWS)
    return draw.network.conv(source, name, rows, kernel=3, dilation=dilation, output=output)


def _grouped(draw: _Draw, source: str, name: str, output: Precision) -> str:
    """Depthwise as often as not."""
    channels, window = draw.size(source)[0], draw.window(source, draw.one_of(KERNELS))
    divisors = [n for n in range(1, channels + 1) if channels % n == 0]
    groups = channels if draw.rng.integers(2) else draw.one_of(tuple(divisors))
    rows = groups * draw.one_of((1, 1, 2, 3))
    return draw.network.conv(source, name, rows, groups=groups, output=output, **window)


def _average(draw: _Draw, source: str, name: str, output: Precision) -> str:
    if draw.rng.integers(2):
        return draw.network.global_average(source, name, output=output)
    window = draw.window(source, min(draw.one_of((1, 2, 3)), *draw.size(source)[1:]))
    return draw.network.average(source, name, output=output, **window)


def _residual(draw: _Draw, source: str, name: str, output: Precision) -> str:
    """A 3x3 convolution, to which its input is added."""
    rows = draw.size(source)[0]
    codes = draw.network.tensor(source).precision
    branch = draw.network.conv(source, f"{name}_branch", rows, kernel=3, output=codes)
    return draw.network.add((branch, source), name, output=output)


def _branches(draw: _Draw, source: str, name: str, output: Precision) -> str:
    """Two convolutions side by side, read as one tensor."""
    codes = random_activations(draw.rng)
    sides = [
        draw.network.conv(source, f"{name}_{side}", draw.one_of(ROWS), kernel=k, output=codes)
        for side, k in (("left", 1), ("right", 3))
    ]
    both = draw.network.concat(sides, f"{name}_both")
    return draw.network.conv(both, name, draw.one_of(ROWS), kernel=1, output=output)


def _bipolar(draw: _Draw, source: str, name: str, output: Precision) -> str:
    """Codes of -1 and +1 between two convolutions."""
    signs = draw.network.conv(
        source, f"{name}_signs", draw.one_of(ROWS), kernel=1, output=weight_precision(1)
    )
    window = draw.window(signs, draw.one_of(KERNELS))
    return draw.network.conv(signs, name, draw.one_of(ROWS), output=output, **window)


_Step = Callable[[_Draw, str, str, Precision], str]

_KINDS: tuple[_Step, ...] = (
    *[_conv] * 6,
    *[_linear, _mixed, _dilated, _grouped, _grouped, _average, _residual, _branches, _bipolar],
)
"""As often as they stand here."""
