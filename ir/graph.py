"""IntegerGraph: a quantized network in integers alone.

``golden.py`` gives each node its meaning, ``verify.py`` the rules it keeps, ``codegen`` its place
on the device. A *layer* of the device is a Conv or MatMul together with the Requantize that reads
its accumulators; it carries the name of the Conv or MatMul.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ir.nodes import (
    INT32,
    MAX_SHIFT,
    MULTIPLIER,
    OFFSET,
    Conv,
    Linear,
    MatMul,
    Node,
    Requantize,
    Tensor,
    accumulator_range,
    output_shape,
)
from ir.precision import Precision
from ir.verify import verify_graph

__all__ = [
    "INT32",
    "MAX_SHIFT",
    "MULTIPLIER",
    "OFFSET",
    "Conv",
    "IntegerGraph",
    "Layer",
    "Linear",
    "MatMul",
    "Node",
    "Requantize",
    "Tensor",
    "accumulator_range",
    "output_shape",
]


@dataclass(frozen=True)
class Layer:
    """What one job of the overlay computes: the sums and what is written of them."""

    linear: Linear
    requantize: Requantize

    @property
    def name(self) -> str:
        """The layer's name in plans, cost tables and reports."""
        return self.linear.name

    @property
    def input(self) -> str:
        """Name of the tensor it reads."""
        return self.linear.input

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
        readers = {node.input: node for node in self.nodes if isinstance(node, Requantize)}
        linear = [node for node in self.nodes if not isinstance(node, Requantize)]
        return [Layer(linear=node, requantize=readers[node.output]) for node in linear]

    def layer_precisions(self) -> dict[str, tuple[Precision, Precision]]:
        """{layer: (weights, input activations)} in running order."""
        return {
            layer.name: (layer.linear.precision, self.tensors[layer.input].precision)
            for layer in self.layers()
        }
