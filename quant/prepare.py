"""A float network and a plan become a quantized network, its steps set on a calibration batch."""

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ir.errors import ConfigError, UnsupportedModelError, shorten
from ir.plan import LayerBits, PrecisionPlan
from ir.precision import Precision, weight_precision
from quant.bipolar import build_quantizer
from quant.data import Task
from quant.layers import InputGrid, QuantLayer, QuantNet
from quant.mixed import MixedWeights
from quant.quantizer import Quantizer, QuantizerSetup
from quant.structure import Block, read_blocks

Granularity = Literal["per_tensor", "per_channel"]


@dataclass(frozen=True, kw_only=True)
class QuantizerConfig:
    """name: a file of `quant/quantizers/`. granularity: of the weights' steps.

    The last layer's weights always share one step, so that the raw sums' argmax is the logits'.
    """

    name: str = "lsq"
    granularity: Granularity = "per_channel"

    def __post_init__(self) -> None:
        if self.granularity not in ("per_tensor", "per_channel"):
            raise ConfigError(
                f"granularity must be per_tensor or per_channel, not {shorten(self.granularity)}"
            )


def blocks_of(model: nn.Module) -> list[Block]:
    """The float blocks of a float or quantized network."""
    if isinstance(model, QuantNet):
        return [layer.block for layer in model.chain]
    return read_blocks(model)


def layer_names(model: nn.Module) -> list[str]:
    """The names that a plan for this network has, in running order."""
    return [block.name for block in blocks_of(model)]


def prepare(
    model: nn.Module,
    plan: PrecisionPlan,
    *,
    task: Task,
    calibration: Tensor,
    quantizer: QuantizerConfig,
) -> QuantNet:
    """A quantized copy of ``model`` at ``plan``; the model itself stays as it is.

    calibration: (N, C, H, W) float, typical inputs. ConfigError when the plan does not fit the
    network, UnsupportedModelError when the overlay does not.
    """
    blocks = blocks_of(model)
    _check_plan(plan, blocks, task)
    layers: list[QuantLayer] = []
    for index, block in enumerate(copy.deepcopy(blocks)):
        inputs = (
            InputGrid(task.precision, task.scale)
            if index == 0
            else _activations(quantizer, plan[block.name], signed=not blocks[index - 1].relu)
        )
        is_last = index == len(blocks) - 1
        weights = _weights(quantizer, plan[block.name], block, one_step=is_last)
        layers.append(QuantLayer(block=block, inputs=inputs, weights=weights))
    net = QuantNet(task, layers)
    _calibrate(net, calibration)
    return net


def _activations(config: QuantizerConfig, bits: LayerBits, *, signed: bool) -> Quantizer:
    precision = Precision(bits.a_bits, signed=signed)
    return build_quantizer(config.name, QuantizerSetup(precision=precision, role="activation"))


def _weights(
    config: QuantizerConfig, bits: LayerBits, block: Block, *, one_step: bool
) -> Quantizer:
    shared = one_step or config.granularity == "per_tensor"
    channels = block.linear.weight.shape[0]
    if isinstance(bits.w_bits, tuple):
        _check_rows(block.name, bits.w_bits, channels, one_step=one_step)
        return MixedWeights(config.name, bits.w_bits, per_channel=not shared)
    setup = QuantizerSetup(
        precision=weight_precision(bits.w_bits), role="weight", channels=1 if shared else channels
    )
    return build_quantizer(config.name, setup)


def _check_rows(layer: str, w_bits: tuple[int, ...], channels: int, *, one_step: bool) -> None:
    if one_step:
        raise UnsupportedModelError(
            f"layer {shorten(layer)}: the last layer's channels share one step, so that the raw "
            "sums' argmax is the logits'; give it one w_bits"
        )
    if len(w_bits) != channels:
        raise ConfigError(
            f"layer {shorten(layer)} has {channels} output channels, the plan gives w_bits for "
            f"{len(w_bits)}"
        )


def _check_plan(plan: PrecisionPlan, blocks: list[Block], task: Task) -> None:
    names = [block.name for block in blocks]
    for name in names:
        plan[name]  # raises with the name that is missing
    for name in plan.layers:
        if name not in names:
            raise ConfigError(f"the plan's layer {shorten(name)} is not in the network")
    first = plan[names[0]].a_bits
    if first != task.precision.bits:
        raise ConfigError(
            f"layer {shorten(names[0])}: a_bits must be {task.precision.bits}, the input's own "
            f"width, not {first}"
        )


@torch.no_grad()
def _calibrate(net: QuantNet, x: Tensor) -> None:
    """Initialise each quantizer on what reaches it through the layers before, already quantized."""
    net.eval()
    for layer in net.chain:
        if isinstance(layer.inputs, Quantizer):
            layer.inputs.initialise(x)
        layer.weights.initialise(layer.linear.weight)
        x = layer(x)
    net.train()
