"""Tensors as they lie on the device: which are written, and with how many bits."""

from __future__ import annotations

from collections.abc import Iterable

from ir.errors import UnsupportedModelError
from ir.graph import Add, Concat, IntegerGraph, MaxPool
from ir.precision import MAX_OPERAND_BITS, Precision


def parts_of(graph: IntegerGraph, name: str) -> tuple[str, ...]:
    """The tensors in memory that make up tensor `name`: a concatenation is its inputs' row."""
    joined = {node.output: node for node in graph.nodes if isinstance(node, Concat)}
    if name not in joined:
        return (name,)
    return tuple(part for source in joined[name].inputs for part in parts_of(graph, source))


def device_precisions(graph: IntegerGraph) -> dict[str, Precision]:
    """{tensor: its precision on the device}.

    The two operands of an addition lie side by side in one word of digits: both are written with as
    many bits as either needs, and so is what shares a precision with them.
    """
    tied = {name: name for name in graph.tensors}
    for node in graph.nodes:
        if isinstance(node, Add | MaxPool | Concat):
            ends = node.inputs if isinstance(node, Add) else (*node.inputs, node.output)
            roots = {tied[name] for name in ends}
            first = min(roots)
            tied = {name: first if root in roots else root for name, root in tied.items()}
    precisions = {name: tensor.precision for name, tensor in graph.tensors.items()}
    for node in graph.nodes:
        if isinstance(node, Add):
            names = [name for name, root in tied.items() if root == tied[node.inputs[0]]]
            common = _common(node.name, {graph.tensors[name].precision for name in names})
            precisions |= dict.fromkeys(names, common)
    return precisions


def _common(name: str, precisions: Iterable[Precision]) -> Precision:
    """The narrowest precision that holds the codes of all."""
    found = list(precisions)
    if len(found) == 1:
        return found[0]
    if any(precision.bipolar for precision in found):
        raise UnsupportedModelError(
            f"layer {name!r}: adds bipolar codes to others; write them with 2 bits (thresholds "
            "of step 1, or a requantizer)"
        )
    signed = any(precision.signed for precision in found)
    bits = max(p.bits + (signed and not p.signed) for p in found)
    if bits > MAX_OPERAND_BITS:
        raise UnsupportedModelError(
            f"layer {name!r}: adds codes that need {bits} bits together, operands have 1 to "
            f"{MAX_OPERAND_BITS}; quantize the unsigned one to 7 bits"
        )
    return Precision(bits, signed)
