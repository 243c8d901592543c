"""Element-wise operations between a layer's sums and its quantizer, as the file has them.

They are computed in float32, one operation after the other, as an ONNX runtime computes them: what
a quantizer makes of a sum is found by asking, never by a formula (codegen/staircase.py). Constants
broadcast against a value without its batch, or, after `at`, against (channels, anything).

Where real numbers are wanted, before a convolution, `linear` composes scale and offset in float64.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

Affine = tuple[np.ndarray, np.ndarray]
"""(scale, offset) of real = scale * code + offset, float64."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Step(ABC):
    """constants: float32, each broadcasts against what it meets."""

    constants: tuple[np.ndarray, ...]

    def at(self, pick: Callable[[np.ndarray], np.ndarray]) -> Self:
        """The same with each constant as `pick` makes it: another shape, or one per channel."""
        return replace(self, constants=tuple(pick(constant) for constant in self.constants))

    @abstractmethod
    def apply(self, x: np.ndarray) -> np.ndarray:
        """x: float32 -> the same shape, float32."""

    @property
    def rises(self) -> np.ndarray:
        """+1 where it grows with x, -1 where it falls, 0 where it is constant."""
        return np.ones(1)

    def linear(self, scale: np.ndarray, offset: np.ndarray) -> Affine | None:
        """What it makes of scale * code + offset; None: it is no linear function."""
        return None


class Times(Step):
    """x * c."""

    def apply(self, x: np.ndarray) -> np.ndarray:
        return x * self.constants[0]

    @property
    def rises(self) -> np.ndarray:
        return np.sign(self.constants[0])

    def linear(self, scale: np.ndarray, offset: np.ndarray) -> Affine:
        factor = self.constants[0].astype(np.float64)
        return scale * factor, offset * factor


class Over(Step):
    """x / c."""

    def apply(self, x: np.ndarray) -> np.ndarray:
        return x / self.constants[0]

    @property
    def rises(self) -> np.ndarray:
        return np.sign(self.constants[0])

    def linear(self, scale: np.ndarray, offset: np.ndarray) -> Affine:
        divisor = self.constants[0].astype(np.float64)
        return scale / divisor, offset / divisor


class Plus(Step):
    """x + c."""

    def apply(self, x: np.ndarray) -> np.ndarray:
        return x + self.constants[0]

    def linear(self, scale: np.ndarray, offset: np.ndarray) -> Affine:
        return scale, offset + self.constants[0].astype(np.float64)


class Minus(Step):
    """x - c."""

    def apply(self, x: np.ndarray) -> np.ndarray:
        return x - self.constants[0]

    def linear(self, scale: np.ndarray, offset: np.ndarray) -> Affine:
        return scale, offset - self.constants[0].astype(np.float64)


class From(Step):
    """c - x."""

    def apply(self, x: np.ndarray) -> np.ndarray:
        return self.constants[0] - x

    @property
    def rises(self) -> np.ndarray:
        return -np.ones(1)

    def linear(self, scale: np.ndarray, offset: np.ndarray) -> Affine:
        return -scale, self.constants[0].astype(np.float64) - offset


@dataclass(frozen=True, kw_only=True, eq=False)
class Norm(Step):
    """Batch normalization; constants: gain, bias, mean, variance.

    In the order of ONNX Runtime: one gain and one offset first, then x * gain + offset.
    """

    epsilon: np.float32

    def apply(self, x: np.ndarray) -> np.ndarray:
        gain, bias, mean, variance = self.constants
        factor = gain * (np.float32(1) / np.sqrt(variance + self.epsilon))
        return x * factor + (bias - mean * factor)

    @property
    def rises(self) -> np.ndarray:
        return np.sign(self.constants[0])

    def linear(self, scale: np.ndarray, offset: np.ndarray) -> Affine:
        gain, bias, mean, variance = (c.astype(np.float64) for c in self.constants)
        factor = gain / np.sqrt(variance + np.float64(self.epsilon))
        return scale * factor, (offset - mean) * factor + bias


class Clip(Step):
    """Constants: the least and the greatest value; a ReLU has no greatest."""

    def apply(self, x: np.ndarray) -> np.ndarray:
        return np.clip(x, *self.constants)
