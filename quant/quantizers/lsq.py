"""LSQ: learned step size quantization (Esser et al., arXiv 1902.08153).

    q = floor(clip(v / s, -QN, QP) + 0.5),   v^ = q * s
    dv^/dv = 1 inside (-QN < v / s < QP), 0 outside
    dv^/ds = q - v / s inside, -QN or QP outside, times 1 / sqrt(N * QP)

QN = 2^(b-1), QP = 2^(b-1) - 1 signed; QN = 0, QP = 2^b - 1 unsigned. N counts the values that
share a step: weights of a channel or tensor, features of one sample for activations. Start: 2
mean|v| / sqrt(QP). Ours beyond the paper: one-bit weights are bipolar, sign(v) * mean|v|, without
a parameter of their own.
"""

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx

from quant.quantizer import Quantizer, QuantizerSetup, round_half_up

MIN_STEP = 1e-6


class LearnedStep(Function):
    """v: any shape, s: () or (C, 1, ...) -> v^ of v's shape. low = -QN, high = QP.

    An autograd function rather than the detach trick, which moves v^ by one unit in the last place
    in up to three percent of the values.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, v: Tensor, s: Tensor, low: int, high: int, gradient_scale: float
    ) -> Tensor:
        ratio = v / s
        q = round_half_up(ratio.clamp(low, high))
        ctx.save_for_backward(ratio, q, s)
        ctx.constants = (low, high, gradient_scale)  # pyright: ignore[reportAttributeAccessIssue]
        return q * s

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        ratio, q, s = ctx.saved_tensors
        low, high, gradient_scale = ctx.constants
        inside = (ratio > low) & (ratio < high)
        slope = torch.where(inside, q - ratio, q)  # outside, q is the bound itself
        step_grad = (grad * slope).sum_to_size(s.shape) * gradient_scale
        return grad * inside, step_grad, None, None, None


class Bipolar(Function):
    """sign(v) * s with sign(0) = +1; the gradient goes straight through to v."""

    @staticmethod
    def forward(ctx: FunctionCtx, v: Tensor, s: Tensor) -> Tensor:
        return torch.where(v >= 0, s, -s)

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        return grad, None


class Lsq(Quantizer):
    """One learned step per tensor or channel; bipolar weights scale with their mean magnitude."""

    def __init__(self, setup: QuantizerSetup) -> None:
        super().__init__(setup)
        if not self.precision.bipolar:
            self.step_size = nn.Parameter(torch.ones(setup.channels))

    def initialise(self, x: Tensor) -> None:
        """s = 2 mean|v| / sqrt(QP)."""
        if not self.precision.bipolar:
            step = 2 * self._mean_magnitude(x) / max(self.precision.max, 1) ** 0.5
            with torch.no_grad():
                self.step_size.copy_(step.clamp_min(MIN_STEP))

    def forward(self, x: Tensor) -> Tensor:
        """x: any shape -> same shape, on the grid scale * [QN, QP]."""
        step = self.spread(self.scale(x), x)
        if self.precision.bipolar:
            return Bipolar.apply(x, step)  # pyright: ignore[reportReturnType]
        return LearnedStep.apply(  # pyright: ignore[reportReturnType]
            x, step, self.precision.min, self.precision.max, self.gradient_scale(x)
        )

    def codes(self, x: Tensor) -> Tensor:
        """x: any shape -> same shape, int64."""
        if self.precision.bipolar:
            return torch.where(x >= 0, 1, -1)
        ratio = x / self.spread(self.scale(x), x)
        return round_half_up(ratio.clamp(self.precision.min, self.precision.max)).long()

    def scale(self, x: Tensor) -> Tensor:
        """(channels,) float, positive."""
        if self.precision.bipolar:
            return self._mean_magnitude(x).clamp_min(MIN_STEP)
        return self.step_size

    def gradient_scale(self, x: Tensor) -> float:
        """1 / sqrt(N * QP)."""
        sharing = x[0].numel() if self.setup.role == "activation" else x.numel()
        if self.setup.role == "weight":
            sharing //= self.setup.channels
        return float(sharing * max(self.precision.max, 1)) ** -0.5

    def project(self) -> None:
        """Steps stay positive."""
        if not self.precision.bipolar:
            with torch.no_grad():
                self.step_size.clamp_(min=MIN_STEP)

    def _mean_magnitude(self, x: Tensor) -> Tensor:
        magnitude = x.detach().abs()
        if self.setup.channels == 1:
            return magnitude.mean().reshape(1)
        return magnitude.flatten(1).mean(dim=1)
