"""Random graphs: chains of layers of every kind the overlay runs, with random sizes and widths."""

from __future__ import annotations

import numpy as np

from codegen.random_network import IMAGE, RandomNetwork
from ir.graph import INT32, IntegerGraph
from ir.precision import Precision, weight_precision

CHANNELS = (1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 64, 65)
ROWS = (1, 2, 3, 4, 5, 7, 8, 9, 16, 17)
KERNELS = (1, 1, 2, 3, 3, 5)
STRIDES = (1, 1, 1, 2, 3)
MORE_LAYERS = (0, 0, 0, 1, 2)
MOST_SIDE = 10


def random_graph(rng: np.random.Generator) -> tuple[IntegerGraph, np.ndarray]:
    """(graph of one layer or of a chain of two or three, its image (C, H, W) of codes)."""
    network = RandomNetwork(
        "random",
        image=(int(rng.choice(CHANNELS)), *(int(n) for n in rng.integers(1, MOST_SIDE + 1, 2))),
        weights=random_weights(rng),
        activations=random_activations(rng),
        seed=int(rng.integers(1 << 30)),
        falling=True,
    )
    source, more = IMAGE, int(rng.choice(MORE_LAYERS))
    for index in range(1 + more):
        network.weights = random_weights(rng)
        sums = index == more and rng.integers(5) == 0
        output = INT32 if sums else random_activations(rng)
        source = _random_layer(rng, network, source, f"layer{index}", output)
    return network.build(source)


def random_weights(rng: np.random.Generator) -> Precision:
    """1 to 8 bits, most of them signed."""
    return weight_precision(int(rng.integers(1, 9)), bool(rng.integers(4)))


def random_activations(rng: np.random.Generator) -> Precision:
    """1 to 8 bits, most of them unsigned."""
    return Precision(int(rng.integers(1, 9)), rng.integers(4) == 0)


def _random_layer(
    rng: np.random.Generator, network: RandomNetwork, source: str, name: str, output: Precision
) -> str:
    _, height, width = network.tensor(source).shape
    if rng.integers(8) == 0:
        return network.linear(source, name, int(rng.choice(ROWS)), output=output)
    kernel = int(rng.choice(KERNELS))
    least = max(0, -(-(kernel - min(height, width)) // 2))
    return network.conv(
        source,
        name,
        int(rng.choice(ROWS)),
        kernel=kernel,
        stride=int(rng.choice(STRIDES)),
        padding=max(int(rng.integers(0, kernel)), least),
        output=output,
    )
