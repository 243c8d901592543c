"""Random layers: real work for benches and tests, without a network around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.errors import ConfigError
from ir.graph import (
    INT32,
    Conv,
    IntegerGraph,
    Requantize,
    Tensor,
    accumulator_range,
    output_shape,
)
from ir.precision import Precision, narrowest, weight_precision


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One convolution with random weights, inputs and requantizer, all from `seed`.

    A matrix product M x K times K x N is a 1x1 convolution over one row of N pixels with K
    channels. output: precision of the codes, or INT32 for raw sums.
    """

    channels: int
    height: int
    width: int
    rows: int
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    weights: Precision
    activations: Precision
    output: Precision
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("channels", "height", "width", "rows", "kernel", "stride"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.padding < 0:
            raise ConfigError(f"padding must be at least 0, not {self.padding}")

    def build(self) -> tuple[IntegerGraph, np.ndarray]:
        """(graph of one layer, its input (C, H, W) int64)."""
        rng = np.random.default_rng(self.seed)
        shape = (self.channels, self.height, self.width)
        weight = random_codes(
            rng, self.weights, (self.rows, self.channels, self.kernel, self.kernel)
        )
        conv = Conv("layer", "x", "acc", weight, self.weights, self.stride, self.padding)
        low, high = accumulator_range(weight, self.activations)
        result = output_shape(conv, shape)
        if min(result) < 1:
            raise ConfigError(
                f"a {self.kernel}x{self.kernel} window does not fit into "
                f"{self.height}x{self.width} pixels with padding {self.padding}"
            )
        tensors = {
            t.name: t
            for t in (
                Tensor("x", shape, self.activations),
                Tensor("acc", result, narrowest(low, high)),
                Tensor("y", result, self.output),
            )
        }
        requantize = self._requantize(rng, max(abs(low), abs(high), 1))
        graph = IntegerGraph("workload", tensors, [conv, requantize], "x", "y").verify()
        return graph, random_codes(rng, self.activations, shape)

    def _requantize(self, rng: np.random.Generator, most: int) -> Requantize:
        """Raw sums, or multipliers and offsets that spread the sums over the output's codes."""
        out = self.output
        if out == INT32:
            return Requantize(
                "requantize",
                "acc",
                "y",
                np.ones(self.rows, np.int64),
                np.zeros(self.rows, np.int64),
                0,
                out.min,
                out.max,
            )
        # a typical sum is far below the bound: scale by the square root of the depth
        typical = max(1.0, most / max(1.0, np.sqrt(self.channels * self.kernel**2)))
        shift = min(47, max(0, int(np.log2(typical * (1 << 14) / (out.max - out.min + 1)))))
        sign = rng.choice([-1, 1], self.rows)
        multiplier = sign * rng.integers(1 << 12, 1 << 15, self.rows)
        middle = (out.max + out.min) / 2
        offset = rng.integers(-(1 << shift), (1 << shift) + 1, self.rows) + int(middle * 2**shift)
        return Requantize(
            "requantize",
            "acc",
            "y",
            multiplier,
            offset + (1 << shift >> 1),
            shift,
            out.min,
            out.max,
        )


def random_codes(
    rng: np.random.Generator, precision: Precision, shape: tuple[int, ...]
) -> np.ndarray:
    """Codes of `precision`, all equally likely."""
    if precision.bipolar:
        return rng.choice(np.array([-1, 1], np.int64), shape)
    return rng.integers(precision.min, precision.max + 1, shape)


def output_precision(text: str, activations: Precision) -> Precision:
    """`a` (the activations' bits, unsigned), `int32`, `uB` or `sB` with B of 1 to 8."""
    if text == "a":
        return Precision(activations.bits, signed=False)
    if text == "int32":
        return INT32
    if text[:1] in ("u", "s") and text[1:].isdecimal() and 1 <= int(text[1:]) <= 8:
        return Precision(int(text[1:]), signed=text[0] == "s")
    raise ConfigError(f"output must be a, int32, or u or s with 1 to 8 bits (u4, s8), not {text!r}")


def operand_precisions(
    bits: tuple[int, int], signed: tuple[int, int]
) -> tuple[Precision, Precision]:
    """(weights, activations) for bits and signs; one signed weight bit is bipolar."""
    for name, count in zip(("weights", "activations"), bits, strict=True):
        if not 1 <= count <= 8:
            raise ConfigError(f"{name} must have 1 to 8 bits, not {count}")
    return weight_precision(bits[0], bool(signed[0])), Precision(bits[1], bool(signed[1]))
