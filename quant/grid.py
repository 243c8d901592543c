"""The uniform grid that every quantizer ends on: step * [low, high], rounded as the hardware does.

    q = floor(clip(v / s, low, high) + 0.5),   v^ = q * s
    dv^/dv = 1 inside (low < v / s < high), 0 outside
    dv^/ds = q - v / s inside, low or high outside, times a gradient scale

The part of dv^/ds inside is LSQ's; PACT leaves it out, for a step that follows a clipping point.

An autograd function rather than the detach trick, which moves v^ by one unit in the last place in
up to three percent of the values. A step that asks for no gradient costs no pass for one.
"""

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx

MIN_STEP = 1e-6
BOUND_SLACK = 1 + 1e-6  # several times what v / s is off in float32


def round_half_up(x: Tensor) -> Tensor:
    """floor(x + 0.5), the hardware's rounding (torch.round goes to even)."""
    return torch.floor(x + 0.5)


def grid_codes(v: Tensor, step: Tensor, low: int, high: int) -> Tensor:
    """v: any shape, step: broadcastable -> v's shape, int64 in low..high."""
    return round_half_up((v / step).clamp_(low, high)).long()


def on_grid(
    v: Tensor,
    step: Tensor,
    low: int,
    high: int,
    *,
    gradient_scale: float = 1.0,
    clipping: bool = False,
    bounds_inside: bool = False,
) -> Tensor:
    """v: any shape, step: () or (C, 1, ...) -> v^ of v's shape; differentiable in both.

    clipping: only what is clipped moves the step. bounds_inside: v / s at low or high, up to the
    rounding of the quotient, is inside.
    """
    return _OnGrid.apply(  # pyright: ignore[reportReturnType]
        v, step, low, high, gradient_scale, clipping, BOUND_SLACK if bounds_inside else 1.0
    )


class _OnGrid(Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        v: Tensor,
        s: Tensor,
        low: int,
        high: int,
        gradient_scale: float,
        clipping: bool,
        slack: float,
    ) -> Tensor:
        ratio = v / s
        q = ratio.clamp(low, high).add_(0.5).floor_()
        ctx.save_for_backward(ratio, q, s)
        ctx.constants = (low * slack, high * slack, gradient_scale, clipping)  # pyright: ignore[reportAttributeAccessIssue]
        return q * s

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        ratio, q, s = ctx.saved_tensors
        low, high, gradient_scale, clipping = ctx.constants
        inside = (ratio > low) & (ratio < high)
        to_v = grad * inside if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return to_v, None, None, None, None, None, None
        # Outside, q is the bound itself.
        slope = q.masked_fill(inside, 0) if clipping else torch.where(inside, q - ratio, q)
        to_s = (grad * slope).sum_to_size(s.shape) * gradient_scale
        return to_v, to_s, None, None, None, None, None
