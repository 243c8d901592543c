"""What an agent sees of a layer: HAQ's features (Wang et al., arXiv 1811.08886, table 2)."""

import numpy as np
import torch
from torch import nn

from quant.layers import QuantLayer, QuantNet
from quant.plan_space import PlanSpace

NAMES = ("index", "inputs", "outputs", "kernel", "stride", "input pixels", "weights", "is linear")


def layer_features(model: QuantNet) -> dict[str, np.ndarray]:
    """{layer: (F,) in 0..1}, each feature relative to its greatest value in the network."""
    sizes = model.sizes()
    rows = [
        _row(index, layer, sizes[layer.block_name][0]) for index, layer in enumerate(model.chain)
    ]
    table = np.array(rows, dtype=np.float64)
    table /= np.maximum(np.abs(table).max(axis=0), 1e-12)
    return {layer.block_name: row for layer, row in zip(model.chain, table, strict=True)}


def group_features(model: QuantNet, space: PlanSpace) -> np.ndarray:
    """(groups, F): the mean of each group of linked layers."""
    rows = layer_features(model)
    return np.stack([np.mean([rows[name] for name in group], axis=0) for group in space.groups])


def _row(index: int, layer: QuantLayer, inputs: torch.Size) -> list[float]:
    weight = layer.linear.weight
    is_conv = isinstance(layer.linear, nn.Conv2d)
    return [
        index + 1,
        weight.shape[1],
        weight.shape[0],
        weight.shape[-1] if is_conv else 1,
        layer.linear.stride[0] if isinstance(layer.linear, nn.Conv2d) else 0,
        inputs[2:].numel() if is_conv else 1,
        weight.numel(),
        0 if is_conv else 1,
    ]
