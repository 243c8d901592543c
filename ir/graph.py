"""IntegerGraph: a quantized network in integers alone.

``golden.py`` gives each node its meaning, ``verify.py`` the rules it keeps, ``codegen`` its place
on the device. A *layer* is a node that makes sums together with the rule that reads them; it
carries the name of the former.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ir.nodes import (
    INT32,
    MAX_SHIFT,
    MULTIPLIER,
    OFFSET,
    Add,
    AveragePool,
    Concat,
    Conv,
    GlobalAveragePool,
    Linear,
    MatMul,
    MaxPool,
    Node,
    Pieces,
    Requantize,
    Rule,
    Sums,
    Tensor,
    Threshold,
)
from ir.precision import Precision
from ir.shapes import accumulator_range, output_shape, sums_range
from ir.verify import verify_graph

__all__ = [
    "INT32",
    "MAX_SHIFT",
    "MULTIPLIER",
    "OFFSET",
    "Add",
    "AveragePool",
    "Concat",
    "Conv",
    "GlobalAveragePool",
    "IntegerGraph",
    "Layer",
    "Linear",
    "MatMul",
    "MaxPool",
    "Node",
    "Pieces",
    "Requantize",
    "Rule",
    "Sums",
    "Tensor",
    "Threshold",
    "accumulator_range",
    "output_shape",
    "sums_range",
]


@dataclass(frozen=True)
class Layer:
    """Sums, and the rule that makes codes of them; or a maximum, and the rule that keeps codes."""

    linear: Sums | MaxPool
    requantize: Rule

    @property
    def name(self) -> str:
        """The layer's name in plans, cost tables and reports."""
        return self.linear.name

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors it reads."""
        return self.linear.inputs

    @property
    def input(self) -> str:
        """Name of the first tensor it reads."""
        return self.linear.inputs[0]

    @property
    def output(self) -> str:
        """Name of the tensor it writes."""
        return self.requantize.output


@dataclass(frozen=True, eq=False)
class IntegerGraph:
    """Tensors by name, nodes in the order they run, and which tensors come in and go out."""

    name: str
    tensors: dict[str, Tensor]
    nodes: Sequence[Node]
    input: str
    output: str

    def verify(self) -> "IntegerGraph":
        """Check every rule of ``ir/verify.py``; returns the graph itself.

        Raises UnsupportedModelError (the device cannot) or ConfigError (the graph is broken),
        naming the node.
        """
        verify_graph(self)
        return self

    def layers(self) -> list[Layer]:
        """The layers in running order. The graph must be verified."""
        rules = {node.input: node for node in self.nodes if isinstance(node, Rule)}
        return [
            Layer(
                linear=node,
                requantize=self._kept(node) if isinstance(node, MaxPool) else rules[node.output],
            )
            for node in self.nodes
            if isinstance(node, Sums | MaxPool)
        ]

    def _kept(self, node: MaxPool) -> Requantize:
        """The rule of a maximum: codes stay as they are."""
        tensor = self.tensors[node.output]
        ones, limits = np.ones(tensor.shape[0], np.int64), tensor.precision
        name = f"{node.name}.codes"
        return Requantize(name, node.output, node.output, ones, 0 * ones, 0, limits.min, limits.max)

    def layer_precisions(self) -> dict[str, tuple[Precision, Precision]]:
        """{layer with weights: (weights, input activations)} in running order."""
        return {
            layer.name: (layer.linear.precision, self.tensors[layer.input].precision)
            for layer in self.layers()
            if isinstance(layer.linear, Linear)
        }
