"""Whole networks with random weights: real work for benches, without training.

A network is described by its steps; every layer's requantizer is fitted to what the golden model
computes of one random image, so that the codes that travel through it are neither all zero nor all
saturated, whatever the bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from codegen.workload import random_codes
from ir.golden import run_node
from ir.graph import (
    INT32,
    MAX_SHIFT,
    MULTIPLIER,
    Conv,
    IntegerGraph,
    MatMul,
    Requantize,
    Tensor,
    accumulator_range,
    output_shape,
)
from ir.nodes import Linear
from ir.precision import Precision, narrowest

SPREAD = 4.0
"""Standard deviations of the sums that the output's codes span."""


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """A convolution with `rows` output channels, padded with kernel // 2 zeros."""

    name: str
    rows: int
    kernel: int = 3
    stride: int = 1

    def node(self, rng: np.random.Generator, source: Tensor, weights: Precision) -> Linear:
        """With random weights, reading `source`."""
        shape = (self.rows, source.shape[0], self.kernel, self.kernel)
        codes = random_codes(rng, weights, shape)
        sums = f"{self.name}_sums"
        return Conv(
            self.name, source.name, sums, codes, weights, self.stride, padding=self.kernel // 2
        )


@dataclass(frozen=True, kw_only=True)
class FullyConnected:
    """A linear layer with `rows` outputs."""

    name: str
    rows: int

    def node(self, rng: np.random.Generator, source: Tensor, weights: Precision) -> Linear:
        """With random weights, reading all of `source`."""
        codes = random_codes(rng, weights, (self.rows, int(np.prod(source.shape))))
        return MatMul(self.name, source.name, f"{self.name}_sums", codes, weights)


Step = Convolution | FullyConnected


@dataclass(frozen=True, kw_only=True)
class RandomNetwork:
    """A chain of steps on an image (C, H, W), each with weights and inputs of the same bits.

    Every layer but the last writes codes of the activations' bits; the last writes its sums.
    """

    name: str
    image: tuple[int, int, int]
    steps: Sequence[Step]
    weights: Precision
    activations: Precision
    seed: int = 0

    def build(self) -> tuple[IntegerGraph, np.ndarray]:
        """(verified graph, one image (C, H, W) int64), all from `seed`."""
        rng = np.random.default_rng(self.seed)
        image = random_codes(rng, self.activations, self.image)
        tensors = [Tensor("image", self.image, self.activations)]
        nodes: list[Linear | Requantize] = []
        codes = image[np.newaxis]
        for step in self.steps:
            node = step.node(rng, tensors[-1], self.weights)
            sums = _sums(node, tensors[-1])
            values = run_node(node, codes)
            last = step is self.steps[-1]
            requantize = fitted_requantizer(
                values[0], INT32 if last else self.activations, name=step.name
            )
            nodes += [node, requantize]
            codes = run_node(requantize, values)
            output = INT32 if last else self.activations
            tensors += [sums, replace(sums, name=requantize.output, precision=output)]
        named = {tensor.name: tensor for tensor in tensors}
        return IntegerGraph(self.name, named, nodes, "image", tensors[-1].name).verify(), image


def _sums(node: Linear, source: Tensor) -> Tensor:
    """The tensor that `node` writes, with the narrowest precision that holds any sum."""
    low, high = accumulator_range(node.weight, source.precision)
    return Tensor(node.output, output_shape(node, source.shape), narrowest(low, high))


def fitted_requantizer(sums: np.ndarray, output: Precision, *, name: str) -> Requantize:
    """A requantizer of layer `name` that spreads `sums` (C, H, W) over the codes of `output`.

    Channel by channel where a channel has more than one pixel, else over all of them. INT32: the
    sums as they are.
    """
    channels = sums.shape[0]
    source, target = f"{name}_sums", f"{name}_codes"
    limits = (output.min, output.max)
    if output == INT32:
        multiplier, offset = np.ones(channels, np.int64), np.zeros(channels, np.int64)
        return Requantize(f"{name}_requantize", source, target, multiplier, offset, 0, *limits)
    axes = (1, 2) if sums[0].size > 1 else (0, 1, 2)
    mean = np.broadcast_to(sums.mean(axes), channels)
    deviation = np.maximum(np.broadcast_to(sums.std(axes), channels), 1.0)
    scale = (output.max - output.min + 1) / (SPREAD * deviation)
    shift = min(MAX_SHIFT, int(np.floor(np.log2(MULTIPLIER.max / scale.max()))))
    middle = (output.max + output.min) / 2
    multiplier = np.round(scale * (1 << shift)).astype(np.int64)
    offset = np.round(middle * (1 << shift) - mean * multiplier).astype(np.int64)
    offset += (1 << shift) >> 1
    return Requantize(f"{name}_requantize", source, target, multiplier, offset, shift, *limits)
