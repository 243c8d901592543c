"""Traces of the loss's Hessian, layer by layer, by Hutchinson's estimate.

    trace(H_l) = E[z_l . (H z)_l],   z of independent signs

One product with the whole Hessian serves all layers: the cross terms have mean zero.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from quant.data import Split
from quant.layers import QuantLayer, QuantNet
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
        logits = float_logits(model.chain, weights, inputs_of(split))
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


def float_logits(chain: list[QuantLayer], weights: list[Tensor], x: Tensor) -> Tensor:
    """The network without quantizers. x: (N, C, H, W) float -> (N, classes)."""
    for layer, weight in zip(chain, weights, strict=True):
        if layer.flatten:
            x = x.flatten(1)
        linear, norm = layer.linear, layer.batch_norm
        if isinstance(linear, nn.Conv2d):
            x = functional.conv2d(x, weight, linear.bias, linear.stride, linear.padding)
        else:
            x = functional.linear(x, weight, linear.bias)
        if norm is not None:
            fixed = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
            x = functional.batch_norm(x, *fixed, training=False, eps=norm.eps)
        x = x.relu() if layer.relu else x
    return x


def _signs(weight: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, weight.shape, generator=generator).to(weight.dtype) * 2 - 1
