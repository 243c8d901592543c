"""PACT: parameterized clipping activation (Choi et al., arXiv 1805.06085).

    y = clip(x, 0, alpha),   y^ = s * floor(y / s + 0.5),   s = alpha / (2^b - 1)
    dy^/dx = 1 where 0 < x < alpha,   dy^/dalpha = 1 where x >= alpha, else 0

alpha is learned, one for each tensor of activations, with weight decay: the paper's L2 term, part
of the loss. Where nothing is clipped it alone moves alpha, at Adam's pace then; AdamW's own decay,
which is times the learning rate, would leave alpha where it starts.
Weights are DoReFa's, as in the paper (SAWB came with the one after it). Start of alpha: the largest
activation of the calibration images, where the paper starts from a constant that is large enough.
Signed activations, which the paper has none of, clip at -alpha too.
"""

import torch
from torch import Tensor, nn

from quant.grid import MIN_STEP
from quant.quantizer import QuantizerSetup
from quant.quantizers.dorefa import Dorefa


class Pact(Dorefa):
    """A learned clip for activations."""

    decays = True

    def __init__(self, setup: QuantizerSetup) -> None:
        super().__init__(setup)
        if setup.role == "activation":
            self.clip = nn.Parameter(torch.ones(1))

    def initialise(self, x: Tensor) -> None:
        """alpha = max|x|; the reach of weights follows them."""
        if self.setup.role == "activation":
            with torch.no_grad():
                self.clip.copy_(self.rows(x).abs().amax(dim=1))
            self.project()

    def reach(self, x: Tensor) -> Tensor:
        """alpha, or DoReFa's of the weights."""
        return self.clip if self.setup.role == "activation" else super().reach(x)

    def project(self) -> None:
        """alpha stays positive."""
        if self.setup.role == "activation":
            with torch.no_grad():
                self.clip.clamp_(min=MIN_STEP * self.levels)
