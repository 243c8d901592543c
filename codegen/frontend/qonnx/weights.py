"""Layers with weights: convolution, Gemm, MatMul."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from codegen.frontend.qonnx.call import Call
from codegen.frontend.qonnx.constants import Grid, integer_grid
from codegen.frontend.qonnx.problems import RefusalError
from codegen.frontend.qonnx.steps import Plus
from codegen.frontend.qonnx.value import NO_PADS, Value
from codegen.frontend.qonnx.windows import read_window
from ir.nodes import Conv, Linear, MatMul
from ir.precision import MAX_OPERAND_BITS

QUANTIZE_WEIGHTS = "put a Quant behind its weights (1 to 8 bits)"


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """codes: (M, ...) int64; scale: (M,) float64, of each output channel."""

    codes: np.ndarray
    scale: np.ndarray
    grid: Grid


def conv(call: Call) -> Value:
    """Also over one row (N, C, L), depthwise and in groups."""
    grid = _grid(call, 1)
    one_row = grid.codes.ndim == 3
    if grid.codes.ndim not in (3, 4):
        raise RefusalError(f"weights of shape {grid.codes.shape}", "use a convolution of 1 or 2 D")
    if one_row:
        grid = replace(grid, codes=grid.codes[:, :, np.newaxis], scale=grid.scale[:, :, np.newaxis])
    weights, groups = _by_row(grid), call.attribute("group", 1)
    bias = call.numbers(2, "bias").ravel() if call.given(2) else None
    spatial = read_window(call, (weights.codes.shape[2], weights.codes.shape[3]), one_row=one_row)
    value = _codes(call)
    rank = 2 if one_row else 3
    if len(value.shape) != rank or value.shape[0] != weights.codes.shape[1] * groups:
        raise RefusalError(
            f"weights {grid.codes.shape} in {groups} groups do not fit an input of {value.shape}",
            "check the file",
        )
    padding = spatial.padding(value, call.builder.tensors[value.tensor].shape)
    zeros = NO_PADS if value.frame else padding
    scale, offset = _factors(value, weights, groups, zeros)
    name = call.builder.unique(call.name)
    node = Conv(
        name,
        value.tensor,
        call.builder.unique(f"{name}.sums"),
        weights.codes,
        weights.grid.precision,
        spatial.stride,
        padding,
        spatial.dilation,
        groups,
        value.frame,
    )
    return _sums(call, node, scale, offset, bias, tail=rank - 1)


def matmul(call: Call) -> Value:
    """An activation (N, K) times constant weights (K, M)."""
    grid = _grid(call, 1)
    if grid.codes.ndim != 2:
        raise RefusalError(f"weights of shape {grid.codes.shape}", "multiply (N, K) by (K, M)")
    weights = _by_row(replace(grid, codes=grid.codes.T, scale=grid.scale.T))
    return _linear(call, weights, None)


def gemm(call: Call) -> Value:
    """alpha * A B + beta * C, A as it is."""
    grid = _grid(call, 1)
    if call.attribute("transA", 0):
        raise RefusalError("it transposes the activations", "export with transA = 0")
    if grid.codes.ndim != 2:
        raise RefusalError(f"weights of shape {grid.codes.shape}", "multiply (N, K) by (K, M)")
    if not call.attribute("transB", 0):
        grid = replace(grid, codes=grid.codes.T, scale=grid.scale.T)
    weights = _by_row(grid)
    alpha, beta = (np.float32(call.attribute(name, 1.0)) for name in ("alpha", "beta"))
    bias = beta * call.numbers(2, "bias").ravel() if call.given(2) else None
    return _linear(call, replace(weights, scale=weights.scale * np.float64(alpha)), bias)


def _linear(call: Call, weights: Weights, bias: np.ndarray | None) -> Value:
    value = _codes(call)
    if len(value.shape) != 1 or value.shape[0] != weights.codes.shape[1]:
        raise RefusalError(
            f"weights of {weights.codes.shape[1]} inputs do not fit an activation of {value.shape}",
            "flatten the activation to (N, K)",
        )
    scale, offset = _factors(value, weights, 1, NO_PADS)
    name = call.builder.unique(call.name)
    node = MatMul(
        name,
        value.tensor,
        call.builder.unique(f"{name}.sums"),
        np.ascontiguousarray(weights.codes),
        weights.grid.precision,
    )
    return _sums(call, node, scale, offset, bias, tail=0)


def _sums(
    call: Call,
    node: Linear,
    scale: np.ndarray,
    offset: np.ndarray,
    bias: np.ndarray | None,
    *,
    tail: int,
) -> Value:
    """tail: dimensions behind the channels."""
    rows = len(node.weight)
    column = (rows, *[1] * tail)
    shape = call.builder.shape_of(node)
    value = Value(
        kind="sums",
        shape=shape[: 1 + tail] if tail != 1 else (shape[0], shape[2]),
        node=node,
        scale=scale.reshape(column),
        offset=offset.reshape(column),
    )
    if bias is None:
        return value
    if bias.size not in (1, rows):
        raise RefusalError(f"{bias.size} biases for {rows} output channels", "check the file")
    return value.then(Plus(constants=(np.broadcast_to(bias, rows).reshape(column),)))


def _grid(call: Call, place: int) -> Grid:
    """The integers of the weights; RefusalError: floats, or too wide."""
    constant = call.constant(place, "weights")
    grid = integer_grid(constant, call.model.datatypes.get(call.node.inputs[place], ""))
    if grid is None:
        raise RefusalError("its weights are floats that no Quant makes integers", QUANTIZE_WEIGHTS)
    if not grid.precision.is_operand:
        raise RefusalError(
            f"weights of {grid.precision.bits} bits, operands have 1 to {MAX_OPERAND_BITS}",
            QUANTIZE_WEIGHTS,
        )
    return grid


def _by_row(grid: Grid) -> Weights:
    """One scale for each output channel; RefusalError: it differs inside one."""
    rows = grid.scale.reshape(len(grid.scale), -1)
    if (rows != rows[:, :1]).any():
        raise RefusalError(
            "the scale of its weights differs within an output channel",
            "use one scale, or one for each output channel",
        )
    return Weights(codes=grid.codes, scale=rows[:, 0].astype(np.float64), grid=grid)


def _codes(call: Call) -> Value:
    """Its input as codes of the graph; the network's own input as the integers that come."""
    value = call.value()
    if value.kind == "sums":
        raise RefusalError("its input is not quantized", "put a Quant before it (1 to 8 bits)")
    if value.kind == "input":
        value = call.inputs.integer_input(value)
    return call.builder.on_grid(value, call.name)


