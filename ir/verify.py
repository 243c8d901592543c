"""The rules an IntegerGraph keeps, so that golden, the compiler and the RTL may rely on them.

Each rule is one function that raises with the node's name. UnsupportedModelError: the graph means
something, but not on this device. ConfigError: the graph is broken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ir.errors import BitwrightError, ConfigError, UnsupportedModelError
from ir.nodes import (
    MAX_SHIFT,
    MULTIPLIER,
    OFFSET,
    Conv,
    Linear,
    MatMul,
    Requantize,
    Tensor,
    accumulator_range,
    output_shape,
)
from ir.precision import Precision

if TYPE_CHECKING:
    from ir.graph import IntegerGraph

SUM_BITS = 63  # |acc * M + B| < 2^63: golden's int64 never wraps


def verify_graph(graph: IntegerGraph) -> None:
    """Raise on the first broken rule; see :meth:`ir.graph.IntegerGraph.verify`."""
    _check_names(graph)
    known = {graph.input}
    for node in graph.nodes:
        if node.input not in known:
            raise ConfigError(f"{node.name}: its input {node.input!r} is not computed before it")
        if node.output in known:
            raise ConfigError(f"{node.name}: tensor {node.output!r} is written twice")
        if node.output not in graph.tensors:
            raise ConfigError(f"{node.name}: tensor {node.output!r} is not declared")
        known.add(node.output)
        source, target = graph.tensors[node.input], graph.tensors[node.output]
        if isinstance(node, Requantize):
            _check_requantize(node, source, target)
        elif isinstance(node, Conv | MatMul):
            _check_linear(node, source, target)
        else:
            raise UnsupportedModelError(f"{node.name}: the device has no {type(node).__name__}")
    if graph.output not in known:
        raise ConfigError(f"graph {graph.name!r}: its output {graph.output!r} is never computed")
    _check_layers(graph)


def _check_names(graph: IntegerGraph) -> None:
    names = [node.name for node in graph.nodes]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two nodes are named {name!r}")
    if not names:
        raise ConfigError(f"graph {graph.name!r} has no nodes")
    if graph.input not in graph.tensors:
        raise ConfigError(f"graph {graph.name!r}: its input {graph.input!r} is not declared")
    for key, tensor in graph.tensors.items():
        if key != tensor.name:
            raise ConfigError(f"tensor {tensor.name!r} is filed under {key!r}")
        if len(tensor.shape) != 3 or any(size < 1 for size in tensor.shape):
            raise ConfigError(f"tensor {key!r}: its shape must be (C, H, W), not {tensor.shape}")


def _check_linear(node: Linear, source: Tensor, target: Tensor) -> None:
    for what, precision in (("weights", node.precision), ("input", source.precision)):
        if not precision.is_operand:
            raise UnsupportedModelError(
                f"{node.name}: {what} of {precision.bits} bits; operands have 1 to 8 bits, "
                "quantize them first"
            )
    _expect(node, source, ConfigError)
    _check_codes(node.name, "weights", node.precision, node.weight)
    _check_shape(node.name, target, output_shape(node, source.shape))
    low, high = accumulator_range(node.weight, source.precision)
    if low < target.precision.min or high > target.precision.max:
        raise ConfigError(
            f"{node.name}: sums reach {low}..{high}, outside {target.precision} accumulators"
        )


def _expect(node: Linear, source: Tensor, error: Callable[[str], BitwrightError]) -> None:
    """The weight's shape, stride and padding fit the input."""
    channels, height, width = source.shape
    if isinstance(node, MatMul):
        if node.weight.ndim != 2 or node.weight.shape[1] != channels * height * width:
            raise error(
                f"{node.name}: weights {node.weight.shape} do not fit the flattened input "
                f"of {channels * height * width} values"
            )
        return
    if node.weight.ndim != 4 or node.weight.shape[1] != channels:
        raise error(
            f"{node.name}: weights {node.weight.shape} do not fit an input of {channels} channels"
        )
    if node.stride < 1 or node.padding < 0:
        raise error(f"{node.name}: stride {node.stride} or padding {node.padding} is impossible")
    if node.padding and source.precision.bipolar:
        raise UnsupportedModelError(
            f"{node.name}: a bipolar input has no code for zero padding; pad with -1 or +1 before "
            "it, or use 2 bits"
        )


def _check_requantize(node: Requantize, source: Tensor, target: Tensor) -> None:
    channels = source.shape[0]
    for what, values, precision in (
        ("multiplier", node.multiplier, MULTIPLIER),
        ("offset", node.offset, OFFSET),
    ):
        if values.shape != (channels,):
            raise ConfigError(
                f"{node.name}: {what} has shape {values.shape}, not one per channel ({channels},)"
            )
        _check_codes(node.name, what, precision, values)
    if not 0 <= node.shift <= MAX_SHIFT:
        raise ConfigError(f"{node.name}: shift must be 0 to {MAX_SHIFT}, not {node.shift}")
    if not target.precision.min <= node.lo <= node.hi <= target.precision.max:
        raise ConfigError(
            f"{node.name}: clip range {node.lo}..{node.hi} is not a range of {target.precision}"
        )
    _check_shape(node.name, target, source.shape)
    reach = max(-source.precision.min, source.precision.max)
    greatest = [
        reach * abs(int(m)) + abs(int(b)) for m, b in zip(node.multiplier, node.offset, strict=True)
    ]
    if max(greatest) >= 1 << SUM_BITS:
        raise ConfigError(f"{node.name}: acc * M + B needs more than 64 bits")


def _check_codes(name: str, what: str, precision: Precision, values: np.ndarray) -> None:
    if values.dtype != np.int64:
        raise ConfigError(f"{name}: {what} must be int64, not {values.dtype}")
    if not precision.contains(values).all():
        raise ConfigError(f"{name}: {what} outside {precision}")


def _check_shape(name: str, target: Tensor, shape: tuple[int, int, int]) -> None:
    if min(shape) < 1:
        raise ConfigError(f"{name}: its window does not fit the input")
    if target.shape != shape:
        raise ConfigError(f"{name}: writes {shape}, but {target.name!r} is {target.shape}")


def _check_layers(graph: IntegerGraph) -> None:
    """Sums are read once, by a requantizer, and a requantizer reads sums."""
    sums = {node.output: node for node in graph.nodes if not isinstance(node, Requantize)}
    for node in graph.nodes:
        if isinstance(node, Requantize) and node.input not in sums:
            raise UnsupportedModelError(
                f"{node.name}: requantizes {node.input!r}, which is no convolution's or matrix "
                "product's sums; merge it into the layer before"
            )
    for output, node in sums.items():
        readers = [reader for reader in graph.nodes if reader.input == output]
        if len(readers) != 1 or not isinstance(readers[0], Requantize):
            raise UnsupportedModelError(
                f"{node.name}: its sums must be read by one requantizer, and by nothing else"
            )
