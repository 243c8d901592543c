"""Every layer of a graph as what the array computes: a convolution with a requantizer.

convolution, linear     as they are; a linear layer's window is the whole input
depthwise, groups       each row reads its group's channels
pools that average      each row reads its own channel, with weights of one
addition                the same, with two operands side by side in each pixel
pools of maxima         one weight of one, and a turn for each kernel position
concatenation           the operand is a row of tensors
bipolar activations     bits b for 2 b - 1: sums are 2 S - sum(w), folded into the requantizer
thresholds              a requantizer for each that shifts all but the sign out, added up
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codegen.order import channel_orders
from codegen.requantizer import DeviceRule, code_rule, device_rule
from codegen.shape import LayerShape
from codegen.tensors import device_precisions, parts_of
from ir.errors import UnsupportedModelError
from ir.graph import (
    Add,
    AveragePool,
    Conv,
    GlobalAveragePool,
    IntegerGraph,
    Layer,
    MatMul,
    MaxPool,
)
from ir.nodes import Sums, sides
from ir.precision import MAX_OPERAND_BITS, Precision

ONES = Precision(1, signed=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceLayer:
    """A layer of the graph on the device.

    inputs: the tensors it fetches, operand after operand
    weights: (M, operands * C / groups, kh, kw) int64, rows and channels in the device's order
    rule: the requantizer, in the device's order
    order: (M,) the output channel of each row
    """

    layer: Layer
    shape: LayerShape
    inputs: tuple[str, ...]
    weights: np.ndarray
    rule: DeviceRule
    order: np.ndarray

    @property
    def name(self) -> str:
        """The layer's name in the graph."""
        return self.layer.name


def device_layers(
    graph: IntegerGraph, *, dm: int = 1, digit: int = 1, sort: bool = False
) -> list[DeviceLayer]:
    """The layers of a verified graph in running order.

    dm, digit: rows of a tile and bits of a weight digit, for which rows are sorted by their bits.
    UnsupportedModelError names the node that the device cannot compute, and a way out.
    """
    _check_supported(graph)
    orders = channel_orders(graph, dm=dm, digit=digit, sort=sort)
    precisions = device_precisions(graph)
    return [_device_layer(graph, layer, orders, precisions) for layer in graph.layers()]


def layer_shapes(graph: IntegerGraph) -> list[LayerShape]:
    """The shapes of a graph's layers in running order, channels in the graph's own order."""
    return [layer.shape for layer in device_layers(graph)]


def _check_supported(graph: IntegerGraph) -> None:
    for node in graph.nodes:
        if isinstance(node, MaxPool) and any(sides(node.padding)):
            bipolar = graph.tensors[node.input].precision.bipolar
            if not bipolar and _lowest(graph, node.input) < 0:
                raise UnsupportedModelError(
                    f"layer {node.name!r}: places outside the image are zeros on the overlay, "
                    "which would win against negative codes; pool unsigned codes (after a ReLU), "
                    "or without padding"
                )
    if len(parts_of(graph, graph.output)) > 1:
        raise UnsupportedModelError(
            f"graph {graph.name!r}: its output {graph.output!r} is a concatenation, which lies "
            "nowhere as a whole; put a depthwise 1x1 convolution of ones behind it"
        )


def _lowest(graph: IntegerGraph, tensor: str) -> int:
    """No code of the tensor is below it: signed codes of a ReLU are none the less at least 0."""
    made = {layer.output: layer for layer in graph.layers()}
    found = []
    for name in parts_of(graph, tensor):
        layer, low = made.get(name), graph.tensors[name].precision.min
        if layer is not None and isinstance(layer.linear, MaxPool):
            low = max(low, _lowest(graph, layer.input))
        elif layer is not None:
            low = max(low, layer.requantize.lo)
        found.append(low)
    return min(found)


def _device_layer(
    graph: IntegerGraph,
    layer: Layer,
    orders: dict[str, np.ndarray],
    precisions: dict[str, Precision],
) -> DeviceLayer:
    node, tensors = layer.linear, graph.tensors
    source = tensors[layer.input]
    precision = precisions[layer.input]
    order, groups = orders[layer.output], _groups(node, source.shape[0])
    weights = _weights(graph, node)
    taken = weights.reshape(len(weights), -1).sum(axis=1)
    rule = device_rule(layer, tensors[node.output].precision, taken, precision)
    if isinstance(node, MaxPool):
        rule = code_rule(len(weights), precision)
    whole = isinstance(node, Conv | MatMul) and groups == 1
    channels = orders[layer.input] if whole else slice(None)  # the others share an order
    operands = [parts_of(graph, name) for name in layer.inputs]
    row_bits = getattr(node, "row_bits", None)
    shape = LayerShape(
        name=layer.name,
        channels=source.shape[0],
        height=source.shape[1],
        width=source.shape[2],
        rows=tensors[layer.output].shape[0],
        out_height=tensors[layer.output].shape[1],
        out_width=tensors[layer.output].shape[2],
        weights=node.precision if isinstance(node, Conv | MatMul) else ONES,
        activations=precision,
        output=_output(layer, precisions[layer.output]),
        groups=groups,
        operands=tuple(tuple(tensors[n].shape[0] for n in names) for names in operands),
        row_bits=None if row_bits is None else tuple(row_bits[i] for i in order),
        largest=isinstance(node, MaxPool),
        thresholds=rule.passes,
        pad_ones=isinstance(node, Conv) and precision.bipolar and node.pad_value == 1,
        **_window(graph, node),
    )
    return DeviceLayer(
        layer=layer,
        shape=shape,
        inputs=tuple(name for names in operands for name in names),
        weights=weights[order][:, channels],
        rule=rule.ordered(order),
        order=order,
    )


def _groups(node: Sums | MaxPool, channels: int) -> int:
    if isinstance(node, Conv):
        return node.groups
    return 1 if isinstance(node, MatMul) else channels


def _weights(graph: IntegerGraph, node: Sums | MaxPool) -> np.ndarray:
    """(M, operands * C / groups, kh, kw), channels in the graph's order."""
    shape = graph.tensors[node.inputs[0]].shape
    match node:
        case Conv():
            return node.weight
        case MatMul():
            return node.weight.reshape(-1, *shape)
        case Add():
            return np.ones((shape[0], 2, 1, 1), np.int64)
        case MaxPool():
            return np.ones((shape[0], 1, 1, 1), np.int64)
        case AveragePool():
            return np.ones((shape[0], 1, *node.kernel), np.int64)
        case GlobalAveragePool():
            return np.ones((shape[0], 1, *shape[1:]), np.int64)


def _window(graph: IntegerGraph, node: Sums | MaxPool) -> dict:
    """kernel, stride, padding, dilation."""
    shape = graph.tensors[node.inputs[0]].shape
    plain = {"stride": 1, "padding": (0, 0)}
    match node:
        case Conv() | AveragePool() | MaxPool():
            dilation = node.dilation if isinstance(node, Conv) else 1
            return {
                "kernel": tuple(node.kernel),
                "stride": node.stride,
                "padding": sides(node.padding)[:2],
                "dilation": dilation,
            }
        case MatMul() | GlobalAveragePool():
            return plain | {"kernel": shape[1:]}
        case Add():
            return plain | {"kernel": (1, 1)}


def _output(layer: Layer, output: Precision) -> Precision:
    if MAX_OPERAND_BITS < output.bits != 32:
        raise UnsupportedModelError(
            f"layer {layer.name!r}: the overlay writes outputs of 1 to 8 bits or 32-bit sums, not "
            f"{output.bits} bits; quantize its output to 8 bits or fewer"
        )
    return output
