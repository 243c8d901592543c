"""Random layers: real work for benches and tests, without a network around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codegen.random_network import IMAGE, RandomNetwork
from ir.errors import ConfigError
from ir.graph import INT32, IntegerGraph
from ir.precision import Precision, weight_precision


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One convolution with random weights, inputs and requantizer, all from `seed`.

    A matrix product M x K times K x N is a 1x1 convolution over one row of N pixels with K
    channels. output: precision of the codes, or INT32 for raw sums. row_bits: the width of each
    output channel's weights, in place of that of `weights`.
    """

    channels: int
    height: int
    width: int
    rows: int
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    row_bits: tuple[int, ...] | None = None
    weights: Precision
    activations: Precision
    output: Precision
    seed: int = 0

    def __post_init__(self) -> None:
        sizes = ("channels", "height", "width", "rows", "kernel", "stride", "dilation", "groups")
        for name in sizes:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.padding < 0:
            raise ConfigError(f"padding must be at least 0, not {self.padding}")

    def build(self) -> tuple[IntegerGraph, np.ndarray]:
        """(graph of one layer, its input (C, H, W) int64)."""
        network = RandomNetwork(
            "workload",
            image=(self.channels, self.height, self.width),
            weights=self.weights,
            activations=self.activations,
            seed=self.seed,
            falling=True,
        )
        output = network.conv(
            IMAGE,
            "layer",
            self.rows,
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            row_bits=self.row_bits,
            output=self.output,
        )
        return network.build(output)


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
