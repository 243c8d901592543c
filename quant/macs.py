"""Multiply-accumulates of each layer for one image."""

from torch import nn

from quant.layers import QuantNet


def layer_macs(model: QuantNet) -> dict[str, int]:
    """{layer: MACs}. A convolution's weights meet every output pixel once."""
    sizes = model.sizes()
    found = {}
    for layer in model.chain:
        _, output = sizes[layer.block_name]
        pixels = output[2:].numel() if isinstance(layer.linear, nn.Conv2d) else 1
        found[layer.block_name] = layer.linear.weight.numel() * pixels
    return found
