"""The same network at other bitwidths, before anyone trained it: cycles do not depend on data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ir.errors import ConfigError
from ir.graph import (
    Add,
    Concat,
    Conv,
    IntegerGraph,
    Linear,
    MaxPool,
    Pieces,
    Rule,
    Sums,
    Threshold,
    sums_range,
)
from ir.nodes import MAX_THRESHOLD_BITS
from ir.precision import MAX_OPERAND_BITS, Precision, narrowest, weight_precision

Widths = tuple[int | tuple[int, ...], int]
"""(w_bits, or one for each output channel; a_bits)."""


def with_bits(graph: IntegerGraph, bits: Mapping[str, Widths]) -> IntegerGraph:
    """`graph` with {layer: (w_bits, a_bits)}; layers that are not named keep theirs.

    a_bits are those of the layer's input tensor, and of the tensors that pools and concatenations
    tie to it; the network's input and output keep their own. Weights are clipped to the new range,
    rules keep theirs with the new limits: it runs, but it does not compute anything useful.
    ConfigError when two layers want one tensor at different widths.
    """
    tensors, nodes = dict(graph.tensors), []
    for name, precision in _activations(graph, bits).items():
        tensors[name] = replace(tensors[name], precision=precision)
    for node in graph.nodes:
        if isinstance(node, Linear) and node.name in bits:
            node = _with_weights(node, bits[node.name][0])
        if isinstance(node, Conv) and not tensors[node.input].precision.bipolar:
            node = replace(node, pad_value=0)
        if isinstance(node, Sums):
            sources = [tensors[name] for name in node.inputs]
            low, high = sums_range(node, [s.shape for s in sources], [s.precision for s in sources])
            tensors[node.output] = replace(tensors[node.output], precision=narrowest(low, high))
        if isinstance(node, Rule):
            node = _with_limits(node, tensors[node.output].precision)
        nodes.append(node)
    return IntegerGraph(graph.name, tensors, nodes, graph.input, graph.output).verify()


def _activations(graph: IntegerGraph, bits: Mapping[str, Widths]) -> dict[str, Precision]:
    """New precisions of tensors."""
    tied = _tied(graph)
    found: dict[str, Precision] = {}
    asked: dict[str, str] = {}
    for node in graph.nodes:
        if not isinstance(node, Linear) or node.name not in bits:
            continue
        names = {n for n, root in tied.items() if root == tied[node.input]}
        if names & {graph.input, graph.output}:
            continue
        before = graph.tensors[node.input].precision
        width = bits[node.name][1]
        precision = before if width == before.bits else Precision(width, before.signed)
        other = asked.setdefault(tied[node.input], node.name)
        if found.get(node.input, precision) != precision:
            raise ConfigError(
                f"layers {other!r} and {node.name!r} share activations: {bits[other][1]} and "
                f"{width} bits are asked for them"
            )
        found |= dict.fromkeys(names, precision)
    return found


def _tied(graph: IntegerGraph) -> dict[str, str]:
    """{tensor: name of the set of tensors that have its precision}.

    The two sides of an addition share a step, and so a precision, unless they differ already.
    """
    tied = {name: name for name in graph.tensors}
    for node in graph.nodes:
        together = (
            (*node.inputs, node.output) if isinstance(node, MaxPool | Concat) else node.inputs
        )
        if isinstance(node, MaxPool | Concat | Add) and _alike(graph, together):
            for name in together:
                old, new = tied[name], tied[together[-1]]
                tied = {n: new if root == old else root for n, root in tied.items()}
    return tied


def _alike(graph: IntegerGraph, names: Sequence[str]) -> bool:
    return len({graph.tensors[name].precision for name in names}) == 1


def _with_weights(node: Linear, w_bits: int | tuple[int, ...]) -> Linear:
    """The weights clipped to one width, or each output channel's to its own."""
    rows = node.weight.shape[0]
    row_bits = w_bits if isinstance(w_bits, tuple) else None
    if row_bits is not None and len(row_bits) != rows:
        raise ConfigError(f"layer {node.name!r} has {rows} output channels, not {len(row_bits)}")
    weight = np.empty_like(node.weight)
    widths = np.array(row_bits or [w_bits] * rows)
    for bits in set(widths.tolist()):
        precision = weight_precision(bits, node.precision.signed)
        chosen = node.weight[widths == bits]
        weight[widths == bits] = (
            np.where(chosen > 0, 1, -1)
            if precision.bipolar
            else np.clip(chosen, precision.min, precision.max)
        )
    widest = weight_precision(int(widths.max()), node.precision.signed)
    return replace(node, weight=weight, precision=widest, row_bits=row_bits)


def _with_limits(node: Rule, output: Precision) -> Rule:
    """Limits are those of the output, or 0 where there was a ReLU; thresholds as many as codes."""
    if isinstance(node, Threshold):
        return _with_thresholds(node, output)
    if isinstance(node, Pieces):
        return _with_pieces(node, output)
    if output.bits > MAX_OPERAND_BITS:
        return node
    return replace(node, lo=max(node.lo, output.min) if node.lo >= 0 else output.min, hi=output.max)


def _with_pieces(node: Pieces, output: Precision) -> Pieces:
    """As many pieces, shorter where the output has fewer codes; as many passes of the device."""
    span = max(1, min(node.span, (output.max - output.min) // len(node.multiplier)))
    return replace(node, span=span, base=output.min)


def _with_thresholds(node: Threshold, output: Precision) -> Threshold:
    if output.contains(np.array([node.lo, node.hi])).all() and (node.step == 2) == output.bipolar:
        return node
    if output.bits > MAX_THRESHOLD_BITS:
        raise ConfigError(
            f"{node.name}: thresholds write 1 to {MAX_THRESHOLD_BITS} bits, not {output.bits}"
        )
    places = np.arange(output.max - output.min) - (output.max - output.min) // 2
    limits = np.repeat(places[np.newaxis], node.thresholds.shape[0], axis=0)
    return replace(node, thresholds=limits, base=output.min, step=1)
