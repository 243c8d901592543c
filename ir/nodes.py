"""The nodes and tensors an IntegerGraph is made of, and the exact facts about one node.

Everything is per image, int64 numpy, in (C, H, W) order. ``golden.py`` gives each node its meaning.
"""

from dataclasses import dataclass

import numpy as np

from ir.precision import Precision

MULTIPLIER = Precision(16, signed=True)
OFFSET = Precision(48, signed=True)
MAX_SHIFT = 47
INT32 = Precision(32, signed=True)


@dataclass(frozen=True)
class Tensor:
    """A named value. shape: (C, H, W) of one image; precision: of its codes."""

    name: str
    shape: tuple[int, int, int]
    precision: Precision


@dataclass(frozen=True, eq=False)
class Conv:
    """2-D convolution with zero padding; the output holds raw accumulators.

    weight: (M, C, kh, kw) int64 codes of ``precision``; stride and padding in pixels, both
    directions.
    """

    name: str
    input: str
    output: str
    weight: np.ndarray
    precision: Precision
    stride: int = 1
    padding: int = 0


@dataclass(frozen=True, eq=False)
class MatMul:
    """Matrix times the input flattened in (c, y, x) order; the output (M, 1, 1) holds accumulators.

    weight: (M, K) int64 codes of ``precision``.
    """

    name: str
    input: str
    output: str
    weight: np.ndarray
    precision: Precision


@dataclass(frozen=True, eq=False)
class Requantize:
    """y = clip((acc * M_c + B_c) >> n, lo, hi), one M and B per channel.

    multiplier: (C,) int64, 16-bit signed; offset: (C,) int64, 48-bit signed, the half-LSB
    2^(n-1) included, so that the arithmetic shift rounds half up; shift: n, 0..47.
    """

    name: str
    input: str
    output: str
    multiplier: np.ndarray
    offset: np.ndarray
    shift: int
    lo: int
    hi: int


Linear = Conv | MatMul
Node = Conv | MatMul | Requantize


def convolved_shape(
    shape: tuple[int, int, int], weight: np.ndarray, stride: int, padding: int
) -> tuple[int, int, int]:
    """(C, H, W) of a convolution's output; non-positive sizes mean the window does not fit."""
    _, height, width = shape
    rows, columns = weight.shape[2:]
    return (
        weight.shape[0],
        (height + 2 * padding - rows) // stride + 1,
        (width + 2 * padding - columns) // stride + 1,
    )


def output_shape(node: Linear, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """(C, H, W) of the accumulators that ``node`` makes of an input of ``shape``."""
    if isinstance(node, MatMul):
        return (node.weight.shape[0], 1, 1)
    return convolved_shape(shape, node.weight, node.stride, node.padding)


def accumulator_range(weight: np.ndarray, activations: Precision) -> tuple[int, int]:
    """The exact least and greatest sum that any channel of ``weight`` can reach.

    weight: (M, ...) int64. Tight: an input that takes ``activations.max`` where a weight is
    positive and ``.min`` where it is negative reaches the upper end (a padded tap adds zero, which
    is between).
    """
    rows = weight.reshape(weight.shape[0], -1)
    positive = np.where(rows > 0, rows, 0).sum(axis=1)
    negative = np.where(rows < 0, rows, 0).sum(axis=1)
    low = positive * activations.min + negative * activations.max
    high = positive * activations.max + negative * activations.min
    return int(low.min()), int(high.max())
