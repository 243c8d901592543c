"""A trained quantized network, snapped to the integers that the device computes.

Batch norm, bias, ReLU and the next quantizer's step fold into one requantizer per layer. From then
on the integer graph *is* the network: torch evaluates exactly its integers in float64, the golden
model in int64, the overlay in gates.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from ir.errors import UnsupportedModelError, shorten
from ir.graph import IntegerGraph
from ir.nodes import (
    INT32,
    Add,
    AveragePool,
    Concat,
    Conv,
    GlobalAveragePool,
    MatMul,
    MaxPool,
    Node,
    Requantize,
    Sums,
    Tensor,
)
from ir.precision import Precision, narrowest
from ir.shapes import output_shape, sums_range
from quant.layers import Activations, QuantLayer, QuantNet
from quant.requantizer import Requantizer, identity_requantizer, snap_requantizer
from quant.snapped import SnappedNet
from quant.structure import WEIGHTED, Stage, node_of
from quant.trace import Operation

INPUT = "input"
Affine = tuple[np.ndarray, np.ndarray]
"""(gain, offset), each (M,) float64: what a layer's sums are worth is gain * acc + offset."""


def sums_name(layer: str) -> str:
    """Name of the tensor that holds a layer's accumulators."""
    return f"{layer}.sums"


def codes_name(layer: str) -> str:
    """Name of the tensor that a layer writes."""
    return f"{layer}.codes"


@torch.no_grad()
def snap(model: QuantNet, name: str = "network") -> SnappedNet:
    """The integer network of a trained quantized one, which stays as it is.

    UnsupportedModelError names a layer whose gain, offset or sums do not fit the device.
    """
    builder = _Builder(model)
    for stage in model.structure.stages[:-1]:
        builder.hidden(stage)
    scale = builder.last(model.structure.stages[-1])
    output = builder.nodes[-1].output
    graph = IntegerGraph(name, builder.tensors, builder.nodes, INPUT, output).verify()
    return SnappedNet(model.task, graph, model.plan, scale).eval()


class _Builder:
    """Nodes one by one. known: tensors of codes in the graph, by the network's name for them."""

    def __init__(self, net: QuantNet) -> None:
        self.net, self.structure = net, net.structure
        self.nodes: list[Node] = []
        self.tensors = {INPUT: Tensor(INPUT, net.task.shape, net.task.precision)}
        self.known = {self.structure.input: INPUT}

    def hidden(self, stage: Stage) -> None:
        """acc * s_w * s_x, batch norms, and division by the next step size, as one gain and offset;
        then the maxima, of codes."""
        group = self.structure.groups[stage.tensor]
        quantizer = self.net.quantizer(group)
        step = _step(quantizer)
        sums, (gain, offset) = self._sums(stage)
        lo, hi = _clipped(stage, quantizer.precision, step)
        rule = snap_requantizer(
            stage.operation.name, gain / step, offset / step, reach=self._reach(sums), lo=lo, hi=hi
        )
        codes = self._rule(sums, rule, quantizer.precision)
        for fold in stage.folds:
            if fold.op == "MaxPool":
                codes = self._add(_max_pool(fold, codes), quantizer.precision)
        self.known[stage.tensor] = codes

    def last(self, stage: Stage) -> float:
        """Raw int32 sums with bias = round(b / (s_w * s_x)); what one unit is worth."""
        name = stage.operation.name
        sums, (gain, offset) = self._sums(stage)
        unit = float(gain[0])
        bias = np.floor(offset / unit + 0.5)
        if not np.isfinite(bias).all() or np.abs(bias).max() + self._reach(sums) > INT32.max:
            raise UnsupportedModelError(
                f"layer {shorten(name)}: its sums and bias do not fit 32 bits"
            )
        rule = identity_requantizer(bias.astype(np.int64), lo=INT32.min, hi=INT32.max)
        self._rule(sums, rule, INT32)
        return unit

    def _sums(self, stage: Stage) -> tuple[Sums, Affine]:
        """The node that makes sums, and what they are worth behind the batch norms."""
        operation = stage.operation
        step = _step(self.net.quantizer(self.structure.read_by(operation)))
        if operation.op in WEIGHTED:
            layer = self.net.layer(operation.name)
            node, worth = self._weighted(operation, layer), _worth(layer, step)
        else:
            node, share = self._unweighted(operation)
            channels = self._shape(node)[0]
            worth = np.full(channels, step / share), np.zeros(channels)
        for name in stage.norms:
            norm = self.net.body.get_submodule(name)
            assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
            worth = _normed(norm, worth)
        self._add(node, narrowest(*self._range(node)))
        return node, worth

    def _weighted(self, operation: Operation, layer: QuantLayer) -> Conv | MatMul:
        source, padding = self._read(operation.inputs[0])
        codes = layer.weights.codes(layer.linear.weight.detach()).numpy()
        stored = layer.bits.stored
        rows = stored if isinstance(stored, tuple) else None
        names = operation.name, source, sums_name(operation.name)
        precision = layer.weights.precision
        if operation.op == "Gemm":
            return MatMul(*names, codes, precision, rows)
        numbers = operation.numbers
        return Conv(
            *names,
            codes,
            precision,
            stride=numbers["strides"][0],
            padding=_padding(numbers["pads"], padding),
            dilation=numbers["dilations"][0],
            groups=numbers["group"],
            row_bits=rows,
        )

    def _unweighted(self, operation: Operation) -> tuple[Sums, int]:
        """An addition or average, and what its sums are divided by."""
        numbers, target = operation.numbers, sums_name(operation.name)
        places = [self._read(name) for name in operation.inputs]
        source, padding = places[0]
        height, width = self.tensors[source].shape[1:]
        if operation.op == "Add":
            return Add(operation.name, (source, places[1][0]), target), 1
        if operation.op == "ReduceMean" or (
            tuple(numbers["kernel_shape"]) == (height, width)
            and not any(padding + tuple(numbers["pads"]))
        ):
            return GlobalAveragePool(operation.name, source, target), height * width
        rows, columns = numbers["kernel_shape"]
        pads = _padding(numbers["pads"], padding)
        stride = numbers["strides"][0]
        kernel = (rows, columns)
        return AveragePool(operation.name, source, target, kernel, stride, pads), rows * columns

    def _read(self, tensor: str) -> tuple[str, tuple[int, int, int, int]]:
        """(codes in the graph, zeros to put around them)."""
        if tensor not in self.known and self.structure.operations[tensor].op == "Pad":
            operation = self.structure.operations[tensor]
            top, left, bottom, right = (operation.numbers["pads"][i] for i in (2, 3, 6, 7))
            source, inner = self._read(operation.inputs[0])
            outer = (top, left, bottom, right)
            sides = tuple(a + b for a, b in zip(inner, outer, strict=True))
            return source, (sides[0], sides[1], sides[2], sides[3])
        return self._codes(tensor), (0, 0, 0, 0)

    def _codes(self, tensor: str) -> str:
        """The codes of a tensor in the graph; movers are written where they are read first."""
        if tensor not in self.known:
            operation = self.structure.operations[tensor]
            sources = [self._codes(name) for name in operation.inputs]
            self.known[tensor] = self._moved(operation, sources)
        return self.known[tensor]

    def _moved(self, operation: Operation, sources: list[str]) -> str:
        precision = self.tensors[sources[0]].precision
        if operation.op == "Flatten":
            return sources[0]
        if operation.op == "Concat":
            name = node_of(operation)
            return self._add(Concat(name, tuple(sources), codes_name(name)), precision)
        return self._add(_max_pool(operation, sources[0]), precision)

    def _rule(self, sums: Sums, rule: Requantizer, output: Precision) -> str:
        numbers = rule.multiplier, rule.offset, rule.shift, rule.lo, rule.hi
        names = f"{sums.name}.requantize", sums.output, codes_name(sums.name)
        return self._add(Requantize(*names, *numbers), output)

    def _add(self, node: Node, precision: Precision) -> str:
        self.tensors[node.output] = Tensor(node.output, self._shape(node), precision)
        self.nodes.append(node)
        return node.output

    def _shape(self, node: Node) -> tuple[int, int, int]:
        return output_shape(node, *(self.tensors[name].shape for name in node.inputs))

    def _range(self, node: Sums) -> tuple[int, int]:
        sources = [self.tensors[name] for name in node.inputs]
        return sums_range(node, [s.shape for s in sources], [s.precision for s in sources])

    def _reach(self, node: Sums) -> int:
        low, high = self._range(node)
        return max(-low, high)


