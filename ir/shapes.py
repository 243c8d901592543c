"""Exact facts about a node: the size of what it computes, and the sums it can reach."""

from collections.abc import Sequence

import numpy as np

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
    Sums,
    sides,
)
from ir.precision import Precision

Shape = tuple[int, int, int]


def windows_along(size: int, kernel: int, stride: int, ends: tuple[int, int], dilation: int) -> int:
    """Windows along one direction; not positive when none fits. ends: padding before and after."""
    return (size + sum(ends) - dilation * (kernel - 1) - 1) // stride + 1


def windows(
    shape: Shape, kernel: tuple[int, int], stride: int, padding: Padding, dilation: int = 1
) -> tuple[int, int]:
    """(H, W) of the grid of windows over an image of ``shape``; not positive when none fits."""
    top, left, bottom, right = sides(padding)
    return (
        windows_along(shape[1], kernel[0], stride, (top, bottom), dilation),
        windows_along(shape[2], kernel[1], stride, (left, right), dilation),
    )


def output_shape(node: Node, *shapes: Shape) -> Shape:
    """(C, H, W) of what ``node`` makes of inputs of ``shapes``."""
    channels, height, width = shapes[0]
    match node:
        case Conv():
            grid = windows(shapes[0], node.kernel, node.stride, node.padding, node.dilation)
            return (node.weight.shape[0], *grid)
        case MatMul():
            return (node.weight.shape[0], 1, 1)
        case AveragePool() | MaxPool():
            return (channels, *windows(shapes[0], node.kernel, node.stride, node.padding))
        case GlobalAveragePool():
            return (channels, 1, 1)
        case Concat():
            return (sum(shape[0] for shape in shapes), height, width)
        case _:
            return shapes[0]


def accumulator_range(weight: np.ndarray, activations: Precision) -> tuple[int, int]:
    """The exact least and greatest sum that any channel of ``weight`` can reach.

    weight: (M, ...) int64. Tight: an input that takes ``activations.max`` where a weight is
    positive and ``.min`` where it is negative reaches the upper end (a padded tap adds a code's
    product or zero, which is between).
    """
    rows = weight.reshape(weight.shape[0], -1)
    positive = np.where(rows > 0, rows, 0).sum(axis=1)
    negative = np.where(rows < 0, rows, 0).sum(axis=1)
    low = positive * activations.min + negative * activations.max
    high = positive * activations.max + negative * activations.min
    return int(low.min()), int(high.max())


def sums_range(
    node: Sums, shapes: Sequence[Shape], precisions: Sequence[Precision]
) -> tuple[int, int]:
    """The exact least and greatest sum of ``node``; shapes, precisions: of its inputs, in order."""
    match node:
        case Conv() | MatMul():
            return accumulator_range(node.weight, precisions[0])
        case Add():
            return sum(p.min for p in precisions), sum(p.max for p in precisions)
        case AveragePool():
            taps = node.kernel[0] * node.kernel[1]
        case GlobalAveragePool():
            taps = shapes[0][1] * shapes[0][2]
    return taps * precisions[0].min, taps * precisions[0].max
