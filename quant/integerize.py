"""A trained quantized network, snapped to the integers that the device computes.

Batch norm, bias, ReLU and the next layer's step size fold into one requantizer per layer. From
then on the snapped network *is* the network: torch evaluates exactly its integers in float64, the
golden model in int64, the overlay in gates.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ir.errors import UnsupportedModelError, shorten
from ir.nodes import INT32
from ir.plan import LayerBits, PrecisionPlan
from ir.precision import Precision
from ir.shapes import accumulator_range
from quant.data import Task
from quant.layers import InputGrid, QuantLayer, QuantNet
from quant.quantizer import Quantizer
from quant.requantizer import Requantizer, identity_requantizer, snap_requantizer


class SnappedLayer(nn.Module):
    """One layer in integers, carried in float64, where every step of it is exact.

    x: (N, C, H, W) or (N, K) float64 codes -> (N, M, H', W') or (N, M) float64 codes.
    """

    def __init__(self, source: QuantLayer, *, requantizer: Requantizer, output: Precision) -> None:
        super().__init__()
        linear = source.linear
        self.block_name = source.block_name
        self.flatten = source.flatten
        self.is_conv = isinstance(linear, nn.Conv2d)
        self.stride = int(linear.stride[0]) if isinstance(linear, nn.Conv2d) else 1
        self.padding = int(linear.padding[0]) if isinstance(linear, nn.Conv2d) else 0
        self.input_precision = source.inputs.precision
        self.weight_precision = source.weights.precision
        self.w_bits = source.bits.stored
        self.output_precision = output
        self.requantizer = requantizer
        self.register_buffer("weight", source.weights.codes(linear.weight.detach()).double())

    @property
    def weight_codes(self) -> np.ndarray:
        """(M, C, kh, kw) or (M, K) int64."""
        return self.get_buffer("weight").numpy().astype(np.int64)

    def sums(self, x: Tensor) -> Tensor:
        """The raw accumulators of input codes."""
        x = x.flatten(1) if self.flatten else x
        weight = self.get_buffer("weight")
        if self.is_conv:
            return functional.conv2d(x, weight, None, self.stride, self.padding)
        return functional.linear(x, weight)

    def requantize(self, acc: Tensor) -> Tensor:
        """clip(floor((acc * M + B) / 2^n), lo, hi): the arithmetic shift, in float64."""
        rule = self.requantizer
        multiplier = _per_channel(rule.multiplier, acc)
        offset = _per_channel(rule.offset, acc)
        scaled = (acc * multiplier + offset) * 2.0**-rule.shift
        return torch.floor(scaled).clamp(rule.lo, rule.hi)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.requantize(self.sums(x))

    @property
    def bits(self) -> LayerBits:
        """The widths of its weights and input."""
        return LayerBits(w_bits=self.w_bits, a_bits=self.input_precision.bits)


class SnappedNet(nn.Module):
    """A chain of snapped layers. x: (N, C, H, W) float, codes * task.scale -> (N, classes) float64.

    output_scale: what one unit of the last sums is worth; the argmax does not need it.
    """

    def __init__(self, task: Task, layers: list[SnappedLayer], output_scale: float) -> None:
        super().__init__()
        self.task = task
        self.layers = nn.ModuleList(layers)
        self.output_scale = output_scale
        self.grid = InputGrid(task.precision, task.scale)

    @property
    def chain(self) -> list[SnappedLayer]:
        """The layers, typed, in running order."""
        return [layer for layer in self.layers if isinstance(layer, SnappedLayer)]

    @property
    def plan(self) -> PrecisionPlan:
        """The widths as they are."""
        return PrecisionPlan({layer.block_name: layer.bits for layer in self.chain})

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        codes = self.grid.codes(x).double()
        for layer in self.chain:
            codes = layer(codes)
        return codes * self.output_scale

    @torch.no_grad()
    def activations(self, x: Tensor) -> dict[str, np.ndarray]:
        """Every tensor of the network by its name in the integer graph, (N, C, H, W) int64.

        x: (N, C, H, W) float as in ``forward``.
        """
        codes = self.grid.codes(x).double()
        found = {INPUT: codes}
        for layer in self.chain:
            found[sums_name(layer.block_name)] = acc = layer.sums(codes)
            found[codes_name(layer.block_name)] = codes = layer.requantize(acc)
        return {name: _as_image(value) for name, value in found.items()}


INPUT = "input"


def sums_name(layer: str) -> str:
    """Name of the tensor that holds a layer's accumulators."""
    return f"{layer}.sums"


