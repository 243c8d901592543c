"""The rules a node keeps with the tensors it reads and writes; see ``verify.py``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ir.errors import ConfigError, UnsupportedModelError
from ir.nodes import (
    MAX_PIECES,
    MAX_SHIFT,
    MAX_THRESHOLD_BITS,
    MULTIPLIER,
    OFFSET,
    Add,
    AveragePool,
    Concat,
    Conv,
    Linear,
    MatMul,
    MaxPool,
    Node,
    Pieces,
    Requantize,
    Rule,
    Tensor,
    Threshold,
    sides,
)
from ir.precision import Precision, weight_precision
from ir.shapes import output_shape, sums_range

SUM_BITS = 63  # |acc * M + B| < 2^63: golden's int64 never wraps


def check_node(node: Node, sources: Sequence[Tensor], target: Tensor) -> None:
    """Raise on the first broken rule. sources: what it reads, in order; target: what it writes."""
    if isinstance(node, Rule):
        _check_shape(node.name, target, sources[0].shape)
        if isinstance(node, Requantize):
            _check_requantize(node, sources[0], target)
        elif isinstance(node, Pieces):
            _check_pieces(node, sources[0], target)
        else:
            _check_threshold(node, sources[0], target)
        return
    for source in sources:
        _check_operand(node.name, "input", source.precision)
    if isinstance(node, Conv):
        _check_conv(node, sources[0])
    elif isinstance(node, MatMul):
        _check_matmul(node, sources[0])
    elif isinstance(node, AveragePool | MaxPool):
        _check_window(node, sources[0])
    elif isinstance(node, Add | Concat):
        _check_partners(node, sources)
    _check_shape(node.name, target, output_shape(node, *(s.shape for s in sources)))
    if isinstance(node, MaxPool | Concat):
        if target.precision != sources[0].precision:
            raise ConfigError(
                f"{node.name}: writes {sources[0].precision} codes, but {target.name!r} is "
                f"{target.precision}"
            )
        return
    low, high = sums_range(node, [s.shape for s in sources], [s.precision for s in sources])
    if low < target.precision.min or high > target.precision.max:
        raise ConfigError(
            f"{node.name}: sums reach {low}..{high}, outside {target.precision} accumulators"
        )


def _check_operand(name: str, what: str, precision: Precision) -> None:
    if not precision.is_operand:
        raise UnsupportedModelError(
            f"{name}: {what} of {precision.bits} bits; operands have 1 to 8 bits, quantize them "
            "first"
        )


def _check_conv(node: Conv, source: Tensor) -> None:
    channels = source.shape[0]
    if node.groups < 1 or channels % node.groups:
        raise ConfigError(f"{node.name}: {node.groups} groups do not divide {channels} channels")
    if node.weight.ndim != 4 or node.weight.shape[1] != channels // node.groups:
        raise ConfigError(
            f"{node.name}: weights {node.weight.shape} do not fit an input of {channels} channels"
            + (f" in {node.groups} groups" if node.groups > 1 else "")
        )
    if node.weight.shape[0] % node.groups:
        raise ConfigError(
            f"{node.name}: {node.groups} groups do not divide {node.weight.shape[0]} outputs"
        )
    if node.stride < 1 or min(sides(node.padding)) < 0:
        raise ConfigError(
            f"{node.name}: stride {node.stride} or padding {node.padding} is impossible"
        )
    if node.dilation < 1:
        raise ConfigError(f"{node.name}: dilation {node.dilation} is impossible")
    _check_padding(node, source.precision)
    _check_weights(node)


def _check_padding(node: Conv, activations: Precision) -> None:
    if not any(sides(node.padding)):
        return
    if activations.bipolar and node.pad_value not in (-1, 1):
        raise UnsupportedModelError(
            f"{node.name}: a bipolar input has no code for zero padding; pad with -1 or +1 "
            "(pad_value), or use 2 bits"
        )
    if not activations.bipolar and node.pad_value:
        raise UnsupportedModelError(
            f"{node.name}: pads with {node.pad_value}; only a bipolar input is padded with "
            "anything but zeros, shift the input's codes so that the padding becomes zero"
        )


def _check_matmul(node: MatMul, source: Tensor) -> None:
    values = int(np.prod(source.shape))
    if node.weight.ndim != 2 or node.weight.shape[1] != values:
        raise ConfigError(
            f"{node.name}: weights {node.weight.shape} do not fit the flattened input "
            f"of {values} values"
        )
    _check_weights(node)


def _check_weights(node: Linear) -> None:
    _check_operand(node.name, "weights", node.precision)
    _check_codes(node.name, "weights", node.precision, node.weight)
    if node.row_bits is None:
        return
    if len(node.row_bits) != node.weight.shape[0]:
        raise ConfigError(
            f"{node.name}: row_bits has {len(node.row_bits)} widths for {node.weight.shape[0]} "
            "output channels"
        )
    if min(node.row_bits) < 1 or node.precision != weight_precision(
        max(node.row_bits), node.precision.signed
    ):
        raise ConfigError(
            f"{node.name}: row_bits of {min(node.row_bits)} to {max(node.row_bits)} bits do not "
            f"fit weights of {node.precision}"
        )
    for bits in sorted(set(node.row_bits)):
        precision = weight_precision(bits, node.precision.signed)
        rows = node.weight[np.array(node.row_bits) == bits]
        _check_codes(node.name, f"weights of {bits}-bit output channels", precision, rows)


def _check_window(node: AveragePool | MaxPool, source: Tensor) -> None:
    if min(node.kernel) < 1 or node.stride < 1:
        raise ConfigError(
            f"{node.name}: kernel {node.kernel} or stride {node.stride} is impossible"
        )
    top, left, bottom, right = sides(node.padding)
    if min(top, left, bottom, right) < 0 or not (
        max(top, bottom) < node.kernel[0] and max(left, right) < node.kernel[1]
    ):
        raise ConfigError(
            f"{node.name}: padding {node.padding} must be less than the kernel {node.kernel}"
        )
    if isinstance(node, AveragePool) and any(sides(node.padding)) and source.precision.bipolar:
        raise UnsupportedModelError(
            f"{node.name}: a bipolar input has no code for zero padding; pool without padding"
        )


def _check_partners(node: Add | Concat, sources: Sequence[Tensor]) -> None:
    if isinstance(node, Add):
        if len(sources) != 2 or sources[0].shape != sources[1].shape:
            raise ConfigError(
                f"{node.name}: adds two tensors of one shape, not "
                + " and ".join(str(source.shape) for source in sources)
            )
        return
    if not sources:
        raise ConfigError(f"{node.name}: nothing to concatenate")
    if len({source.shape[1:] for source in sources}) > 1:
        raise ConfigError(f"{node.name}: its inputs differ in height or width")
    if len({source.precision for source in sources}) > 1:
        kinds = ", ".join(f"{source.name!r} {source.precision}" for source in sources)
        raise UnsupportedModelError(
            f"{node.name}: its inputs differ in precision ({kinds}); requantize them to one"
        )


def _check_requantize(node: Requantize, source: Tensor, target: Tensor) -> None:
    _check_lines(node, (source.shape[0],), source.precision)
    if target.precision.bipolar:
        raise UnsupportedModelError(
            f"{node.name}: a requantizer cannot write bipolar codes, 0 lies between them; use a "
            "threshold of step 2"
        )
    if not target.precision.min <= node.lo <= node.hi <= target.precision.max:
        raise ConfigError(
            f"{node.name}: clip range {node.lo}..{node.hi} is not a range of {target.precision}"
        )


def _check_pieces(node: Pieces, source: Tensor, target: Tensor) -> None:
    count = len(node.multiplier)
    if node.multiplier.ndim != 2 or not 1 <= count <= MAX_PIECES:
        raise ConfigError(f"{node.name}: 1 to {MAX_PIECES} pieces expected, not {count}")
    _check_lines(node, (count, source.shape[0]), source.precision)
    precision = target.precision
    if not precision.is_operand or precision.bipolar:
        raise UnsupportedModelError(
            f"{node.name}: pieces write codes of 1 to 8 bits, not {precision}; use a requantizer "
            "for sums, and a threshold of step 2 for bipolar codes"
        )
    if node.span < 1 or not precision.min <= node.base <= precision.max:
        raise ConfigError(
            f"{node.name}: pieces of {node.span} codes above {node.base} write no {precision} codes"
        )


def check_reach(node: Pieces, sums: tuple[int, int], codes: Precision) -> None:
    """ConfigError unless pieces stay within codes for all `sums`, least to greatest.

    Each channel's greatest code is that of one of the ends: lines rise or fall throughout.
    """
    for acc in sums:
        lines = (acc * node.multiplier + node.offset) >> node.shift
        reached = node.base + np.clip(lines, 0, node.span).sum(axis=0)
        if int(reached.max()) > codes.max:
            raise ConfigError(
                f"{node.name}: its pieces reach {reached.max()}, beyond {codes} codes"
            )


def _check_lines(node: Requantize | Pieces, shape: tuple[int, ...], sums: Precision) -> None:
    """M and B of each channel, and n; acc * M + B fits golden's int64."""
    for what, values, precision in (
        ("multiplier", node.multiplier, MULTIPLIER),
        ("offset", node.offset, OFFSET),
    ):
        _check_per_channel(node.name, what, values, shape)
        _check_codes(node.name, what, precision, values)
    if not 0 <= node.shift <= MAX_SHIFT:
        raise ConfigError(f"{node.name}: shift must be 0 to {MAX_SHIFT}, not {node.shift}")
    reach = max(-sums.min, sums.max)
    pairs = zip(node.multiplier.ravel(), node.offset.ravel(), strict=True)
    if max(reach * abs(int(m)) + abs(int(b)) for m, b in pairs) >= 1 << SUM_BITS:
        raise ConfigError(f"{node.name}: acc * M + B needs more than 64 bits")


