"""What every quantizer is: how one tensor is quantized at a given precision.

A file in `quant/quantizers/` with one public subclass of `Quantizer` *is* the registration.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ir import plugins
from ir.precision import Precision

FOLDER = "quant/quantizers"
Role = Literal["weight", "activation"]


@dataclass(frozen=True, kw_only=True)
class QuantizerSetup:
    """What a quantizer is built from.

    channels: number of step sizes, one per leading index (output channel) of the tensor; 1 = one
    for the whole tensor. role: weights are one tensor, activations a batch of them.
    """

    precision: Precision
    role: Role
    channels: int = 1


class Quantizer(nn.Module, ABC):
    """Fake quantization of one tensor: forward(x) lies on the grid codes(x) * scale()."""

    def __init__(self, setup: QuantizerSetup) -> None:
        super().__init__()
        self.setup = setup
        self.precision = setup.precision

    @abstractmethod
    def initialise(self, x: Tensor) -> None:
        """Set the parameters from typical data. x: a batch of activations, or the weights."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """x: any shape, float -> same shape, on the grid; differentiable."""

    @abstractmethod
    def codes(self, x: Tensor) -> Tensor:
        """x: any shape, float -> same shape, int64 codes of ``precision``: forward(x) / scale()."""

    @abstractmethod
    def scale(self, x: Tensor) -> Tensor:
        """What one code is worth: (channels,) float. x: the weights (a scale may follow them)."""

    def project(self) -> None:
        """Bring parameters back into their domain; called after every optimizer step."""

    def spread(self, per_channel: Tensor, x: Tensor) -> Tensor:
        """(channels,) -> broadcastable against x: () or (channels, 1, ...)."""
        if self.setup.channels == 1:
            return per_channel.reshape(())
        return per_channel.reshape(-1, *[1] * (x.ndim - 1))


def build_quantizer(name: str, setup: QuantizerSetup) -> Quantizer:
    """The quantizer of that name; UnknownPluginError lists what there is."""
    return _kind(name)(setup)


def _kind(name: str) -> Callable[[QuantizerSetup], Quantizer]:
    return plugins.load(FOLDER, name, Quantizer)


def round_half_up(x: Tensor) -> Tensor:
    """floor(x + 0.5), the hardware's rounding (torch.round goes to even)."""
    return torch.floor(x + 0.5)