def codes_name(layer: str) -> str:
    """Name of the tensor that a layer writes."""
    return f"{layer}.codes"


@torch.no_grad()
def snap(model: QuantNet) -> SnappedNet:
    """The integer network of a trained quantized one, which stays as it is.

    UnsupportedModelError names a layer whose gain, offset or sums do not fit the device.
    """
    chain = model.chain
    layers = [
        _snap_hidden(layer, following)
        for layer, following in zip(chain[:-1], chain[1:], strict=True)
    ]
    last, scale = _snap_last(chain[-1])
    return SnappedNet(model.task, [*layers, last], scale).eval()


def _snap_hidden(layer: QuantLayer, following: QuantLayer) -> SnappedLayer:
    """acc * s_w * s_x, batch norm, and division by the next step size, as one gain and offset."""
    assert isinstance(following.inputs, Quantizer)
    step = _one(following.inputs.scale(torch.empty(0)))
    gain, offset = _affine(layer)
    output = following.inputs.precision
    requantizer = snap_requantizer(
        layer.block_name,
        gain / step,
        offset / step,
        reach=_reach(layer),
        lo=max(output.min, 0) if layer.relu else output.min,
        hi=output.max,
    )
    return SnappedLayer(layer, requantizer=requantizer, output=output)


def _snap_last(layer: QuantLayer) -> tuple[SnappedLayer, float]:
    """Raw int32 sums with bias = round(b / (s_w * s_x)); also what one unit is worth."""
    gain, offset = _affine(layer)
    unit = float(gain[0])
    bias = np.floor(offset / unit + 0.5)
    if not np.isfinite(bias).all() or np.abs(bias).max() + _reach(layer) > INT32.max:
        raise UnsupportedModelError(
            f"layer {shorten(layer.block_name)}: its sums and bias do not fit 32 bits"
        )
    rule = identity_requantizer(bias.astype(np.int64), lo=INT32.min, hi=INT32.max)
    return SnappedLayer(layer, requantizer=rule, output=INT32), unit


def _affine(layer: QuantLayer) -> tuple[np.ndarray, np.ndarray]:
    """(gain, offset), each (M,) float64: the layer's float output is gain * acc + offset."""
    weight = layer.linear.weight
    scales = _array(layer.weights.scale(weight))
    channels = weight.shape[0]
    gain = np.broadcast_to(scales, channels) * input_scale(layer)
    bias = np.zeros(channels) if layer.linear.bias is None else _array(layer.linear.bias)
    norm = layer.batch_norm
    if norm is None:
        return gain.copy(), bias
    assert norm.running_mean is not None and norm.running_var is not None
    slope = 1 / np.sqrt(_array(norm.running_var) + norm.eps)
    shift = np.zeros(channels)
    if norm.affine:
        slope, shift = slope * _array(norm.weight), _array(norm.bias)
    return slope * gain, shift + slope * (bias - _array(norm.running_mean))


def input_scale(layer: QuantLayer) -> float:
    """What one code of the layer's input is worth."""
    if isinstance(layer.inputs, InputGrid):
        return layer.inputs.fixed_scale
    return _one(layer.inputs.scale(torch.empty(0)))


def _reach(layer: QuantLayer) -> int:
    codes = layer.weights.codes(layer.linear.weight).numpy()
    low, high = accumulator_range(codes, layer.inputs.precision)
    return max(-low, high)


def _one(scale: Tensor) -> float:
    return float(scale.detach().double().reshape(()))


def _array(values: Tensor) -> np.ndarray:
    return values.detach().double().numpy()


def _per_channel(values: np.ndarray, like: Tensor) -> Tensor:
    """(C,) int64 -> (C, 1, 1) or (C,) float64, exact below 2^53."""
    return torch.from_numpy(values.astype(np.float64)).reshape(-1, *[1] * (like.ndim - 2))


def _as_image(x: Tensor) -> np.ndarray:
    """(N, C, H, W), or (N, K) as (N, K, 1, 1), int64."""
    array = x.numpy().astype(np.int64)
    return array if array.ndim == 4 else array.reshape(*array.shape, 1, 1)
