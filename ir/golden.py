"""The golden model: the bit-exact meaning of every node of an IntegerGraph.

Torch's snapped network equals it, and so does the RTL; a mismatch says which half is wrong.
Results are int64. Products are summed in float64 where that is provably exact (every partial sum
is an integer below 2^53, the bound is checked on the data), because BLAS is some fifty times
faster there, and in int64 otherwise.
"""

import numpy as np

from ir.errors import ConfigError
from ir.graph import IntegerGraph
from ir.nodes import (
    Add,
    AveragePool,
    Concat,
    Conv,
    GlobalAveragePool,
    MatMul,
    MaxPool,
    Node,
    Padding,
    Pieces,
    Requantize,
    Threshold,
    sides,
)

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
        values[node.output] = run_node(node, *(values[name] for name in node.inputs))
    return values


def run_node(node: Node, x: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """One node. x and, for nodes of several inputs, others: (N, C, H, W) int64 -> the same."""
    match node:
        case Conv():
            return convolve(
                x,
                node.weight,
                stride=node.stride,
                padding=node.padding,
                dilation=node.dilation,
                groups=node.groups,
                pad_value=node.pad_value,
            )
        case MatMul():
            sums = exact_product(x.reshape(x.shape[0], node.weight.shape[1]), node.weight.T)
            return sums.reshape(*sums.shape, 1, 1)
        case Add():
            return x + others[0]
        case AveragePool():
            padded = pad(x, node.padding, 0)
            return window_views(padded, node.kernel, node.stride).sum(axis=(4, 5))
        case GlobalAveragePool():
            return x.sum(axis=(2, 3), keepdims=True)
        case MaxPool():
            padded = pad(x, node.padding, np.iinfo(np.int64).min)
            return window_views(padded, node.kernel, node.stride).max(axis=(4, 5))
        case Concat():
            return np.concatenate([x, *others], axis=1)
        case Requantize():
            return requantize(x, node)
        case Pieces():
            return pieces(x, node)
        case Threshold():
            return threshold(x, node)


def requantize(acc: np.ndarray, node: Requantize) -> np.ndarray:
    """clip((acc * M_c + B_c) >> n, lo, hi). acc: (N, C, H, W) int64 -> same shape, int64."""
    multiplier = node.multiplier.reshape(-1, 1, 1)
    offset = node.offset.reshape(-1, 1, 1)
    return np.clip((acc * multiplier + offset) >> node.shift, node.lo, node.hi)


def pieces(acc: np.ndarray, node: Pieces) -> np.ndarray:
    """base + sum_t clip((acc * M_t,c + B_t,c) >> n, 0, span). acc: (N, C, H, W) int64 -> same."""
    codes = np.full_like(acc, node.base)
    for multiplier, offset in zip(node.multiplier, node.offset, strict=True):
        line = (acc * multiplier.reshape(-1, 1, 1) + offset.reshape(-1, 1, 1)) >> node.shift
        codes += np.clip(line, 0, node.span)
    return codes


def threshold(acc: np.ndarray, node: Threshold) -> np.ndarray:
    """base + step * #{t : T_c,t <= sign_c * acc}. acc: (N, C, H, W) int64 -> same shape, int64."""
    rising = acc * node.sign.reshape(-1, 1, 1)
    count = np.zeros_like(acc)
    for least in node.thresholds.T:
        count += rising >= least.reshape(-1, 1, 1)
    return node.base + node.step * count


def pad(x: np.ndarray, padding: Padding, value: int) -> np.ndarray:
    """x: (N, C, H, W) with ``value`` around each image."""
    top, left, bottom, right = sides(padding)
    return np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)], constant_values=value)


def window_views(
    x: np.ndarray, kernel: tuple[int, int], stride: int, dilation: int = 1
) -> np.ndarray:
    """x: (N, C, H, W) -> (N, C, H', W', kh, kw), a view."""
    reach = tuple(dilation * (size - 1) + 1 for size in kernel)
    views = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    return views[:, :, ::stride, ::stride, ::dilation, ::dilation]


def convolve(
    x: np.ndarray,
    weight: np.ndarray,
    *,
    stride: int = 1,
    padding: Padding = 0,
    dilation: int = 1,
    groups: int = 1,
    pad_value: int = 0,
) -> np.ndarray:
    """x: (N, C, H, W), weight: (M, C / groups, kh, kw), both int64 -> (N, M, H', W') int64 sums."""
    outputs, taps = weight.shape[0], weight[0].size
    views = window_views(pad(x, padding, pad_value), weight.shape[2:], stride, dilation)
    images, channels, height, width = views.shape[:4]
    split = views.reshape(images, groups, channels // groups, *views.shape[2:])
    columns = split.transpose(1, 0, 3, 4, 2, 5, 6).reshape(groups, images * height * width, taps)
    rows = weight.reshape(groups, outputs // groups, taps).transpose(0, 2, 1)
    sums = exact_product(columns, rows).reshape(groups, images, height, width, outputs // groups)
    shaped = sums.transpose(1, 0, 4, 2, 3).reshape(images, outputs, height, width)
    return np.ascontiguousarray(shaped)


def exact_product(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x: (..., P, K) int64 @ w: (..., K, M) int64 -> (..., P, M) int64, exactly."""
    if x.shape[-1] * _magnitude(x) * _magnitude(w) < FLOAT64_EXACT:
        return (x.astype(np.float64) @ w.astype(np.float64)).astype(np.int64)
    return x @ w


def _magnitude(x: np.ndarray) -> int:
    return max(int(x.max()), -int(x.min())) if x.size else 0
