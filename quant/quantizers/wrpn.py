"""WRPN: wide reduced-precision networks (Mishra et al., arXiv 1709.01134).

    weights:      Q(clip(w, -1, 1)) with a sign and b - 1 bits of size
    activations:  Q(clip(x, 0, 1))

Gradients go straight through where nothing is clipped. The paper's other half is width: a net that
loses bits gets more channels (`network.width`). Ours clips weights at +-E, E the largest of the
trained net at the start and fixed from then on: the paper's rule for weights divided by E, which
batch norm cannot tell from it. Trained nets hardly have a weight beyond 0.5, and at two bits the
paper's clip would make all of them zero.
"""

import torch
from torch import Tensor

from quant.quantizer import QuantizerSetup
from quant.quantizers.dorefa import Dorefa


class Wrpn(Dorefa):
    """Nothing to learn but the weights, and no tanh."""

    def __init__(self, setup: QuantizerSetup) -> None:
        super().__init__(setup)
        if setup.role == "weight":
            self.register_buffer("largest", torch.ones(setup.channels))

    def initialise(self, x: Tensor) -> None:
        """E = max|w|."""
        if self.setup.role == "weight":
            self.get_buffer("largest").copy_(self.rows(x).abs().amax(dim=1))

    def bend(self, x: Tensor) -> Tensor:
        """x as it is."""
        return x

    def latent(self, grid: Tensor) -> Tensor:
        """The grid as it is."""
        return grid

    def reach(self, x: Tensor) -> Tensor:
        """E, or 1 for activations."""
        return self.get_buffer("largest") if self.setup.role == "weight" else super().reach(x)
