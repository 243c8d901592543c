"""BitPruning: bitlengths learned by gradient descent (Nikolic et al., arXiv 2002.03090).

While bitlengths are learned (`learn`), n is real, the range is that of the values themselves, and

    Q_b(v) = low + s * floor((v - low) / s + 0.5),   s = (high - low) / (2^b - 1)
    Q(v, n) = (1 - f) * Q_b(v) + f * Q_{b+1}(v),   b = floor(n),  f = n - b
    dQ/dv = 1,   dL/dn = sum dL/dQ * (Q_{b+1}(v) - Q_b(v)),   1 <= n <= 8

A whole n gives the paper's min-max quantizer, whose offset low / s is no integer, so that the
device does not have it. What is deployed, at the widths of a plan, keeps its step and drops the
offset: s * floor(clip(v / s, QN, QP) + 0.5), the range fixed at the start. Where the range starts
at zero, after a ReLU, both are the same.

`quant/bitlengths.py` learns the lengths of a network and writes them out as a plan. Ours: outside
training, activations are seen through a running mean of their ranges, so that an image's result
does not depend on its batch.
"""

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx

from quant.grid import MIN_STEP, grid_codes, on_grid
from quant.quantizer import Quantizer, QuantizerSetup

SHORTEST, LONGEST = 1.0, 8.0
MOMENTUM = 0.1  # of the running range, batch norm's


class BitPruning(Quantizer):
    """A uniform quantizer of a fixed range, or with a real bitlength while lengths are learned."""

    rate = 5.0
    bitlength: nn.Parameter | None

    def __init__(self, setup: QuantizerSetup) -> None:
        super().__init__(setup)
        self.register_parameter("bitlength", None)
        self.register_buffer("low", torch.zeros(setup.channels))
        self.register_buffer("high", torch.ones(setup.channels))

    def initialise(self, x: Tensor) -> None:
        """The range of the values."""
        low, high = self._range(x)
        self.get_buffer("low").copy_(low)
        self.get_buffer("high").copy_(high)

    def resume(self, before: Quantizer) -> None:
        """See `Quantizer.resume`; a real bitlength is another setup."""
        if not isinstance(before, BitPruning) or before.bitlength is None:
            super().resume(before)

    def learn(self, bitlength: nn.Parameter) -> None:
        """Follow a real bitlength: (1,), or (channels,) with one for each row. Others may share
        it."""
        self.bitlength = bitlength

    def forward(self, x: Tensor) -> Tensor:
        """x: any shape -> same shape."""
        if self.bitlength is None:
            step = self.spread(self.scale(x), x)
            return on_grid(x, step, self.precision.min, self.precision.max)
        low, high = self._present_range(x)
        length = self.bitlength if len(self.bitlength) == 1 else self.spread(self.bitlength, x)
        return _Between.apply(  # pyright: ignore[reportReturnType]
            x, self.spread(low, x), self.spread(high, x), length
        )

    def codes(self, x: Tensor) -> Tensor:
        """x: any shape -> same shape, int64; of what is deployed."""
        assert self.bitlength is None, "no codes while bitlengths are learned: deploy the plan"
        step = self.spread(self.scale(x), x)
        return grid_codes(x, step, self.precision.min, self.precision.max)

    def scale(self, x: Tensor) -> Tensor:
        """(channels,) float: the min-max step of the fixed range."""
        low, high = self.get_buffer("low"), self.get_buffer("high")
        # A single signed bit has the codes 0 and -1: they must reach down to low.
        span = -low if self.precision.max == 0 else high - low
        return (span / (2**self.precision.bits - 1)).clamp_min(MIN_STEP)

    def project(self) -> None:
        """1 <= n <= 8."""
        if self.bitlength is not None:
            with torch.no_grad():
                self.bitlength.clamp_(SHORTEST, LONGEST)

    def _range(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(low, high) of each row; zero is inside, and unsigned values start there."""
        rows = self.rows(x)
        return rows.amin(dim=1).clamp_max(0), rows.amax(dim=1).clamp_min(0)

    def _present_range(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of the values themselves; of activations the running mean when nothing is trained."""
        low, high = self.get_buffer("low"), self.get_buffer("high")
        if self.setup.role == "activation" and not self.training:
            return low, high
        seen = self._range(x)
        low.lerp_(seen[0], MOMENTUM)
        high.lerp_(seen[1], MOMENTUM)
        return seen


class _Between(Function):
    """v: any shape; low, high: () or (C, 1, ...); n: (1,) or (C, 1, ...) -> v's shape."""

    @staticmethod
    def forward(ctx: FunctionCtx, v: Tensor, low: Tensor, high: Tensor, n: Tensor) -> Tensor:
        whole = n.floor()
        span = (high - low).clamp_min(MIN_STEP)
        above = v - low
        inside = above.clamp_min(0).minimum(span)
        shorter = _nearest(inside, span, whole)
        gain = _nearest(inside, span, whole + 1) - shorter
        ctx.save_for_backward(gain, inside == above, n)
        return low + shorter + (n - whole) * gain

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        gain, inside, n = ctx.saved_tensors
        return grad * inside, None, None, (grad * gain).sum_to_size(n.shape)


def _nearest(above: Tensor, span: Tensor, bits: Tensor) -> Tensor:
    """The value of the grid of 2^bits values from 0 to span that is nearest to ``above``."""
    step = span / (2**bits - 1)
    return (above / step).add_(0.5).floor_() * step
