"""What the importer knows of an activation: where it lies in the graph, and what it is worth.

    kind    real value = steps(scale * x + offset), where x is
    input   the network's input, not yet quantized: whoever feeds the network computes the steps
    codes   a tensor of codes in the graph
    sums    what `node` sums up; the node enters the graph with the rule that reads it

Shapes leave out the batch. scale, offset and the steps' constants broadcast against the shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from codegen.frontend.qonnx.problems import RefusalError
from codegen.frontend.qonnx.steps import Affine, Clip, Step
from ir.nodes import Padding, Sums

Shape = tuple[int, ...]
Layout = Callable[[np.ndarray], np.ndarray]
"""(N, ...) -> (N, ...): other places, the same values."""

NO_PADS = (0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Window:
    """A pool over sums that waits for their rule: maxima of codes are codes of maxima."""

    name: str
    kernel: tuple[int, int]
    stride: int
    padding: Padding


@dataclass(frozen=True, kw_only=True, eq=False)
class Value:
    """tensor: of the graph, for codes; node: for sums. layout: what was done to the input's places.
    pads: zeros around it, (top, left, bottom, right), that the next window takes in; frame: the
    code there instead of zero, of a bipolar tensor. pools: over sums, in order.
    """

    kind: Literal["input", "codes", "sums"]
    shape: Shape
    tensor: str = ""
    node: Sums | None = None
    scale: np.ndarray = field(default_factory=lambda: np.ones(1))
    offset: np.ndarray = field(default_factory=lambda: np.zeros(1))
    steps: tuple[Step, ...] = ()
    layout: tuple[Layout, ...] = ()
    pads: tuple[int, int, int, int] = NO_PADS
    frame: int = 0
    pools: tuple[Window, ...] = ()

    def then(self, step: Step) -> Value:
        """One more step behind it."""
        if self.pools and np.any(step.rises < 0):
            raise RefusalError(
                "it turns the order of values that were pooled for their maximum",
                "put a Quant before the MaxPool, or the negative factor before it",
            )
        if self.pads != NO_PADS and not self.frame and not _keeps_zero(step):
            raise RefusalError("it changes the zeros of a Pad before it", "put it before the Pad")
        return replace(self, steps=(*self.steps, step))

    def unpadded(self) -> Value:
        """Itself; RefusalError when zeros were put around it."""
        if self.pads != NO_PADS:
            raise RefusalError(
                "a Pad stands before it, which only a convolution or pool takes in",
                "move the padding into the convolution that reads it",
            )
        return self

    def apart(self) -> tuple[Value, tuple[int, int, int, int]]:
        """(the same without the zeros around it, the zeros)."""
        if self.pads == NO_PADS:
            return self, NO_PADS
        if self.frame:
            raise RefusalError("its input is a frame of codes", "put the Pad before a convolution")
        (channels, height, width), (top, left, bottom, right) = self.shape, self.pads
        shape = (channels, height - top - bottom, width - left - right)
        return replace(self, shape=shape, pads=NO_PADS), self.pads

    def surrounded(self, pads: tuple[int, int, int, int], frame: int = 0) -> Value:
        """The inverse of `apart`, or with the code `frame` around it."""
        if pads == NO_PADS:
            return self
        (channels, height, width), (top, left, bottom, right) = self.shape, pads
        shape = (channels, height + top + bottom, width + left + right)
        return replace(self, shape=shape, pads=pads, frame=frame)

    def affine(self) -> Affine:
        """(scale, offset) of its real values, steps included; RefusalError: a step clips."""
        scale, offset = self.scale, self.offset
        for step in self.steps:
            found = step.linear(scale, offset)
            if found is None:
                raise RefusalError(
                    "its input passes a ReLU or clip that no quantizer follows",
                    "put a Quant behind the ReLU",
                )
            scale, offset = found
        return scale, offset

    def reshaped(self, shape: Shape) -> Value:
        """The same values in the same order under another shape."""
        if shape == self.shape:
            return self
        self.unpadded()

        def pick(constant: np.ndarray) -> np.ndarray:
            if constant.size == 1:
                return constant.reshape(1)
            return np.broadcast_to(constant, self.shape).reshape(shape)

        layout = self.layout
        if self.kind == "input":
            layout = (*layout, lambda x: x.reshape(len(x), *shape))
        return replace(
            self,
            shape=shape,
            scale=pick(self.scale),
            offset=pick(self.offset),
            steps=tuple(step.at(pick) for step in self.steps),
            layout=layout,
        )

    def rises(self) -> np.ndarray:
        """The sign of the slope of its steps, and of its scale; broadcasts against the shape."""
        sign = np.sign(self.scale)
        for step in self.steps:
            sign = sign * step.rises
        return sign

    def reals(self, x: np.ndarray) -> np.ndarray:
        """What integers are worth, float32. x: (N, *shape)."""
        found = (x * self.scale + self.offset).astype(np.float32)
        for step in self.steps:
            found = step.apply(found).astype(np.float32)
        return found


def _keeps_zero(step: Step) -> bool:
    if isinstance(step, Clip):
        return bool((step.constants[0] <= 0).all() and (step.constants[1] >= 0).all())
    found = step.linear(np.ones(1), np.zeros(1))
    return found is not None and not np.any(found[1])


def per_channel(constant: np.ndarray, shape: Shape, channels: int) -> np.ndarray:
    """(channels, 1) of what broadcasts against `shape`; RefusalError: it differs inside one."""
    if constant.size == 1:
        return constant.reshape(1, 1)
    rows = np.broadcast_to(constant, shape).reshape(channels, -1)
    if (rows != rows[:, :1]).any():
        raise RefusalError(
            "a scale, offset or threshold differs within a channel",
            "use one for each channel, or one for all",
        )
    return np.ascontiguousarray(rows[:, :1])
