"""The same network at other bitwidths, before anyone trained it: cycles do not depend on data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ir.graph import IntegerGraph, accumulator_range
from ir.precision import Precision, narrowest, weight_precision


def with_bits(graph: IntegerGraph, bits: Mapping[str, tuple[int, int]]) -> IntegerGraph:
    """`graph` with {layer: (w_bits, a_bits)}; layers that are not named keep theirs.

    a_bits are those of the layer's input tensor; the network's input and output keep their own.
    Weights are clipped to the new range, requantizers keep theirs with the new limits: it runs, but
    it does not compute anything useful.
    """
    tensors, nodes = dict(graph.tensors), []
    layers = graph.layers()
    for layer in layers:
        if layer.name in bits and layer.input != graph.input:
            tensor = tensors[layer.input]
            precision = Precision(bits[layer.name][1], tensor.precision.signed)
            tensors[layer.input] = replace(tensor, precision=precision)
    for layer in layers:
        node = layer.linear
        width = bits[layer.name][0] if layer.name in bits else node.precision.bits
        precision = weight_precision(width, node.precision.signed)
        weight = np.clip(node.weight, precision.min, precision.max)
        if precision.bipolar:
            weight = np.where(weight > 0, 1, -1)
        nodes.append(replace(node, weight=weight, precision=precision))
        low, high = accumulator_range(weight, tensors[layer.input].precision)
        tensors[node.output] = replace(tensors[node.output], precision=narrowest(low, high))
        nodes.append(_with_limits(layer.requantize, tensors[layer.output].precision))
    return IntegerGraph(graph.name, tensors, nodes, graph.input, graph.output).verify()


def _with_limits(node, output: Precision):
    """A requantizer whose limits are those of its output, or 0 where it had a ReLU."""
    if output.bits > 8:
        return node
    return replace(node, lo=max(node.lo, output.min) if node.lo >= 0 else output.min, hi=output.max)
