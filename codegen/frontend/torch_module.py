"""Torch module -> IntegerGraph.

Only a snapped network has one integer meaning; `quant.integerize.snap` makes it. What the overlay
cannot compute is refused by `check_supported`, before anything slow.
"""

from torch import nn

from ir.errors import UnsupportedModelError
from ir.graph import IntegerGraph, accumulator_range, output_shape
from ir.nodes import Conv, Linear, MatMul, Node, Requantize, Tensor
from ir.precision import narrowest
from quant.integerize import INPUT, SnappedLayer, SnappedNet, codes_name, sums_name
from quant.prepare import layer_names


def check_supported(model: nn.Module) -> list[str]:
    """The layer names of a float network; UnsupportedModelError names every layer in the way."""
    return layer_names(model)


def to_graph(model: nn.Module, name: str = "network") -> IntegerGraph:
    """The verified graph of a snapped network.

    Tensors: ``input``, then ``<layer>.sums`` and ``<layer>.codes`` of each layer, the names that
    `SnappedNet.activations` uses. UnsupportedModelError for a module that is not snapped.
    """
    if not isinstance(model, SnappedNet):
        raise UnsupportedModelError(
            f"{type(model).__name__} still computes in floats; fine-tune it at a plan and snap it "
            "(quant.train.fine_tune, quant.integerize.snap)"
        )
    current = Tensor(INPUT, model.task.shape, model.task.precision)
    tensors = {INPUT: current}
    nodes: list[Node] = []
    for layer in model.chain:
        linear = _linear(layer, current.name)
        low, high = accumulator_range(linear.weight, current.precision)
        shape = output_shape(linear, current.shape)
        sums = Tensor(linear.output, shape, narrowest(low, high))
        current = Tensor(codes_name(layer.block_name), shape, layer.output_precision)
        nodes += [linear, _requantize(layer)]
        tensors |= {sums.name: sums, current.name: current}
    return IntegerGraph(name, tensors, nodes, INPUT, current.name).verify()


def _linear(layer: SnappedLayer, source: str) -> Linear:
    name, target = layer.block_name, sums_name(layer.block_name)
    row_bits = layer.w_bits if isinstance(layer.w_bits, tuple) else None
    if layer.is_conv:
        return Conv(
            name,
            source,
            target,
            layer.weight_codes,
            layer.weight_precision,
            layer.stride,
            layer.padding,
            row_bits=row_bits,
        )
    return MatMul(name, source, target, layer.weight_codes, layer.weight_precision, row_bits)


def _requantize(layer: SnappedLayer) -> Requantize:
    rule = layer.requantizer
    return Requantize(
        f"{layer.block_name}.requantize",
        sums_name(layer.block_name),
        codes_name(layer.block_name),
        rule.multiplier,
        rule.offset,
        rule.shift,
        rule.lo,
        rule.hi,
    )