def _step(quantizer: Activations) -> float:
    """What one code of an activation is worth."""
    return float(quantizer.scale(torch.empty(0)).detach().double().reshape(()))


def _worth(layer: QuantLayer, step: float) -> Affine:
    weight = layer.linear.weight
    scales = _array(layer.weights.scale(weight))
    channels = weight.shape[0]
    bias = np.zeros(channels) if layer.linear.bias is None else _array(layer.linear.bias)
    return np.broadcast_to(scales, channels) * step, bias


def _normed(norm: nn.BatchNorm1d | nn.BatchNorm2d, worth: Affine) -> Affine:
    gain, offset = worth
    assert norm.running_mean is not None and norm.running_var is not None
    slope = 1 / np.sqrt(_array(norm.running_var) + norm.eps)
    shift = np.zeros(len(slope))
    if norm.affine:
        slope, shift = slope * _array(norm.weight), _array(norm.bias)
    return slope * gain, shift + slope * (offset - _array(norm.running_mean))


def _clipped(stage: Stage, codes: Precision, step: float) -> tuple[int, int]:
    """Least and greatest code: rounding is monotone, so clips may act on codes."""
    lo, hi = codes.min, codes.max
    for least, greatest in stage.clips:
        lo = max(lo, _code(least, step, codes))
        hi = min(hi, _code(greatest, step, codes))
    return lo, max(lo, hi)


def _code(value: float, step: float, codes: Precision) -> int:
    return math.floor(min(max(value / step, codes.min), codes.max) + 0.5)


def _max_pool(operation: Operation, source: str) -> MaxPool:
    numbers, name = operation.numbers, node_of(operation)
    rows, columns = numbers["kernel_shape"]
    pads = _padding(numbers["pads"], (0, 0, 0, 0))
    return MaxPool(name, source, codes_name(name), (rows, columns), numbers["strides"][0], pads)


def _padding(own: list[int], before: tuple[int, int, int, int]) -> int | tuple[int, int, int, int]:
    """Sides as the graph has them: one number where they are equal."""
    top, left, bottom, right = (a + b for a, b in zip(own, before, strict=True))
    return top if top == left == bottom == right else (top, left, bottom, right)


def _array(values: torch.Tensor) -> np.ndarray:
    return values.detach().double().numpy()
