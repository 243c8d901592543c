"""A snapped network: an IntegerGraph computed by torch, and what its codes mean.

Integers are carried in float64, where every step of it is exact: torch's convolutions against the
golden model's own.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ir.errors import UnsupportedModelError
from ir.graph import IntegerGraph
from ir.nodes import (
    Add,
    AveragePool,
    Concat,
    Conv,
    GlobalAveragePool,
    MatMul,
    MaxPool,
    Node,
    Padding,
    Pieces,
    Requantize,
    Threshold,
    sides,
)
from ir.plan import PrecisionPlan
from quant.data import Task
from quant.layers import InputGrid


class SnappedNet(nn.Module):
    """x: (N, C, H, W) float, codes * task.scale -> (N, classes) float64.

    graph: the network. plan: the widths it was trained at. output_scale: what one unit of the last
    sums is worth; the argmax does not need it.
    """

    def __init__(
        self, task: Task, graph: IntegerGraph, plan: PrecisionPlan, output_scale: float
    ) -> None:
        super().__init__()
        self.task = task
        self.graph = graph
        self.plan = plan
        self.output_scale = output_scale
        self.grid = InputGrid(task.precision, task.scale)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self._values(x)[self.graph.output].flatten(1) * self.output_scale

    @torch.no_grad()
    def activations(self, x: Tensor) -> dict[str, np.ndarray]:
        """Every tensor of the integer graph by its name, (N, C, H, W) int64.

        x: (N, C, H, W) float as in ``forward``.
        """
        return {name: v.cpu().numpy().astype(np.int64) for name, v in self._values(x).items()}

    def _values(self, x: Tensor) -> dict[str, Tensor]:
        values = {self.graph.input: self.grid.codes(x).double()}
        for node in self.graph.nodes:
            values[node.output] = run_node(node, [values[name] for name in node.inputs])
        return values


def run_node(node: Node, inputs: list[Tensor]) -> Tensor:
    """One node. inputs: (N, C, H, W) float64 codes or sums -> the same.

    UnsupportedModelError: a rule that snapping never gives.
    """
    x, *others = inputs
    match node:
        case Conv():
            x = _padded(x, node.padding, node.pad_value)
            rest = (node.stride, 0, node.dilation, node.groups)
            return functional.conv2d(x, _floats(node.weight), None, *rest)
        case MatMul():
            return functional.linear(x.flatten(1), _floats(node.weight))[:, :, None, None]
        case Add():
            return x + others[0]
        case AveragePool():
            x = _padded(x, node.padding, 0)
            return functional.avg_pool2d(x, node.kernel, node.stride, divisor_override=1)
        case GlobalAveragePool():
            return x.sum(dim=(2, 3), keepdim=True)
        case MaxPool():
            x = _padded(x, node.padding, -float("inf"))
            return functional.max_pool2d(x, node.kernel, node.stride)
        case Concat():
            return torch.cat(inputs, dim=1)
        case Requantize():
            return requantize(node, x)
        case Pieces() | Threshold():
            raise UnsupportedModelError(f"{node.name}: snapped networks have requantizers alone")


def requantize(rule: Requantize, acc: Tensor) -> Tensor:
    """clip(floor((acc * M + B) / 2^n), lo, hi): the arithmetic shift, in float64."""
    multiplier, offset = (
        _floats(values).reshape(-1, 1, 1) for values in (rule.multiplier, rule.offset)
    )
    scaled = (acc * multiplier + offset) * 2.0**-rule.shift
    return torch.floor(scaled).clamp(rule.lo, rule.hi)


def _floats(integers: np.ndarray) -> Tensor:
    return torch.from_numpy(integers.astype(np.float64))


def _padded(x: Tensor, padding: Padding, value: float) -> Tensor:
    top, left, bottom, right = sides(padding)
    return functional.pad(x, (left, right, top, bottom), value=value)