def _factors(
    value: Value, weights: Weights, groups: int, padding: tuple[int, int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """(scale, offset) of each output channel: real = scale * sum + offset.

    sum_k w_k (s c_k + o_k) = s sum_k w_k c_k + sum_k w_k o_k, where s is the same for all that a
    row reads. Outside the image the real value is zero, so the code must be zero there.
    """
    scale, offset = value.affine()
    if np.any(offset) and any(padding):
        raise RefusalError(
            "it pads an input whose zero is no code: zeros outside the image cannot be written",
            "quantize the input with a zero point of 0, or without subtracting a mean",
        )
    rows = len(weights.codes)
    inputs = weights.codes.reshape(rows, -1).shape[1]
    own = _per_row(np.broadcast_to(scale, value.shape), value.shape, groups, rows)
    if (own != own[:, :1]).any():
        raise RefusalError(
            "its input has a scale for each channel, which one sum cannot add up",
            "use one scale for the activations, or a depthwise convolution",
        )
    factor = own[:, 0] * weights.scale
    if not np.any(offset):
        return factor, np.zeros(rows)
    if offset.size == 1:
        moved = weights.codes.reshape(rows, inputs).sum(axis=1) * float(offset.item())
    else:
        moved = _moved(offset, value.shape, weights.codes, groups)
    return factor, moved * weights.scale


def _per_row(entries: np.ndarray, shape: tuple[int, ...], groups: int, rows: int) -> np.ndarray:
    """(M, inputs of a row) of what has one entry for each channel or input of a linear layer."""
    channels = entries.reshape(shape[0], -1)
    own = channels.reshape(groups, -1)
    return np.repeat(own, rows // groups, axis=0)


def _moved(
    offset: np.ndarray, shape: tuple[int, ...], codes: np.ndarray, groups: int
) -> np.ndarray:
    """(M,) sums of weights times offsets, one for each channel or input."""
    by_input = np.broadcast_to(offset, (shape[0], *[1] * (offset.ndim - 1))).reshape(groups, -1)
    weights = codes.reshape(len(codes), by_input.shape[1], -1).sum(axis=2)
    mine = np.repeat(by_input, len(codes) // groups, axis=0)
    return (weights * mine).sum(axis=1)
