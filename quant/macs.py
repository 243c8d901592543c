"""Multiply-accumulates of each layer for one image."""

import torch
from torch import nn

from quant.layers import QuantNet


def layer_macs(model: QuantNet) -> dict[str, int]:
    """{layer: MACs}. A convolution's weights meet every output pixel once."""
    x = torch.zeros(1, *model.task.shape)
    was_training = model.training
    model.eval()
    found = {}
    with torch.no_grad():
        for layer in model.chain:
            x = layer(x)
            pixels = x[0, 0].numel() if isinstance(layer.linear, nn.Conv2d) else 1
            found[layer.block_name] = layer.linear.weight.numel() * pixels
    model.train(was_training)
    return found
