"""Whole networks with random weights: real work for benches and tests, without training.

A network grows node by node, and the golden model computes it for one random image as it grows:
every rule is fitted to the sums it will see.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codegen.fitted_rules import fitted_rule, rule_names
from ir.errors import ConfigError
from ir.golden import run_node
from ir.graph import IntegerGraph
from ir.node_rules import check_node
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
    Tensor,
)
from ir.precision import Precision, narrowest, weight_precision
from ir.shapes import output_shape, sums_range

IMAGE = "image"
"""The name of the input tensor."""

Size = int | tuple[int, int]
"""Of a window: the same in both directions, or (height, width)."""


def random_codes(
    rng: np.random.Generator, precision: Precision, shape: tuple[int, ...]
) -> np.ndarray:
    """Codes of `precision`, all equally likely."""
    if precision.bipolar:
        return rng.choice(np.array([-1, 1], np.int64), shape)
    return rng.integers(precision.min, precision.max + 1, shape)


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


class RandomNetwork:
    """A graph that grows: each method adds a layer and returns the name of the tensor it writes.

    Layers have weights of `weights` and write codes of `activations`, unless they are told
    otherwise. falling: some channels' codes fall where their sums grow.
    """

    def __init__(
        self,
        name: str,
        *,
        image: tuple[int, int, int],
        weights: Precision,
        activations: Precision,
        seed: int = 0,
        falling: bool = False,
    ) -> None:
        self.name, self.weights, self.activations = name, weights, activations
        self.falling = falling
        self._rng = np.random.default_rng(seed)
        self._nodes: list[Node] = []
        self._tensors = {IMAGE: Tensor(IMAGE, image, activations)}
        self._values = {IMAGE: random_codes(self._rng, activations, (1, *image))}

    def build(self, output: str) -> tuple[IntegerGraph, np.ndarray]:
        """(verified graph that computes `output`, the image (C, H, W) int64 it was fitted to)."""
        graph = IntegerGraph(self.name, self._tensors, self._nodes, IMAGE, output)
        return graph.verify(), self._values[IMAGE][0]

    def tensor(self, name: str) -> Tensor:
        """What the network knows of a tensor."""
        return self._tensors[name]

    def conv(
        self,
        source: str,
        name: str,
        rows: int,
        *,
        kernel: Size = 3,
        stride: int = 1,
        padding: Padding | None = None,
        dilation: int = 1,
        groups: int = 1,
        pad_value: int | None = None,
        row_bits: Sequence[int] | None = None,
        output: Precision | None = None,
        thresholds: bool = False,
    ) -> str:
        """A convolution with `rows` output channels. padding: default, dilation * (kernel // 2).

        pad_value: default 0, or -1 for a bipolar input.
        """
        bipolar = self.tensor(source).precision.bipolar
        channels = self.tensor(source).shape[0]
        precision, widths = self._precision(row_bits)
        height, width = _pair(kernel)
        shape = (rows, max(channels // groups, 1), height, width)
        same_y, same_x = dilation * (height // 2), dilation * (width // 2)
        node = Conv(
            name,
            source,
            rule_names(name)[1],
            self._codes(shape, precision, widths),
            precision,
            stride,
            (same_y, same_x, same_y, same_x) if padding is None else padding,
            dilation,
            groups,
            (-1 if bipolar else 0) if pad_value is None else pad_value,
            widths,
        )
        return self._layer(node, output, thresholds)

    def linear(
        self,
        source: str,
        name: str,
        rows: int,
        *,
        row_bits: Sequence[int] | None = None,
        output: Precision | None = None,
        thresholds: bool = False,
    ) -> str:
        """A fully connected layer with `rows` outputs."""
        precision, widths = self._precision(row_bits)
        shape = (rows, int(np.prod(self.tensor(source).shape)))
        codes = self._codes(shape, precision, widths)
        node = MatMul(name, source, rule_names(name)[1], codes, precision, widths)
        return self._layer(node, output, thresholds)

    def add(self, sources: tuple[str, str], name: str, *, output: Precision | None = None) -> str:
        """The sum of two tensors of one shape."""
        return self._layer(Add(name, sources, rule_names(name)[1]), output)

    def average(
        self,
        source: str,
        name: str,
        *,
        kernel: Size,
        stride: int = 1,
        padding: Padding = 0,
        output: Precision | None = None,
    ) -> str:
        """Average pooling."""
        sums = rule_names(name)[1]
        node = AveragePool(name, source, sums, _pair(kernel), stride, padding)
        return self._layer(node, output)

    def global_average(self, source: str, name: str, *, output: Precision | None = None) -> str:
        """The average of each channel."""
        return self._layer(GlobalAveragePool(name, source, rule_names(name)[1]), output)

    def maximum(
        self, source: str, name: str, *, kernel: Size, stride: int = 1, padding: Padding = 0
    ) -> str:
        """Max pooling; the codes stay those of its input."""
        codes = rule_names(name)[2]
        return self._codes_node(MaxPool(name, source, codes, _pair(kernel), stride, padding))

    def concat(self, sources: Sequence[str], name: str) -> str:
        """Channel after channel."""
        return self._codes_node(Concat(name, tuple(sources), rule_names(name)[2]))

    def _precision(
        self, row_bits: Sequence[int] | None
    ) -> tuple[Precision, tuple[int, ...] | None]:
        """(of a layer's weights, each output channel's bits if they are given)."""
        if row_bits is None:
            return self.weights, None
        widths = tuple(row_bits)
        return weight_precision(max(widths, default=1), self.weights.signed), widths

    def _codes(
        self, shape: tuple[int, ...], precision: Precision, widths: tuple[int, ...] | None
    ) -> np.ndarray:
        """Random weights; row by row where their widths differ."""
        if widths is None:
            return random_codes(self._rng, precision, shape)
        if len(widths) != shape[0]:
            raise ConfigError(
                f"row bits must name {shape[0]} widths, one for each output channel, "
                f"not {len(widths)}"
            )
        rows = [weight_precision(bits, precision.signed) for bits in widths]
        return np.stack([random_codes(self._rng, row, shape[1:]) for row in rows])

    def _layer(self, node: Sums, output: Precision | None, thresholds: bool = False) -> str:
        """The node and a rule fitted to its sums."""
        sources = [self._tensors[name] for name in node.inputs]
        shapes = [source.shape for source in sources]
        shape = output_shape(node, *shapes)
        low, high = sums_range(node, shapes, [source.precision for source in sources])
        values = self._run(node, Tensor(node.output, shape, narrowest(low, high)))
        rule = fitted_rule(
            values[0],
            output or self.activations,
            layer=node.name,
            signs=self._rng.choice([-1, 1], shape[0]) if self.falling else None,
            thresholds=thresholds,
        )
        self._run(rule, Tensor(rule.output, shape, output or self.activations))
        return rule.output

    def _codes_node(self, node: MaxPool | Concat) -> str:
        sources = [self._tensors[name] for name in node.inputs]
        shape = output_shape(node, *(source.shape for source in sources))
        self._run(node, Tensor(node.output, shape, sources[0].precision))
        return node.output

    def _run(self, node: Node, target: Tensor) -> np.ndarray:
        """Add the node and compute it. ConfigError, UnsupportedModelError: it breaks a rule."""
        check_node(node, [self._tensors[name] for name in node.inputs], target)
        values = run_node(node, *(self._values[name] for name in node.inputs))
        self._nodes.append(node)
        self._tensors[target.name] = target
        self._values[target.name] = values
        return values
