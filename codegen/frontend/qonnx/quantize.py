"""The quantizing operators as the file has them."""

from __future__ import annotations

import numpy as np

from codegen.frontend.qonnx.call import Call, aligned
from codegen.frontend.qonnx.constants import Constant, quantized, wide_constant
from codegen.frontend.qonnx.problems import RefusalError
from codegen.frontend.qonnx.quantizers import (
    NARROWER,
    ROUNDINGS,
    BipolarQuantizer,
    IntQuantizer,
    Quantizer,
    Thresholds,
    Truncation,
)
from codegen.frontend.qonnx.value import Value
from ir.precision import MAX_OPERAND_BITS

WIDEST_CONSTANT = 32
"""Bits of a quantized bias; its values enter the rule behind the sums as they are."""

WIDEST_WORD = 64
MOST_THRESHOLDS = (1 << MAX_OPERAND_BITS) - 1
POSITIVE = "train or export the model again"


def quant(call: Call) -> Value | Constant:
    """Quant and IntQuant: X, scale, zero point, bits. One signed bit is bipolar."""
    scale = _scale(call, 1)
    zero = call.numbers(2, "zero point") if call.given(2) else np.zeros(1, np.float32)
    bits = _bits(call, 3)
    signed, narrow = (bool(call.attribute(name, 1)) for name in ("signed", "narrow"))
    rounding = _rounding(call, "ROUND")
    if bits == 1 and signed:
        return _taken(call, BipolarQuantizer(constants=(scale, zero)))
    lo, hi = limits(bits, signed=signed, narrow=narrow)
    quantizer = IntQuantizer(
        constants=(scale, zero), lo=lo, hi=hi, bits=bits, signed=signed, rounding=rounding
    )
    if bits > MAX_OPERAND_BITS:
        return _wide(call, quantizer, bits)
    return _taken(call, quantizer)


def bipolar_quant(call: Call) -> Value | Constant:
    """X, scale."""
    scale = _scale(call, 1)
    return _taken(call, BipolarQuantizer(constants=(scale, np.zeros(1, np.float32))))


def trunc(call: Call) -> Value | Constant:
    """Version 1: X, scale, zero point, bits before and after. Version 2 has an output scale."""
    scale, zero = _scale(call, 1), call.numbers(2, "zero point")
    before, rounding = _bits(call, 3), _rounding(call, "FLOOR")
    second = call.opset(call.node.domain) > 1
    if second:
        after = _bits(call, 5)
        target = _scale(call, 4)
        ratio = np.float32(2.0) ** np.rint(np.log2(target / scale))
        divisor = _single(ratio, "ratio of scales")
        signed, narrow = bool(call.attribute("signed", 1)), bool(call.attribute("narrow", 0))
        lo, hi = limits(after, signed=signed, narrow=narrow)
        constants = (scale, zero, target, zero / np.float32(divisor))
        return _taken(
            call,
            Truncation(constants=constants, divisor=divisor, rounding=rounding, lo=lo, hi=hi),
        )
    divisor = 2.0 ** (before - _bits(call, 4))
    constants = (scale, zero, scale, zero)
    return _taken(call, Truncation(constants=constants, divisor=divisor, rounding=rounding))


def multi_threshold(call: Call) -> Value:
    """X, thresholds (C, T) or (1, T); attributes out_scale, out_bias."""
    table = call.constant(1, "thresholds").values.astype(np.float32)
    scale, bias = (float(call.attribute(n, d)) for n, d in (("out_scale", 1.0), ("out_bias", 0.0)))
    if table.ndim != 2 or not 1 <= table.shape[1] <= MOST_THRESHOLDS or np.isnan(table).any():
        raise RefusalError(
            f"thresholds of shape {table.shape}, at most {MOST_THRESHOLDS} a channel are taken",
            NARROWER,
        )
    if not (np.isfinite([scale, bias]).all() and scale > 0):
        raise RefusalError(f"out_scale {scale} or out_bias {bias} is impossible", POSITIVE)
    value = call.value()
    layout = call.attribute("data_layout", "")
    if layout not in ("", "NCHW", "NC") or (len(value.shape) == 2 and layout == ""):
        raise RefusalError(f"its channels are not the second dimension ({layout})", "use NCHW")
    tail = (1,) * (len(value.shape) - 1)
    columns = tuple(aligned(c.reshape(-1, *tail), value.shape) for c in table.T)
    found = _taken(call, Thresholds(constants=columns, scale=scale, bias=bias))
    assert isinstance(found, Value)
    return found


def limits(bits: int, *, signed: bool, narrow: bool) -> tuple[int, int]:
    """(least, greatest) level."""
    if signed:
        return -(1 << (bits - 1)) + narrow, (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1 - narrow


def _taken(call: Call, quantizer: Quantizer) -> Value | Constant:
    """The quantizer on a constant, on the network's input, or behind a layer."""
    if isinstance(call.operands[0], Constant):
        return quantized(call.constant(0, "input"), quantizer)
    value, pads = call.value().apart()
    shaped = quantizer.at(lambda constant: aligned(constant, value.shape))
    if value.kind == "input":
        found = call.inputs.quantized_input(value, shaped)
    else:
        found = call.builder.quantize(value, shaped, call.name)
    if any(pads) and (np.any(found.offset) or _of_zero(shaped)):
        raise RefusalError(
            "the zeros of a Pad before it are no code of zero", "quantize with a zero point of 0"
        )
    return found.surrounded(pads)


def _of_zero(quantizer: Quantizer) -> bool:
    """Whether zero becomes anything but zero."""
    return bool(np.any(quantizer.apply(np.zeros(1, np.float32))))


def _wide(call: Call, quantizer: IntQuantizer, bits: int) -> Constant:
    """More bits than an operand has: a bias may have them, nothing else."""
    if isinstance(call.operands[0], Constant) and bits <= WIDEST_CONSTANT:
        return wide_constant(call.constant(0, "input"), quantizer)
    raise RefusalError(f"{bits} bits, operands have 1 to {MAX_OPERAND_BITS}", NARROWER)


def _scale(call: Call, place: int) -> np.ndarray:
    """A constant of positive, finite numbers."""
    scale = call.constant(place, "scale").values.astype(np.float32)
    if not np.isfinite(scale).all():
        raise RefusalError("its scale is not finite", POSITIVE)
    if (scale <= 0).any():
        raise RefusalError(f"its scale is {float(scale.min()):.6g}, not positive", POSITIVE)
    return scale


def _bits(call: Call, place: int) -> int:
    values = call.constant(place, "bit width").values.astype(np.float64)
    bits = _single(values, "bit width")
    if bits > WIDEST_WORD:
        raise RefusalError(f"{bits:.6g} bits, operands have 1 to {MAX_OPERAND_BITS}", NARROWER)
    if bits != round(bits) or bits < 1:
        raise RefusalError(f"its bit width is {bits}, no whole number from 1 on", NARROWER)
    return round(bits)


def _single(values: np.ndarray, what: str) -> float:
    """One number for all."""
    first = float(values.ravel()[0])
    if not np.isfinite(values).all() or (values != first).any():
        raise RefusalError(f"its {what} differs between channels, or is no number", NARROWER)
    return first


def _rounding(call: Call, default: str) -> str:
    mode = call.attribute("rounding_mode", default).upper()
    if mode not in ROUNDINGS:
        known = ", ".join(ROUNDINGS)
        raise RefusalError(f"rounding mode {mode!r}", f"use one of {known}")
    return mode
