"""The rules an IntegerGraph keeps, so that golden, the compiler and the RTL may rely on them.

Each rule is one function that raises with the node's name. UnsupportedModelError: the graph means
something, but not on this device. ConfigError: the graph is broken. This file has the rules that
nodes keep with each other, ``node_rules.py`` those of a node alone.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ir.errors import ConfigError, UnsupportedModelError
from ir.node_rules import check_node, check_reach
from ir.nodes import Node, Pieces, Rule, Sums
from ir.shapes import sums_range

if TYPE_CHECKING:
    from ir.graph import IntegerGraph


def verify_graph(graph: IntegerGraph) -> None:
    """Raise on the first broken rule; see :meth:`ir.graph.IntegerGraph.verify`."""
    _check_names(graph)
    known = {graph.input}
    for node in graph.nodes:
        if not isinstance(node, Node):
            raise UnsupportedModelError(f"{node.name}: the device has no {type(node).__name__}")
        for name in node.inputs:
            if name not in known:
                raise ConfigError(f"{node.name}: its input {name!r} is not computed before it")
        if node.output in known:
            raise ConfigError(f"{node.name}: tensor {node.output!r} is written twice")
        if node.output not in graph.tensors:
            raise ConfigError(f"{node.name}: tensor {node.output!r} is not declared")
        known.add(node.output)
        check_node(node, [graph.tensors[n] for n in node.inputs], graph.tensors[node.output])
    if graph.output not in known:
        raise ConfigError(f"graph {graph.name!r}: its output {graph.output!r} is never computed")
    _check_layers(graph)


def _check_names(graph: IntegerGraph) -> None:
    counts = Counter(node.name for node in graph.nodes)
    for name, count in counts.items():
        if count > 1:
            raise ConfigError(f"two nodes are named {name!r}")
    if not counts:
        raise ConfigError(f"graph {graph.name!r} has no nodes")
    if graph.input not in graph.tensors:
        raise ConfigError(f"graph {graph.name!r}: its input {graph.input!r} is not declared")
    for key, tensor in graph.tensors.items():
        if key != tensor.name:
            raise ConfigError(f"tensor {tensor.name!r} is filed under {key!r}")
        if len(tensor.shape) != 3 or any(size < 1 for size in tensor.shape):
            raise ConfigError(f"tensor {key!r}: its shape must be (C, H, W), not {tensor.shape}")


def _check_layers(graph: IntegerGraph) -> None:
    """Sums are read once, by a rule, and a rule reads sums."""
    sums = {node.output: node for node in graph.nodes if isinstance(node, Sums)}
    for node in graph.nodes:
        if isinstance(node, Rule) and node.input not in sums:
            raise UnsupportedModelError(
                f"{node.name}: requantizes {node.input!r}, which is no convolution's or matrix "
                "product's sums; merge it into the layer before, or put a depthwise 1x1 "
                "convolution of ones between"
            )
        if isinstance(node, Pieces):
            sources = [graph.tensors[name] for name in sums[node.input].inputs]
            shapes, precisions = [s.shape for s in sources], [s.precision for s in sources]
            ends = sums_range(sums[node.input], shapes, precisions)
            check_reach(node, ends, graph.tensors[node.output].precision)
    for output, node in sums.items():
        readers = [reader for reader in graph.nodes if output in reader.inputs]
        if len(readers) != 1 or not isinstance(readers[0], Rule) or output == graph.output:
            raise UnsupportedModelError(
                f"{node.name}: its sums must be read by one requantizer, and by nothing else"
            )
