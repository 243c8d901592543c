"""LSQ: learned step size quantization (Esser et al., arXiv 1902.08153).

    q = floor(clip(v / s, -QN, QP) + 0.5),   v^ = q * s
    dv^/ds = q - v / s inside, -QN or QP outside, times 1 / sqrt(N * QP)

QN = 2^(b-1), QP = 2^(b-1) - 1 signed; QN = 0, QP = 2^b - 1 unsigned. N counts the values that
share a step: weights of a channel or tensor, features of one sample for activations. Start: 2
mean|v| / sqrt(QP). Ours beyond the paper: a step for each output channel, as an option; and a
tenth of the learning rate under AdamW, to which the factor 1 / sqrt(N * QP) means nothing (the
paper trains with SGD): at the weights' rate a step of 0.03 can fall to nothing within ten updates,
and its channel with it.
"""

import torch
from torch import Tensor, nn

from quant.grid import MIN_STEP, grid_codes, on_grid
from quant.quantizer import Quantizer, QuantizerSetup


class Lsq(Quantizer):
    """One learned step per tensor or channel."""

    adam_rate = 0.1

    def __init__(self, setup: QuantizerSetup) -> None:
        super().__init__(setup)
        self.step_size = nn.Parameter(torch.ones(setup.channels))

    def initialise(self, x: Tensor) -> None:
        """s = 2 mean|v| / sqrt(QP)."""
        step = 2 * self.rows(x).abs().mean(dim=1) / max(self.precision.max, 1) ** 0.5
        with torch.no_grad():
            self.step_size.copy_(step.clamp_min(MIN_STEP))

    def forward(self, x: Tensor) -> Tensor:
        """x: any shape -> same shape, on the grid scale * [-QN, QP]."""
        return on_grid(
            x,
            self.spread(self.step_size, x),
            self.precision.min,
            self.precision.max,
            gradient_scale=self.gradient_scale(x),
        )

    def codes(self, x: Tensor) -> Tensor:
        """x: any shape -> same shape, int64."""
        step = self.spread(self.step_size, x)
        return grid_codes(x, step, self.precision.min, self.precision.max)

    def scale(self, x: Tensor) -> Tensor:
        """(channels,) float, positive."""
        return self.step_size

    def gradient_scale(self, x: Tensor) -> float:
        """1 / sqrt(N * QP)."""
        shared_by = self.setup.channels if self.setup.role == "weight" else x.shape[0]
        return (x.numel() // shared_by * max(self.precision.max, 1)) ** -0.5

    def project(self) -> None:
        """Steps stay positive."""
        with torch.no_grad():
            self.step_size.clamp_(min=MIN_STEP)
