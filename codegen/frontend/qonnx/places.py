"""Operators that only move values: reshape, flatten, squeeze, transpose, pad."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from codegen.frontend.qonnx.call import Call
from codegen.frontend.qonnx.problems import RefusalError
from codegen.frontend.qonnx.value import Value

ONE_IMAGE = "keep the batch as the first dimension"
NO_ZERO = "what it puts around the image is no code of zero"
QUANTIZE_TO_ZERO = "quantize its input with a zero point of 0, and pad with zeros"


def reshape(call: Call) -> Value:
    """0 keeps a size, -1 takes what is left."""
    wanted = call.integers(1, "shape")
    value = call.value()
    sizes = [call.model.input_shape[0], *value.shape]
    if not call.attribute("allowzero", 0):
        wanted = [
            sizes[place] if size == 0 and place < len(sizes) else size
            for place, size in enumerate(wanted)
        ]
    known, total = math.prod(size for size in wanted if size != -1), math.prod(sizes)
    if wanted.count(-1) > 1 or known < 1 or total % known:
        raise RefusalError(f"shape {wanted} does not hold {sizes}", "check the file")
    found = [total // known if size == -1 else size for size in wanted]
    return _as(value, found, sizes[0])


def flatten(call: Call) -> Value:
    """All behind the batch in one dimension."""
    value = call.value()
    if call.attribute("axis", 1) not in (1, -len(value.shape)):
        raise RefusalError(
            "it flattens the batch or keeps channels apart", "flatten from axis 1 on"
        )
    return value.reshaped((math.prod(value.shape),))


def squeeze(call: Call) -> Value:
    """Leaves out dimensions of size 1."""
    value = call.value()
    sizes = [call.model.input_shape[0], *value.shape]
    axes = _axes(call, [place for place, size in enumerate(sizes) if size == 1 and place])
    places = {axis % len(sizes) for axis in axes}
    if any(sizes[place] != 1 for place in places):
        raise RefusalError(f"axes {axes} of {sizes} are not of size 1", "check the file")
    return _as(value, [s for place, s in enumerate(sizes) if place not in places], sizes[0])


def unsqueeze(call: Call) -> Value:
    """Puts in dimensions of size 1."""
    value = call.value()
    sizes, axes = [call.model.input_shape[0], *value.shape], _axes(call, [])
    for axis in sorted(axis % (len(sizes) + len(axes)) for axis in axes):
        sizes.insert(axis, 1)
    return _as(value, sizes, call.model.input_shape[0])


def transpose(call: Call) -> Value:
    """Of the network's input, or where only dimensions of size 1 change places."""
    value = call.value()
    rank = len(value.shape) + 1
    order = call.attribute("perm", list(reversed(range(rank))))
    if sorted(order) != list(range(rank)) or order[0] != 0:
        raise RefusalError(f"it moves the batch ({order})", ONE_IMAGE)
    shape = tuple(value.shape[axis - 1] for axis in order[1:])
    moved = [axis for axis in order[1:] if value.shape[axis - 1] > 1]
    if moved == sorted(moved):
        return value.reshaped(shape)
    if value.kind != "input":
        raise RefusalError(
            f"it changes the order of values ({order})",
            "keep N, C, H, W throughout, or transpose the network's input",
        )

    def pick(constant: np.ndarray) -> np.ndarray:
        if constant.size == 1:
            return constant
        return np.broadcast_to(constant, value.shape).transpose([axis - 1 for axis in order[1:]])

    return replace(
        value,
        shape=shape,
        steps=tuple(step.at(pick) for step in value.steps),
        layout=(*value.layout, lambda x: x.transpose(order)),
    )


def pad(call: Call) -> Value:
    """Zeros, or one code of a bipolar tensor, around the image; the window behind takes them in."""
    if call.attribute("mode", "constant") != "constant":
        raise RefusalError("it pads with values of the image", "pad with zeros")
    if call.opset() < 11:
        pads, number = list(call.attribute("pads", [])), call.attribute("value", 0.0)
    else:
        pads = call.integers(1, "pads")
        number = float(call.numbers(2, "value").ravel()[0]) if call.given(2) else 0.0
    value = call.value()
    rank = len(value.shape) + 1
    if len(pads) != 2 * rank or min(pads) < 0 or call.given(3):
        raise RefusalError(f"pads {pads} are not two for each dimension", "pad height and width")
    if not any(pads):
        return value
    if rank != 4 or any(pads[place] for place in (0, 1, 4, 5)):
        raise RefusalError("it pads other dimensions than height and width", "pad height and width")
    sides = (pads[2], pads[3], pads[6], pads[7])
    if number:
        return _framed(call, sides, number)
    if value.kind == "sums" or np.any(value.affine()[1]):
        raise RefusalError(NO_ZERO, QUANTIZE_TO_ZERO)
    top, left, bottom, right = (a + b for a, b in zip(value.pads, sides, strict=True))
    return value.apart()[0].surrounded((top, left, bottom, right))


def _framed(call: Call, sides: tuple[int, int, int, int], number: float) -> Value:
    """A bipolar tensor, which has no zero, inside -1 or +1 of its step."""
    value = call.value()
    if value.kind == "input":
        value = call.inputs.integer_input(value)
    if value.kind != "codes" or not call.builder.tensors[value.tensor].precision.bipolar:
        raise RefusalError(NO_ZERO, QUANTIZE_TO_ZERO)
    scale, offset = value.affine()
    for frame in (-1, 1):
        if np.all((scale * frame + offset).astype(np.float32) == np.float32(number)):
            return value.apart()[0].surrounded(sides, frame)
    raise RefusalError(
        f"{number:g} around the image is neither of its input's two values",
        "pad with plus or minus the scale of its quantizer",
    )


def _axes(call: Call, default: list[int]) -> list[int]:
    """An attribute up to opset 12, an input since."""
    if call.given(1):
        return call.integers(1, "axes")
    return list(call.attribute("axes", default))


def _as(value: Value, sizes: list[int], batch: int) -> Value:
    if len(sizes) < 2 or sizes[0] != batch or math.prod(sizes[1:]) != math.prod(value.shape):
        raise RefusalError(f"shape {sizes} mixes images with their values", ONE_IMAGE)
    return value.reshaped(tuple(sizes[1:]))