def _check_threshold(node: Threshold, source: Tensor, target: Tensor) -> None:
    channels, precision = source.shape[0], target.precision
    if precision.bits > MAX_THRESHOLD_BITS:
        raise UnsupportedModelError(
            f"{node.name}: thresholds write 1 to {MAX_THRESHOLD_BITS} bits, not {precision.bits}; "
            "requantize instead"
        )
    if node.thresholds.ndim != 2 or node.thresholds.shape[1] < 1:
        raise ConfigError(f"{node.name}: thresholds must be (channels, 1 or more)")
    steps = node.thresholds.shape[1]
    _check_per_channel(node.name, "thresholds", node.thresholds, (channels, steps))
    _check_codes(node.name, "thresholds", OFFSET, node.thresholds)
    if (np.diff(node.thresholds, axis=1) < 0).any():
        raise ConfigError(f"{node.name}: thresholds must ascend in each channel")
    _check_per_channel(node.name, "sign", node.sign, (channels,))
    _check_codes(node.name, "sign", weight_precision(1), node.sign)
    codes = node.base + node.step * np.arange(steps + 1)
    if node.step != (2 if precision.bipolar else 1) or not precision.contains(codes).all():
        raise ConfigError(
            f"{node.name}: writes {codes[0]} to {codes[-1]} in steps of {node.step}, which are not "
            f"codes of {precision}"
        )


def _check_per_channel(name: str, what: str, values: np.ndarray, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise ConfigError(f"{name}: {what} has shape {values.shape}, not one per channel {shape}")


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
