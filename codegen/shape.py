"""What a layer is, whatever overlay runs it."""

from __future__ import annotations

from dataclasses import dataclass

from ir.errors import UnsupportedModelError
from ir.graph import IntegerGraph, Layer, Linear, MatMul, Threshold, output_shape
from ir.nodes import sides
from ir.precision import MAX_OPERAND_BITS, Precision


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """A convolution (a linear layer is one whose window is the whole input) and its requantization.

    channels, height, width   of the input          rows   output channels, M
    kernel (kh, kw), stride, padding in pixels      out_height, out_width
    weights, activations, output                    precisions; `output.bits` > 8 means 32-bit sums
    """

    name: str
    channels: int
    height: int
    width: int
    rows: int
    kernel: tuple[int, int]
    stride: int
    padding: int
    out_height: int
    out_width: int
    weights: Precision
    activations: Precision
    output: Precision

    @property
    def elements(self) -> bool:
        """Whether results are written as 32-bit integers instead of digit-planes."""
        return self.output.bits > MAX_OPERAND_BITS

    @property
    def out_bits(self) -> int:
        """o: bits written for a result."""
        return 32 if self.elements else self.output.bits

    @property
    def depth(self) -> int:
        """K: products in a result."""
        return self.channels * self.kernel[0] * self.kernel[1]

    @property
    def pixels(self) -> int:
        """N: pixels of the output."""
        return self.out_height * self.out_width


def layer_shape(graph: IntegerGraph, layer: Layer) -> LayerShape:
    """The shape of a layer. Raises UnsupportedModelError for what the device cannot compute."""
    node, tensor = _lowered(layer), graph.tensors[layer.input]
    channels, height, width = tensor.shape
    rows, out_height, out_width = output_shape(node, tensor.shape)
    full = isinstance(node, MatMul)
    output = graph.tensors[layer.output].precision
    if MAX_OPERAND_BITS < output.bits != 32:
        raise UnsupportedModelError(
            f"layer {layer.name!r}: the overlay writes outputs of 1 to 8 bits or 32-bit sums, not "
            f"{output.bits} bits; quantize its output to 8 bits or fewer"
        )
    return LayerShape(
        name=layer.name,
        channels=channels,
        height=height,
        width=width,
        rows=rows,
        kernel=(height, width) if full else node.kernel,
        stride=1 if full else node.stride,
        padding=0 if full else sides(node.padding)[0],
        out_height=out_height,
        out_width=out_width,
        weights=node.precision,
        activations=tensor.precision,
        output=output,
    )


def _lowered(layer: Layer) -> Linear:
    """The layer's node, if the compiler knows how to put it on the device."""
    node = layer.linear
    if not isinstance(node, Linear):
        raise UnsupportedModelError(
            f"layer {layer.name!r}: {type(node).__name__} is not lowered yet; use a convolution"
        )
    plain = isinstance(node, MatMul) or (
        node.groups == node.dilation == 1 and len(set(sides(node.padding))) == 1
    )
    if not plain or node.row_bits is not None or isinstance(layer.requantize, Threshold):
        raise UnsupportedModelError(
            f"layer {layer.name!r}: groups, dilation, uneven padding, widths per channel and "
            "thresholds are not lowered yet; use a plain convolution and a requantizer"
        )
    return node
