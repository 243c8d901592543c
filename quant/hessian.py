"""Traces of the loss's Hessian, layer by layer, by Hutchinson's estimate.

    trace(H_l) = E[z_l . (H z)_l],   z of independent signs

One product with the whole Hessian serves all layers: the cross terms have mean zero.
"""

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from quant.body import float_net
from quant.data import Split
from quant.layers import QuantNet
from quant.train import inputs_of, threads


def hessian_traces(model: QuantNet, split: Split, *, probes: int, seed: int) -> dict[str, float]:
    """{layer: trace of the Hessian of the mean cross entropy in its weights}.

    The network is computed in floats, on its trained weights and the norms' fixed statistics.
    """
    labels = torch.from_numpy(split.labels)
    weights = [layer.linear.weight.detach().clone().requires_grad_() for layer in model.chain]
    generator = torch.Generator().manual_seed(seed)
    totals = torch.zeros(len(weights), dtype=torch.float64)
    with threads(1):
        logits = float_logits(model, weights, inputs_of(split))
        loss = functional.cross_entropy(logits, labels)
        slopes = torch.autograd.grad(loss, weights, create_graph=True)
        for _ in range(probes):
            signs = [_signs(w, generator) for w in weights]
            products = torch.autograd.grad(slopes, weights, signs, retain_graph=True)
            totals += torch.stack(
                [(z * hz).sum().double() for z, hz in zip(signs, products, strict=True)]
            )
    means = (totals / probes).tolist()
    return {layer.block_name: m for layer, m in zip(model.chain, means, strict=True)}


def float_logits(model: QuantNet, weights: list[Tensor], x: Tensor) -> Tensor:
    """The network without quantizers, on these weights and the norms' fixed statistics.

    x: (N, C, H, W) float -> (N, classes).
    """
    own = {f"{n}.weight": w for n, w in zip(model.structure.layers, weights, strict=True)}
    return functional_call(float_net(model).eval(), own, (x,))


def _signs(weight: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, weight.shape, generator=generator).to(weight.dtype) * 2 - 1
