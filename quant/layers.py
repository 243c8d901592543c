"""Quantized layers: what the overlay computes, in fake-quantized floats that can be trained."""

from torch import Tensor, nn
from torch.nn import functional

from ir.plan import LayerBits, PrecisionPlan
from ir.precision import Precision
from quant.data import Task
from quant.grid import round_half_up
from quant.quantizer import Quantizer
from quant.structure import Block


class InputGrid(nn.Module):
    """The network's input: integers as they come, times a fixed scale. Nothing to learn."""

    def __init__(self, precision: Precision, scale: float) -> None:
        super().__init__()
        self.precision = precision
        self.fixed_scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) float -> same shape, on the grid."""
        return self.codes(x).to(x.dtype) * self.fixed_scale

    def codes(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) float -> same shape, int64 codes."""
        ratio = x.detach() / self.fixed_scale
        return round_half_up(ratio.clamp(self.precision.min, self.precision.max)).long()


class QuantLayer(nn.Module):
    """Quantize the input, convolve or multiply with quantized weights, batch norm, ReLU.

    x: (N, C, H, W) or (N, K) float -> (N, M, H', W') or (N, M) float, not yet quantized: the next
    layer's input quantizer does that, and together they are the requantizer.
    """

    def __init__(self, *, block: Block, inputs: Quantizer | InputGrid, weights: Quantizer) -> None:
        super().__init__()
        self.block_name = block.name
        self.linear = block.linear
        self.batch_norm = block.batch_norm
        self.relu = block.relu
        self.flatten = block.flatten
        self.inputs = inputs
        self.weights = weights

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = self.inputs(x)
        if self.flatten:
            x = x.flatten(1)
        weight = self.weights(self.linear.weight)
        if isinstance(self.linear, nn.Conv2d):
            stride, padding = self.linear.stride[0], int(self.linear.padding[0])
            x = functional.conv2d(x, weight, self.linear.bias, stride, padding)
        else:
            x = functional.linear(x, weight, self.linear.bias)
        if self.batch_norm is not None:
            x = self.batch_norm(x)
        return x.relu() if self.relu else x

    @property
    def block(self) -> Block:
        """The float block inside, with its present weights."""
        return Block(
            name=self.block_name,
            linear=self.linear,
            batch_norm=self.batch_norm,
            relu=self.relu,
            flatten=self.flatten,
        )

    @property
    def bits(self) -> LayerBits:
        """The widths of its weights and input."""
        return LayerBits(w_bits=self.weights.w_bits, a_bits=self.inputs.precision.bits)


class QuantNet(nn.Module):
    """A chain of quantized layers. x: (N, C, H, W) float, codes * task.scale -> (N, classes)."""

    def __init__(self, task: Task, layers: list[QuantLayer]) -> None:
        super().__init__()
        self.task = task
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) float -> (N, classes) logits."""
        for layer in self.layers:
            x = layer(x)
        return x

    @property
    def chain(self) -> list[QuantLayer]:
        """The layers, typed, in running order."""
        return [layer for layer in self.layers if isinstance(layer, QuantLayer)]

    @property
    def plan(self) -> PrecisionPlan:
        """The widths as they are."""
        return PrecisionPlan({layer.block_name: layer.bits for layer in self.chain})

    @property
    def links(self) -> list[tuple[str, ...]]:
        """Groups of layers that read one tensor and so share a_bits; in a chain each is alone."""
        return [(layer.block_name,) for layer in self.chain]

    def project(self) -> None:
        """Bring every quantizer's parameters back into their domain."""
        for module in self.modules():
            if isinstance(module, Quantizer):
                module.project()
