"""Quantized layers: what the overlay computes, in fake-quantized floats that can be trained."""

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from ir.plan import LayerBits, PrecisionPlan
from ir.precision import Precision
from quant.data import Task
from quant.grid import round_half_up
from quant.quantizer import Quantizer
from quant.structure import Structure

JOINS = "bitwright_codes"
"""Folder of the quantizers before additions and averages."""


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

    def scale(self, x: Tensor) -> Tensor:
        """(1,) float64."""
        return torch.tensor([self.fixed_scale], dtype=torch.float64)


Activations = Quantizer | InputGrid


class QuantLayer(nn.Module):
    """Quantize the input, convolve or multiply with quantized weights.

    x: (N, C, H, W) or (N, K) float -> (N, M, H', W') or (N, M) float, not yet quantized: the next
    reader's quantizer does that, and with what stands between they are the requantizer. inputs:
    shared by all that read the tensor, or one of its step.
    """

    def __init__(
        self, *, name: str, linear: nn.Conv2d | nn.Linear, inputs: Activations, weights: Quantizer
    ) -> None:
        super().__init__()
        self.block_name = name
        self.linear = linear
        self.inputs = inputs
        self.weights = weights

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x, weight, linear = self.inputs(x), self.weights(self.linear.weight), self.linear
        if isinstance(linear, nn.Conv2d):
            stride, padding, dilation = linear.stride, linear.padding, linear.dilation
            return functional.conv2d(
                x,
                weight,
                linear.bias,
                stride,
                padding,  # pyright: ignore[reportArgumentType]
                dilation,
                linear.groups,
            )
        return functional.linear(x, weight, linear.bias)

    @property
    def bits(self) -> LayerBits:
        """The widths of its weights and input."""
        return LayerBits(w_bits=self.weights.w_bits, a_bits=self.inputs.precision.bits)


class QuantNet(nn.Module):
    """A network with quantizers put in. x: (N, C, H, W) float, codes * task.scale -> (N, classes).

    body: the user's own operations, convolutions and linear layers replaced by `QuantLayer`, a
    quantizer before each input of the other readers. structure: what it is on the device.
    """

    def __init__(self, task: Task, body: fx.GraphModule, structure: Structure) -> None:
        super().__init__()
        self.task = task
        self.body = body
        self.structure = structure

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) float -> (N, classes) logits."""
        return self.body(x)

    def layer(self, name: str) -> QuantLayer:
        """The layer of that name."""
        found = self.body.get_submodule(name)
        assert isinstance(found, QuantLayer)
        return found

    @property
    def chain(self) -> list[QuantLayer]:
        """The layers in running order."""
        return [self.layer(name) for name in self.structure.layers]

    @property
    def plan(self) -> PrecisionPlan:
        """The widths as they are."""
        return PrecisionPlan({layer.block_name: layer.bits for layer in self.chain})

    @property
    def links(self) -> list[tuple[str, ...]]:
        """Groups of layers whose inputs share a step and so a_bits."""
        groups: dict[int, list[str]] = {}
        for layer in self.chain:
            groups.setdefault(id(layer.inputs), []).append(layer.block_name)
        return [tuple(names) for names in groups.values()]

    def quantizer(self, group: str) -> Activations:
        """Of the tensors that share a step."""
        reader = next(op for op in self.structure.readers if self.structure.read_by(op) == group)
        if reader.name in self.structure.layers:
            return self.layer(reader.name).inputs
        found = self.body.get_submodule(f"{JOINS}.{group}")
        assert isinstance(found, Activations)
        return found

    @torch.no_grad()
    def sizes(self) -> dict[str, tuple[torch.Size, torch.Size]]:
        """{layer: shapes of its input and output}, for one image."""
        found: dict[str, tuple[torch.Size, torch.Size]] = {}

        def note(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            assert isinstance(layer, QuantLayer)
            found[layer.block_name] = (inputs[0].shape, output.shape)

        hooks = [layer.register_forward_hook(note) for layer in self.chain]
        was_training = self.training
        self.eval()(torch.zeros(1, *self.task.shape))
        self.train(was_training)
        for hook in hooks:
            hook.remove()
        return found

    def project(self) -> None:
        """Bring every quantizer's parameters back into their domain."""
        for module in self.modules():
            if isinstance(module, Quantizer):
                module.project()
