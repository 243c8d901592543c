"""What every quantizer is: how one tensor is quantized at a given precision.

A file in `quant/quantizers/` with one public subclass of `Quantizer` *is* the registration. One
thing is the same in all of them and not theirs to define: one-bit weights are bipolar, see
`quant/bipolar.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

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
    """Fake quantization of one tensor: forward(x) lies on the grid codes(x) * scale().

    decays: whether weight decay acts on its parameters, as a term of the loss. rate: their learning
    rate, relative to the recipe's for step sizes; adam_rate: the same once more under AdamW, whose
    updates are as large as the learning rate, however small the gradient.
    """

    decays: ClassVar[bool] = False
    rate: ClassVar[float] = 1.0
    adam_rate: ClassVar[float] = 1.0

    def __init__(self, setup: QuantizerSetup) -> None:
        super().__init__()
        self.setup = setup
        self.precision = setup.precision

    @abstractmethod
    def initialise(self, x: Tensor) -> None:
        """Set the parameters from typical data. x: a batch of activations, or the weights."""

    def resume(self, before: "Quantizer") -> None:
        """Take over what another of the same kind has learned at the same setup; of one at another
        setup nothing."""
        if type(before) is type(self) and before.setup == self.setup:
            self.load_state_dict(before.state_dict())

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """x: any shape, float -> same shape, on the grid; differentiable."""

    @abstractmethod
    def codes(self, x: Tensor) -> Tensor:
        """x: any shape, float -> same shape, int64 codes of ``precision``: forward(x) / scale()."""

    @abstractmethod
    def scale(self, x: Tensor) -> Tensor:
        """What one code is worth: (channels,) float. x: the weights (a scale may follow them)."""

    def latent(self, grid: Tensor) -> Tensor:
        """Values that forward leaves at ``grid``, which lies on its grid: the same ones, unless the
        quantizer bends its input before rounding."""
        return grid

    def project(self) -> None:
        """Bring parameters back into their domain; called after every optimizer step."""

    @property
    def w_bits(self) -> int | tuple[int, ...]:
        """The width, or one for each output channel where they differ."""
        return self.precision.bits

    def spread(self, per_channel: Tensor, x: Tensor) -> Tensor:
        """(channels,) -> broadcastable against x: () or (channels, 1, ...)."""
        if self.setup.channels == 1:
            return per_channel.reshape(())
        return per_channel.reshape(-1, *[1] * (x.ndim - 1))

    def rows(self, x: Tensor) -> Tensor:
        """x without its graph, one row for each step size: (channels, values)."""
        return x.detach().reshape(self.setup.channels, -1)


def load_quantizer(name: str) -> Callable[[QuantizerSetup], Quantizer]:
    """The class of that name; UnknownPluginError lists what there is."""
    return plugins.load(FOLDER, name, Quantizer)
