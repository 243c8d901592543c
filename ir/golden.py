"""The golden model: the bit-exact meaning of every node of an IntegerGraph.

Torch's snapped network equals it, and so does the RTL; a mismatch says which half is wrong.
Results are int64. Products are summed in float64 where that is provably exact (every partial sum
is an integer below 2^53, the bound is checked on the data), because BLAS is some fifty times
faster there, and in int64 otherwise.
"""

import numpy as np

from ir.errors import ConfigError
from ir.graph import IntegerGraph
from ir.nodes import Conv, MatMul, Node, Requantize

FLOAT64_EXACT = 1 << 53


def execute(graph: IntegerGraph, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Run a verified graph on a batch.

    inputs: (N, C, H, W) integer codes of the input tensor -> {tensor name: (N, C, H, W) int64},
    every tensor of the graph. Raises ConfigError for a wrong shape, EncodingError for a value that
    is no code.
    """
    tensor = graph.tensors[graph.input]
    if inputs.ndim != 4 or inputs.shape[1:] != tensor.shape:
        raise ConfigError(f"inputs must be (N, {tensor.shape}), not {inputs.shape}")
    values = {graph.input: tensor.precision.check(inputs, what=graph.input)}
    for node in graph.nodes:
        values[node.output] = run_node(node, values[node.input])
    return values


def run_node(node: Node, x: np.ndarray) -> np.ndarray:
    """One node. x: (N, C, H, W) int64 -> (N, C', H', W') int64."""
    if isinstance(node, Conv):
        return convolve(x, node.weight, stride=node.stride, padding=node.padding)
    if isinstance(node, MatMul):
        sums = exact_product(x.reshape(x.shape[0], node.weight.shape[1]), node.weight.T)
        return sums.reshape(*sums.shape, 1, 1)
    return requantize(x, node)


def requantize(acc: np.ndarray, node: Requantize) -> np.ndarray:
    """clip((acc * M_c + B_c) >> n, lo, hi). acc: (N, C, H, W) int64 -> same shape, int64."""
    multiplier = node.multiplier.reshape(-1, 1, 1)
    offset = node.offset.reshape(-1, 1, 1)
    return np.clip((acc * multiplier + offset) >> node.shift, node.lo, node.hi)


def convolve(x: np.ndarray, weight: np.ndarray, *, stride: int, padding: int) -> np.ndarray:
    """x: (N, C, H, W), weight: (M, C, kh, kw), both int64 -> (N, M, H', W') int64 sums."""
    outputs, taps = weight.shape[0], weight[0].size
    padded = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    views = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
    views = views[:, :, ::stride, ::stride]  # (N, C, H', W', kh, kw)
    images, _, height, width = views.shape[:4]
    columns = views.transpose(0, 2, 3, 1, 4, 5).reshape(images * height * width, taps)
    sums = exact_product(columns, weight.reshape(outputs, taps).T)
    shaped = sums.reshape(images, height, width, outputs).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(shaped)


def exact_product(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x: (P, K) int64 @ w: (K, M) int64 -> (P, M) int64, exactly."""
    if x.shape[1] * _magnitude(x) * _magnitude(w) < FLOAT64_EXACT:
        return (x.astype(np.float64) @ w.astype(np.float64)).astype(np.int64)
    return x @ w


def _magnitude(x: np.ndarray) -> int:
    return max(int(x.max()), -int(x.min())) if x.size else 0
