"""Integer graphs with random weights: the networks of quant/nets, and one on a larger image."""

from collections.abc import Sequence

import numpy as np

from codegen.random_network import RandomNetwork
from ir.graph import INT32, Conv, IntegerGraph, MatMul, Requantize, Tensor, accumulator_range
from ir.nodes import Linear
from ir.precision import Precision, narrowest, weight_precision
from ir.shapes import output_shape

INPUT_BITS = 4


def d4(*, width: int, bits: int) -> IntegerGraph:
    """Three convolutions, the second of stride 2, and a linear layer to 10 classes."""
    layers = [("conv1", width, 1), ("conv2", 2 * width, 2), ("conv3", 2 * width, 1), ("fc", 10, 0)]
    return _network(layers, bits)


def mlp(*, width: int, bits: int) -> IntegerGraph:
    """Two linear layers."""
    return _network([("fc1", width, 0), ("fc2", 10, 0)], bits)


def _network(layers: Sequence[tuple[str, int, int]], bits: int) -> IntegerGraph:
    """layers: (name, output channels, stride of a 3x3 convolution or 0 for a linear layer)."""
    rng = np.random.default_rng(0)
    tensors = [Tensor("x0", (1, 8, 8), Precision(INPUT_BITS, False))]
    nodes: list[Linear | Requantize] = []
    for index, (name, rows, stride) in enumerate(layers):
        source = tensors[-1]
        node = _linear(rng, name, index, source, (rows, stride, bits))
        last = index == len(layers) - 1
        output = INT32 if last else Precision(bits, False)
        shape = output_shape(node, source.shape)
        low, high = accumulator_range(node.weight, source.precision)
        tensors += [Tensor(f"a{index}", shape, narrowest(low, high))]
        tensors += [Tensor(f"x{index + 1}", shape, output)]
        ones, shift = np.ones(rows, np.int64), 0 if last else bits
        limits = (output.min, output.max)
        nodes += [
            node,
            Requantize(f"q{index}", f"a{index}", f"x{index + 1}", ones, 0 * ones, shift, *limits),
        ]
    named = {tensor.name: tensor for tensor in tensors}
    return IntegerGraph("random", named, nodes, "x0", tensors[-1].name).verify()


def _linear(
    rng: np.random.Generator,
    name: str,
    index: int,
    source: Tensor,
    sizes: tuple[int, int, int],
) -> Linear:
    rows, stride, bits = sizes
    precision = weight_precision(bits, True)
    channels, height, width = source.shape
    kernel = (channels, 3, 3) if stride else (channels * height * width,)
    weight = rng.integers(precision.min, precision.max + 1, (rows, *kernel))
    if precision.bipolar:
        weight = 2 * (weight > 0) - 1
    if stride:
        return Conv(name, source.name, f"a{index}", weight, precision, stride, 1)
    return MatMul(name, source.name, f"a{index}", weight, precision)


def image_network() -> IntegerGraph:
    """Two convolutions over an image that is large beside the weights."""
    network = RandomNetwork(
        "image",
        image=(8, 24, 24),
        weights=Precision(4, signed=True),
        activations=Precision(4, signed=False),
    )
    return network.build(network.conv(network.conv("image", "one", 8), "two", 8))[0]
