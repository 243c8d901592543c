"""Windows over an image: kernel, stride, padding, dilation; and the pools."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from codegen.frontend.qonnx.call import Call
from codegen.frontend.qonnx.problems import RefusalError
from codegen.frontend.qonnx.value import NO_PADS, Value
from codegen.frontend.qonnx.value import Window as WaitingPool
from ir.nodes import AveragePool, GlobalAveragePool
from ir.shapes import windows_along

Rounding = Literal["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]
SQUARE = "use the same stride and dilation in both directions"


@dataclass(frozen=True, kw_only=True)
class Spatial:
    """pads: (top, left, bottom, right); same: SAME_UPPER or SAME_LOWER, which follow the image's
    size; ceil: windows that begin inside the image count though they end outside.
    """

    kernel: tuple[int, int]
    stride: int
    dilation: int
    pads: tuple[int, int, int, int]
    same: str = ""
    ceil: bool = False

    def padding(self, value: Value, image: tuple[int, int, int]) -> tuple[int, int, int, int]:
        """Around an image (C, H, W), with the zeros that a Pad has put around `value`."""
        pads = self.pads
        if self.same:
            pads = self._same(value.shape[-2:] if len(value.shape) == 3 else (1, value.shape[-1]))
        if self.ceil:
            pads = self._rounded_up(pads, image)
        if value.frame and any(pads):
            raise RefusalError("it puts zeros around a frame of codes", "pad once, in the Pad")
        top, left, bottom, right = (a + b for a, b in zip(pads, value.pads, strict=True))
        return top, left, bottom, right

    def _same(self, size: tuple[int, ...]) -> tuple[int, int, int, int]:
        before, after = [], []
        for length, kernel in zip(size, self.kernel, strict=True):
            reach = self.dilation * (kernel - 1) + 1
            count = -(-length // self.stride)
            total = max(0, (count - 1) * self.stride + reach - length)
            less, more = total // 2, total - total // 2
            before.append(more if self.same == "SAME_LOWER" else less)
            after.append(less if self.same == "SAME_LOWER" else more)
        return before[0], before[1], after[0], after[1]

    def _rounded_up(
        self, pads: tuple[int, int, int, int], image: tuple[int, int, int]
    ) -> tuple[int, int, int, int]:
        """More padding behind, so that the last windows fit."""
        top, left, bottom, right = pads
        ends = []
        for axis, before, after in ((0, top, bottom), (1, left, right)):
            size, kernel = image[1 + axis], self.kernel[axis]
            count = -(-(size + before + after - kernel) // self.stride) + 1
            if (count - 1) * self.stride >= size + before:  # it would begin outside
                count -= 1
            ends.append(max(after, (count - 1) * self.stride + kernel - size - before))
        return top, left, ends[0], ends[1]


def read_window(call: Call, kernel: tuple[int, int], *, one_row: bool = False) -> Spatial:
    """A node's attributes. kernel: (kh, kw). one_row: they are those of one direction."""
    count = 1 if one_row else 2
    declared = call.attribute("kernel_shape", list(kernel[2 - count :]))
    if list(declared) != list(kernel[2 - count :]):
        raise RefusalError(f"kernel_shape {declared} is not that of its weights", "check the file")
    strides, dilations = (call.attribute(n, [1] * count) for n in ("strides", "dilations"))
    pads = call.attribute("pads", [0] * 2 * count)
    if len(set(strides)) > 1 or len(set(dilations)) > 1:
        raise RefusalError(f"strides {strides} or dilations {dilations} differ", SQUARE)
    if (len(strides), len(dilations), len(pads)) != (count, count, 2 * count) or min(pads) < 0:
        raise RefusalError(
            f"strides {strides}, dilations {dilations} or pads {pads} are not those of {count} "
            "dimensions",
            "check the file",
        )
    if strides[0] < 1 or dilations[0] < 1:
        raise RefusalError(f"strides {strides} or dilations {dilations} below 1", "check the file")
    same = call.attribute("auto_pad", "NOTSET")
    if same not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise RefusalError(f"auto_pad {same}", "export with explicit pads")
    if one_row:
        pads = [0, pads[0], 0, pads[1]]
    if same == "VALID":
        pads = [0] * 4
    return Spatial(
        kernel=kernel,
        stride=strides[0],
        dilation=dilations[0],
        pads=(pads[0], pads[1], pads[2], pads[3]),
        same=same if same.startswith("SAME") else "",
        ceil=bool(call.attribute("ceil_mode", 0)),
    )


