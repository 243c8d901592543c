"""DoReFa: weights bent by tanh, activations clipped at 1 (Zhou et al., arXiv 1606.06160).

    weights:      E * Q(tanh(w) / E),  E = max|tanh(w)|,  Q rounds [-1, 1] to the grid
    activations:  Q(clip(x, 0, 1))

Gradients go straight through Q. Three differences: the paper's 2^b levels lie around zero without
being it, which needs an offset that the device's weights do not have; ours are 2^b - 1 with zero
among them. The paper leaves the factor E out; batch norm takes it out again, and our last layer,
which is quantized and has no batch norm, keeps the size of its trained weights with it. And to our
gradients E is a constant, where the paper's reach the largest weight through it as well.
"""

import torch
from torch import Tensor

from quant.clipping import ClippingQuantizer


class Dorefa(ClippingQuantizer):
    """Nothing to learn but the weights."""

    def initialise(self, x: Tensor) -> None:
        """The reach follows the weights; that of activations is 1."""

    def bend(self, x: Tensor) -> Tensor:
        """tanh of weights."""
        return torch.tanh(x) if self.setup.role == "weight" else x

    def latent(self, grid: Tensor) -> Tensor:
        """atanh of weights."""
        return torch.atanh(grid) if self.setup.role == "weight" else grid

    def reach(self, x: Tensor) -> Tensor:
        """(channels,): max|tanh(w)|, or 1."""
        if self.setup.role == "weight":
            return torch.tanh(self.rows(x)).abs().amax(dim=1)
        return x.new_ones(1)
