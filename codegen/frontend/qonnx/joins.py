"""Where activations meet: residual additions and concatenations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from codegen.frontend.qonnx.call import Call
from codegen.frontend.qonnx.problems import RefusalError
from codegen.frontend.qonnx.steps import Times
from codegen.frontend.qonnx.value import Value
from ir.nodes import Add, Concat, Rule
from ir.precision import Precision, narrowest

QUANTIZE_BOTH = "put a Quant on each of them, with one scale (one shared quantizer)"


def add_values(call: Call) -> Value:
    """Codes of one scale, added up."""
    first, second = call.value(0), call.value(1)
    if first is second:
        return first.then(Times(constants=(np.full(1, 2, np.float32),)))
    values = [_codes(call, value) for value in (first, second)]
    if values[0].shape != values[1].shape:
        raise RefusalError(
            f"it adds shapes {values[0].shape} and {values[1].shape}", "add tensors of one shape"
        )
    (scale, offset), (other, more) = (value.affine() for value in values)
    if not _equal(scale, other):
        raise RefusalError(
            f"it adds codes of different scales ({_shown(scale)} and {_shown(other)})",
            QUANTIZE_BOTH,
        )
    name = call.builder.unique(call.name)
    node = Add(name, (values[0].tensor, values[1].tensor), call.builder.unique(f"{name}.sums"))
    return Value(kind="sums", shape=values[0].shape, node=node, scale=scale, offset=offset + more)


def concat(call: Call) -> Value:
    """Codes of one precision, channel after channel."""
    values = [_codes(call, call.value(place)) for place in range(len(call.operands))]
    rank = len(values[0].shape)
    if call.attribute("axis", 1) not in (1, -rank) or any(len(v.shape) != rank for v in values):
        raise RefusalError("it joins other dimensions than channels", "concatenate channels")
    if rank == 1 and any(_inner(call, value) for value in values):
        raise RefusalError("it joins flattened images", "concatenate before Flatten")
    _widen(call, [value.tensor for value in values])
    affine = [value.affine() for value in values]
    channels = [value.shape[0] for value in values]
    name = call.builder.unique(call.name)
    node = Concat(name, tuple(v.tensor for v in values), call.builder.unique(f"{name}.codes"))
    tensor = call.builder.add(node, call.builder.tensors[values[0].tensor].precision, node.output)
    scale, offset = (_joined([pair[i] for pair in affine], values, channels) for i in (0, 1))
    shape = (sum(channels), *values[0].shape[1:])
    return Value(kind="codes", shape=shape, tensor=tensor.name, scale=scale, offset=offset)


def _codes(call: Call, value: Value) -> Value:
    """Codes with linear steps; RefusalError for sums that nobody quantized."""
    if value.kind != "codes":
        what = "the network's input" if value.kind == "input" else "sums"
        raise RefusalError(f"it reads {what} without a quantizer between", QUANTIZE_BOTH)
    return call.builder.on_grid(value.unpadded(), call.name)


def _inner(call: Call, value: Value) -> bool:
    return call.builder.tensors[value.tensor].shape[1:] != (1, 1)


def _widen(call: Call, names: list[str]) -> None:
    """Gives tensors that meet the narrowest precision that holds the codes of all."""
    tensors, nodes = call.builder.tensors, call.builder.nodes
    found = {tensors[name].precision for name in names}
    if len(found) == 1:
        return
    if any(precision.bipolar for precision in found):
        raise RefusalError("it joins bipolar codes with others", "quantize all to the same bits")
    low, high = min(p.min for p in found), max(p.max for p in found)
    wide = narrowest(low, high) if low < 0 else Precision(high.bit_length(), signed=False)
    written = {node.output for node in nodes if isinstance(node, Rule)}
    pooled = {name for node in nodes for name in node.inputs if not isinstance(node, Rule)}
    for name in names:
        tensor = tensors[name]
        if tensor.precision == wide:
            continue
        if not wide.is_operand or name not in written or name in pooled:
            raise RefusalError(
                "it joins codes of different precisions", "quantize all to the same bits"
            )
        tensors[name] = replace(tensor, precision=wide)


def _joined(parts: list[np.ndarray], values: list[Value], channels: list[int]) -> np.ndarray:
    """One array where all agree, else one entry for each channel."""
    if all(part.size == 1 for part in parts) and len({part.item() for part in parts}) == 1:
        return parts[0]
    rank = len(values[0].shape)
    rows = [
        np.broadcast_to(part, (count, *[1] * (rank - 1)))
        for part, count in zip(parts, channels, strict=True)
    ]
    return np.concatenate(rows)


def _equal(first: np.ndarray, second: np.ndarray) -> bool:
    """Scales that are equal in the file's float32; products of them may differ in float64."""
    return bool((first.astype(np.float32) == second.astype(np.float32)).all())


def _shown(scale: np.ndarray) -> str:
    values = scale.ravel()
    return f"{values[0]:.6g}" + (", ..." if values.size > 1 else "")