def max_pool(call: Call) -> Value:
    """Over codes; over sums it waits for their quantizer, since maxima keep their order."""
    spatial = _pool(call)
    if spatial.dilation != 1:
        raise RefusalError("a pool with dilation", "use a dilation of 1")
    value = call.value()
    _check_image(value)
    if value.kind == "input":
        raise RefusalError("it pools the network's input as it comes", "put a Quant before it")
    if value.kind == "codes" and (value.rises() < 0).any():
        raise RefusalError(
            "a factor before it turns the order of values", "put the negative factor behind it"
        )
    if value.pads != NO_PADS:
        value = _zeros_lose(call, value)
    channels, height, width = value.shape
    image = (
        channels,
        height - value.pads[0] - value.pads[2],
        width - value.pads[1] - value.pads[3],
    )
    padding = spatial.padding(value, image)
    window = WaitingPool(
        name=call.name, kernel=spatial.kernel, stride=spatial.stride, padding=padding
    )
    shape = _pooled(image, spatial, padding)
    value = replace(value, pads=NO_PADS, shape=shape)
    if value.kind == "sums":
        return replace(value, pools=(*value.pools, window))
    return replace(value, tensor=call.builder.max_pool(value.tensor, window).name)


def average_pool(call: Call) -> Value:
    """Sums over windows; what they are divided by belongs to the scale."""
    spatial = _pool(call)
    counts = call.attribute("count_include_pad", 0)
    value = _averaged(call)
    image = call.builder.tensors[value.tensor].shape
    padding = spatial.padding(value, image)
    own = spatial.padding(replace(value, pads=NO_PADS), image)
    if spatial.dilation != 1:
        raise RefusalError("a pool with dilation", "use a dilation of 1")
    if spatial.ceil and own != spatial.pads:
        raise RefusalError("windows that end outside the image", "export with ceil_mode = 0")
    if any(own) and not counts:
        raise RefusalError(
            "it divides by fewer values at the image's edge",
            "use count_include_pad = 1, or no padding",
        )
    name = call.builder.unique(call.name)
    sums = call.builder.unique(f"{name}.sums")
    node = AveragePool(name, value.tensor, sums, spatial.kernel, spatial.stride, padding)
    scale, offset = _means(value, spatial.kernel[0] * spatial.kernel[1], any(padding))
    shape = _pooled(image, spatial, padding)
    return Value(kind="sums", shape=shape, node=node, scale=scale, offset=offset)


def global_average_pool(call: Call) -> Value:
    """The mean of each channel."""
    value = _averaged(call).unpadded()
    name = call.builder.unique(call.name)
    node = GlobalAveragePool(name, value.tensor, call.builder.unique(f"{name}.sums"))
    scale, offset = _means(value, value.shape[1] * value.shape[2], False)
    return Value(kind="sums", shape=(value.shape[0], 1, 1), node=node, scale=scale, offset=offset)


def reduce_mean(call: Call) -> Value:
    """Over height and width: a global average."""
    axes = call.integers(1, "axes") if call.given(1) else list(call.attribute("axes", [0]))
    if sorted(axis % 4 for axis in axes) != [2, 3]:
        raise RefusalError(f"a mean over dimensions {axes}", "average height and width")
    found = global_average_pool(call)
    return found if call.attribute("keepdims", 1) else found.reshaped(found.shape[:1])


def _averaged(call: Call) -> Value:
    value = call.value()
    _check_image(value)
    if value.kind != "codes":
        raise RefusalError("it averages what is not quantized", "put a Quant before it")
    if value.frame:
        raise RefusalError("it averages a frame of codes", "put the Pad before a convolution")
    return call.builder.on_grid(value, call.name)


def _means(value: Value, count: int, padded: bool) -> tuple[np.ndarray, np.ndarray]:
    scale, offset = value.affine()
    if padded and np.any(offset):
        raise RefusalError(
            "it pads an input whose zero is no code", "quantize with a zero point of 0"
        )
    return scale / count, offset


def _pool(call: Call) -> Spatial:
    kernel = call.attribute("kernel_shape", [])
    if len(kernel) != 2 or min(kernel) < 1:
        raise RefusalError(f"a pool over {kernel}", "pool over height and width")
    return read_window(call, (kernel[0], kernel[1]))


def _zeros_lose(call: Call, value: Value) -> Value:
    """Zeros of a Pad before a maximum: as good as nothing where no code is below them."""
    codes = call.builder.tensors[value.tensor].precision if value.kind == "codes" else None
    if codes is None or codes.signed or np.any(value.affine()[1]):
        raise RefusalError(
            "zeros around it win against negative values", "use the MaxPool's own padding"
        )
    return value


def _check_image(value: Value) -> None:
    if len(value.shape) != 3:
        raise RefusalError(f"it pools an activation of {value.shape}", "pool over (N, C, H, W)")


def _pooled(
    image: tuple[int, int, int], spatial: Spatial, padding: tuple[int, int, int, int]
) -> tuple[int, int, int]:
    top, left, bottom, right = padding
    (kh, kw), stride = spatial.kernel, spatial.stride
    height = windows_along(image[1], kh, stride, (top, bottom), 1)
    width = windows_along(image[2], kw, stride, (left, right), 1)
    if min(height, width) < 1:
        raise RefusalError("its window does not fit the image", "use a smaller kernel")
    return image[0], height, width
