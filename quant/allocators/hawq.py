"""HAWQ: sensitivity by the Hessian (Dong et al., arXiv 1911.03852; ILP of Yao et al., 2011.10680).

    Omega_l(b) = trace(H_l) / n_l * ||Q_b(W_l) - W_l||^2

H_l: Hessian of the training loss in the layer's n_l weights, its trace by Hutchinson's estimate.
Q_b: symmetric uniform rounding with the largest magnitude at the end of the range; one bit: sign
times mean magnitude. The sum of Omega is minimised under the budget, exactly.

The papers take the trained float network; ours the weights of the network that it is given,
computed in floats. As in the second paper, weights alone say how many bits weights and activations
get. A trace below zero counts as zero: at a minimum the Hessian has none.
"""

import numpy as np
import torch
from torch import Tensor

from ir.precision import weight_precision
from quant.allocator import Allocator, Problem
from quant.fit import Fitted, fit_budget
from quant.grid import round_half_up
from quant.hessian import hessian_traces

PROBES = 50
IMAGES = 256


class Hawq(Allocator):
    """Minus the second-order estimate of the loss as gain."""

    def choose(self, problem: Problem) -> Fitted:
        """See `Allocator.choose`."""
        train = problem.data.train
        batch = train.take(np.arange(min(IMAGES, len(train))))
        traces = hessian_traces(problem.model, batch, probes=PROBES, seed=problem.seed)
        weights = {layer.block_name: layer.linear.weight.detach() for layer in problem.model.chain}

        def gain(layer: str, width: int) -> float:
            weight = weights[layer]
            mean_trace = max(traces[layer], 0.0) / weight.numel()
            return -mean_trace * perturbation(weight, width)

        problem.judge.images_seen += len(batch) * (PROBES + 1)
        return fit_budget(gain, problem.space, problem.cost, problem.budget)


def perturbation(weight: Tensor, bits: int) -> float:
    """||Q_b(W) - W||^2."""
    precision = weight_precision(bits)
    if precision.bipolar:
        rounded = torch.where(weight >= 0, 1.0, -1.0) * weight.abs().mean()
    else:
        step = (weight.abs().max() / precision.max).clamp_min(1e-12)
        rounded = round_half_up((weight / step).clamp(precision.min, precision.max)) * step
    return float((rounded - weight).double().square().sum())
