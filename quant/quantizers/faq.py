"""FAQ: a fixed grid from calibration, then fine-tuning (McKinstry et al., arXiv 1809.04191).

The clipping point is the largest magnitude at 8 bits; below, a percentile, so that a few outliers
do not take the codes from the rest. It does not move again: what is trained are the weights. Ours:
the share 0.999 is recalled, not read, and batch norm is not folded before calibration, since it is
trained on.
"""

import math

import torch
from torch import Tensor

from quant.clipping import ClippingQuantizer
from quant.quantizer import QuantizerSetup

WIDE_BITS = 8
SHARE = 0.999


class Faq(ClippingQuantizer):
    """Nothing to learn but the weights."""

    def __init__(self, setup: QuantizerSetup) -> None:
        super().__init__(setup)
        self.register_buffer("calibrated", torch.ones(setup.channels))

    def initialise(self, x: Tensor) -> None:
        """The largest magnitude of each row, or the one that `SHARE` of them do not exceed."""
        magnitude = self.rows(x).abs()
        share = 1.0 if self.precision.bits >= WIDE_BITS else SHARE
        rank = math.ceil(share * magnitude.shape[1])
        self.get_buffer("calibrated").copy_(magnitude.kthvalue(rank, dim=1).values)

    def reach(self, x: Tensor) -> Tensor:
        """(channels,): what calibration found."""
        return self.get_buffer("calibrated")
