"""The nodes and tensors an IntegerGraph is made of.

Everything is per image, int64 numpy, in (C, H, W) order. ``golden.py`` gives each node its meaning,
``shapes.py`` the size and the range of what it computes.

Nodes that make *sums* (raw accumulators): Conv, MatMul, Add, AveragePool, GlobalAveragePool. A
*rule* (Requantize, Pieces or Threshold) turns sums into codes. MaxPool and Concat work on codes.
"""

from dataclasses import dataclass

import numpy as np

from ir.precision import Precision

MULTIPLIER = Precision(16, signed=True)
OFFSET = Precision(48, signed=True)
MAX_SHIFT = 47
INT32 = Precision(32, signed=True)
MAX_THRESHOLD_BITS = 4
MAX_PIECES = (1 << MAX_THRESHOLD_BITS) - 1

Padding = int | tuple[int, int, int, int]
"""Pixels around the image: the same on all sides, or (top, left, bottom, right)."""


def sides(padding: Padding) -> tuple[int, int, int, int]:
    """(top, left, bottom, right)."""
    return (padding, padding, padding, padding) if isinstance(padding, int) else padding


@dataclass(frozen=True)
class Tensor:
    """A named value. shape: (C, H, W) of one image; precision: of its codes."""

    name: str
    shape: tuple[int, int, int]
    precision: Precision


class OneInput:
    """A node that reads one tensor."""

    input: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors it reads."""
        return (self.input,)


@dataclass(frozen=True, eq=False)
class Conv(OneInput):
    """2-D convolution; the output holds raw accumulators.

    weight: (M, C / groups, kh, kw) int64 codes of ``precision``; depthwise is groups == C. stride
    and dilation in pixels, both directions; padding: see ``Padding``. pad_value: the code outside
    the image, 0, or for a bipolar input -1 or +1. row_bits: widths of the M output channels'
    weights when they differ, ``precision`` being that of the widest; a signed row of one bit is
    bipolar, as ``weight_precision`` says.
    """

    name: str
    input: str
    output: str
    weight: np.ndarray
    precision: Precision
    stride: int = 1
    padding: Padding = 0
    dilation: int = 1
    groups: int = 1
    pad_value: int = 0
    row_bits: tuple[int, ...] | None = None

    @property
    def kernel(self) -> tuple[int, int]:
        """(kh, kw)."""
        return self.weight.shape[2], self.weight.shape[3]


@dataclass(frozen=True, eq=False)
class MatMul(OneInput):
    """Matrix times the input flattened in (c, y, x) order; the output (M, 1, 1) holds accumulators.

    weight: (M, K) int64 codes of ``precision``; row_bits: as in Conv.
    """

    name: str
    input: str
    output: str
    weight: np.ndarray
    precision: Precision
    row_bits: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Add:
    """Sum of two tensors of one shape, code by code; their precisions may differ."""

    name: str
    inputs: tuple[str, str]
    output: str


@dataclass(frozen=True, eq=False)
class AveragePool(OneInput):
    """Sum of each window, zeros outside the image; 1 / (kh * kw) belongs to the rule after it."""

    name: str
    input: str
    output: str
    kernel: tuple[int, int]
    stride: int = 1
    padding: Padding = 0


@dataclass(frozen=True, eq=False)
class GlobalAveragePool(OneInput):
    """Sum of each channel's pixels, (C, 1, 1); 1 / (H * W) belongs to the rule after it."""

    name: str
    input: str
    output: str


@dataclass(frozen=True, eq=False)
class MaxPool(OneInput):
    """Largest code of each window; places outside the image do not count."""

    name: str
    input: str
    output: str
    kernel: tuple[int, int]
    stride: int = 1
    padding: Padding = 0


@dataclass(frozen=True, eq=False)
class Concat:
    """Tensors of one precision and one height and width, channel after channel."""

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, eq=False)
class Requantize(OneInput):
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


@dataclass(frozen=True, eq=False)
class Pieces(OneInput):
    """y = base + sum over pieces t of clip((acc * M_t,c + B_t,c) >> n, 0, span).

    A staircase that no single line of 16-bit slope follows, in straight pieces of up to ``span``
    codes each. multiplier: (T, C) int64, 16-bit signed; offset: (T, C) int64, 48-bit signed;
    shift: n, 0..47; base: the code below all pieces.
    """

    name: str
    input: str
    output: str
    multiplier: np.ndarray
    offset: np.ndarray
    shift: int
    span: int
    base: int = 0

    @property
    def lo(self) -> int:
        """The smallest code."""
        return self.base

    @property
    def hi(self) -> int:
        """No code is above it."""
        return self.base + self.span * len(self.multiplier)


@dataclass(frozen=True, eq=False)
class Threshold(OneInput):
    """y = base + step * #{t : T_c,t <= sign_c * acc}: a staircase of any form, for few-bit outputs.

    thresholds: (C, T) int64, ascending in each channel, 48-bit signed; sign: (C,) int64 of -1 and
    +1, -1 where the staircase falls; base: the code below all thresholds; step: 1, or 2 for bipolar
    codes.
    """

    name: str
    input: str
    output: str
    thresholds: np.ndarray
    sign: np.ndarray
    base: int = 0
    step: int = 1

    @property
    def lo(self) -> int:
        """The smallest code."""
        return self.base

    @property
    def hi(self) -> int:
        """The largest code."""
        return self.base + self.step * self.thresholds.shape[1]


Linear = Conv | MatMul
Pool = AveragePool | GlobalAveragePool
Sums = Conv | MatMul | Add | AveragePool | GlobalAveragePool
Rule = Requantize | Pieces | Threshold
Node = Sums | Rule | MaxPool | Concat
