"""Quantizers that clip at a reach and divide what is inside evenly.

    v^ = s * floor(clip(f(v), -reach, reach) / s + 0.5),   s = reach / levels

unsigned from 0 to reach; levels = 2^(b-1) - 1 signed, 2^b - 1 unsigned. Zero is a code, as the
device needs it, so that the signed grid has one value less than codes: -2^(b-1) is not used.
"""

from abc import abstractmethod

from torch import Tensor

from quant.grid import MIN_STEP, grid_codes, on_grid
from quant.quantizer import Quantizer


class ClippingQuantizer(Quantizer):
    """A quantizer defines its reach; what it learns of it learns from the clipped values alone."""

    @abstractmethod
    def reach(self, x: Tensor) -> Tensor:
        """Where values are clipped: (channels,) float. x: the weights (a reach may follow them)."""

    def bend(self, x: Tensor) -> Tensor:
        """What is clipped and rounded: f(v), v itself unless the quantizer says otherwise."""
        return x

    @property
    def levels(self) -> int:
        """How many steps reach to the clipping point."""
        return max(self.precision.max, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x: any shape -> same shape, on the grid."""
        step = self.spread(self.scale(x), x)
        return on_grid(
            self.bend(x),
            step,
            self._low,
            self.precision.max,
            clipping=True,
            # The reach of weights is often one of them, and that one is not clipped.
            bounds_inside=self.setup.role == "weight",
        )

    def codes(self, x: Tensor) -> Tensor:
        """x: any shape -> same shape, int64."""
        step = self.spread(self.scale(x), x)
        return grid_codes(self.bend(x), step, self._low, self.precision.max)

    def scale(self, x: Tensor) -> Tensor:
        """(channels,) float, positive."""
        return (self.reach(x) / self.levels).clamp_min(MIN_STEP)

    @property
    def _low(self) -> int:
        return max(self.precision.min, -self.levels)
