"""One-bit weights, the same under every quantizer: sign(w) * mean|w| (Rastegari et al., XNOR-Net,
arXiv 1603.05279; DoReFa and the others take it over)."""

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx

from quant.grid import MIN_STEP
from quant.quantizer import Quantizer, QuantizerSetup, load_quantizer


class BipolarWeights(Quantizer):
    """Codes -1 and +1, sign(0) = +1; nothing to learn but the weights."""

    def initialise(self, x: Tensor) -> None:
        """The scale follows the weights."""

    def forward(self, x: Tensor) -> Tensor:
        """x: weights -> same shape; the gradient goes straight through."""
        scale = self.spread(self.scale(x), x)
        return _Sign.apply(x, scale)  # pyright: ignore[reportReturnType]

    def codes(self, x: Tensor) -> Tensor:
        """x: weights -> same shape, int64."""
        return torch.where(x >= 0, 1, -1)

    def scale(self, x: Tensor) -> Tensor:
        """(channels,): mean|w|."""
        return self.rows(x).abs().mean(dim=1).clamp_min(MIN_STEP)


def build_quantizer(name: str, setup: QuantizerSetup) -> Quantizer:
    """The quantizer of that name, or what stands for all of them where one bit is bipolar.

    UnknownPluginError lists what there is.
    """
    kind = load_quantizer(name)
    return BipolarWeights(setup) if setup.precision.bipolar else kind(setup)


class _Sign(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, v: Tensor, s: Tensor) -> Tensor:
        return torch.where(v >= 0, s, -s)

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        return grad, None
