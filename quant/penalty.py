"""What learned bitlengths pay: sum lambda_i n_i, divided by what a net of 8 bits would pay.

    bits      every length alike
    ops       MACs of the layer that reads the operand
    memory    bytes: of packed weights as the overlay stores them, of activations by their number
    cycles    ours: measured cycles of the table, a straight line between its widths

Cycles of a layer whose weights and activations differ are those at sqrt(n_w * n_a), since
bit-serial work goes with the product. A layer's channels count by their mean.
"""

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import torch
from torch import Tensor

from ir.cost import CostTable
from ir.errors import ConfigError, shorten
from quant.bitlengths import Bitlengths, Penalty
from quant.layers import QuantNet
from quant.macs import layer_macs
from quant.plan_space import layer_widths
from quant.quantizers.bitpruning import LONGEST

PenaltyName = Literal["bits", "ops", "memory", "cycles"]


def build_penalty(name: PenaltyName, net: QuantNet, table: CostTable | None = None) -> Penalty:
    """The penalty of that name. net: for its sizes. table: memory and cycles need one."""
    if name not in get_args(PenaltyName):
        raise ConfigError(
            f"penalty must be one of {', '.join(get_args(PenaltyName))}, not {shorten(name)}"
        )
    if name == "bits":
        return bits
    if name == "ops":
        macs = layer_macs(net)
        return weighted(weights=macs, inputs=macs)
    if table is None:
        raise ConfigError(f"penalty {name} needs a cost table")
    if name == "memory":
        return weighted(weights=packed_bytes(table), inputs=input_bytes(net))
    return interpolated({layer: cycle_curve(table, layer) for layer in table.layers})


def bits(lengths: Bitlengths) -> Tensor:
    """The mean length, 1 at 8 bits."""
    return torch.cat([*lengths.parameters]).mean() / LONGEST


def weighted(*, weights: Mapping[str, float], inputs: Mapping[str, float]) -> Penalty:
    """{layer: what one bit of its weights, of its input costs}."""

    def penalty(lengths: Bitlengths) -> Tensor:
        terms = [(share, lengths.weights(layer).mean()) for layer, share in weights.items()]
        for layer, share in inputs.items():
            length = lengths.inputs(layer)
            if length is not None:
                terms.append((share, length.mean()))
        paid = torch.stack([share * length for share, length in terms]).sum()
        return paid / (LONGEST * sum(share for share, _ in terms))

    return penalty


Curve = Callable[[Tensor], Tensor]


def interpolated(curves: Mapping[str, Curve]) -> Penalty:
    """{layer: its cost at one number for weights and input}."""

    def penalty(lengths: Bitlengths) -> Tensor:
        paid = [curve(one_number(lengths, layer)) for layer, curve in curves.items()]
        longest = torch.tensor(LONGEST)
        return torch.stack(paid).sum() / sum(float(curve(longest)) for curve in curves.values())

    return penalty


def one_number(lengths: Bitlengths, layer: str) -> Tensor:
    """() float: the number at which a layer with w = a does as much work."""
    weights, inputs = lengths.weights(layer).mean(), lengths.inputs(layer)
    return weights if inputs is None else (weights * inputs.mean()).sqrt()


def cycle_curve(table: CostTable, layer: str) -> Curve:
    """Cycles of a layer over its one number."""
    widths = layer_widths(table, layer)
    return straight_lines({n: table.cycles(layer, pair) for n, pair in widths.items()})


def straight_lines(points: Mapping[int, float]) -> Curve:
    """The line through the points, its first and last piece going on; one point: constant."""
    places = sorted(points)
    x = torch.tensor(places, dtype=torch.float32)
    y = torch.tensor([points[place] for place in places], dtype=torch.float32)
    slopes = y.diff() / x.diff() if len(places) > 1 else torch.zeros(1)

    def curve(n: Tensor) -> Tensor:
        at, height, slope = (t.to(n.device) for t in (x, y, slopes))
        piece = int((at <= n.detach()).sum().clamp(1, len(slopes))) - 1
        return height[piece] + slope[piece] * (n - at[piece])

    return curve


def packed_bytes(table: CostTable) -> dict[str, float]:
    """{layer: bytes that one bit of its weights takes}: planes are all of one size."""
    found = {}
    for layer in table.layers:
        widths = layer_widths(table, layer)
        widest = max(widths)
        found[layer] = table.weight_bytes(layer, widths[widest]) / widths[widest][0]
    return found


def input_bytes(net: QuantNet) -> dict[str, float]:
    """{layer: bytes that one bit of its input takes}, for one image."""
    return {layer: inputs.numel() / 8 for layer, (inputs, _) in net.sizes().items()}
