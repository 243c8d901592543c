"""Bitlengths learned with the weights, and the plan that they come to (BitPruning, Nikolic et al.,
arXiv 2002.03090; the quantizer and its gradient: `quant/quantizers/bitpruning.py`).

    loss + gamma * sum lambda_i n_i       (`quant/penalty.py`; gamma is what a net of 8 bits pays)

From 8 bits; then every length is rounded up and fixed, and the weights are trained on. What is
deployed afterwards is any quantizer at the plan.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from ir.errors import ConfigError, shorten
from ir.plan import LayerBits, PrecisionPlan, uniform_plan
from quant.data import SearchData
from quant.device import threads
from quant.layers import QuantLayer, QuantNet
from quant.objective import Objective
from quant.prepare import QuantizerConfig, layer_names, prepare
from quant.quantizers.bitpruning import LONGEST, BitPruning
from quant.recipe import Recipe, Schedule
from quant.train import CALIBRATION_IMAGES, fit, inputs_of

Granularity = Literal["network", "layer", "channel"]
Groups = Sequence[tuple[str, ...]]


class Bitlengths:
    """The real bitlengths of a network whose quantizers are all `BitPruning`.

    granularity: network, one length for all; layer, one for each layer's weights and one for each
    group's activations; channel, one for each output channel's weights (the last layer's share a
    step and so a length). groups: layers that read one tensor. tied: a group has one length for
    its weights and activations alike. The network's input keeps its own width.
    """

    def __init__(
        self, net: QuantNet, granularity: Granularity, groups: Groups, *, tied: bool = False
    ) -> None:
        self.net = net
        self._weights: dict[str, nn.Parameter] = {}
        self._inputs: dict[str, nn.Parameter] = {}
        everything = _length()
        layers = {layer.block_name: layer for layer in net.chain}
        for group in groups:
            shared = everything if granularity == "network" else _length()
            for name in group:
                own = shared if tied or granularity == "network" else _length()
                if granularity == "channel" and not tied:
                    own = _length(layers[name].weights.setup.channels)
                self._attach(layers[name], own, shared)

    def _attach(self, layer: QuantLayer, own: nn.Parameter, shared: nn.Parameter) -> None:
        assert isinstance(layer.weights, BitPruning)
        layer.weights.learn(own)
        self._weights[layer.block_name] = own
        if isinstance(layer.inputs, BitPruning):
            layer.inputs.learn(shared)
            self._inputs[layer.block_name] = shared

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Every length once."""
        return list({id(p): p for p in (*self._weights.values(), *self._inputs.values())}.values())

    def weights(self, layer: str) -> Tensor:
        """(1,), or (M,) with one for each output channel."""
        return self._weights[layer]

    def inputs(self, layer: str) -> Tensor | None:
        """(1,); None where the layer reads the network's input."""
        return self._inputs.get(layer)

    def freeze(self) -> None:
        """Round every length up and learn it no more."""
        for length in self.parameters:
            length.data.ceil_()
            length.requires_grad_(False)

    def plan(self) -> PrecisionPlan:
        """The lengths rounded up. Channels of one width are written as one width."""
        return PrecisionPlan({layer.block_name: self._bits(layer) for layer in self.net.chain})

    def _bits(self, layer: QuantLayer) -> LayerBits:
        widths = [int(n) for n in self.weights(layer.block_name).detach().ceil().tolist()]
        inputs = self.inputs(layer.block_name)
        return LayerBits(
            w_bits=widths[0] if len(set(widths)) == 1 else tuple(widths),
            a_bits=layer.inputs.precision.bits if inputs is None else int(inputs.detach().ceil()),
        )


Penalty = Callable[[Bitlengths], Tensor]


class Penalised(Objective):
    """Cross entropy plus gamma times what the lengths cost. gamma may be changed on the way."""

    def __init__(self, lengths: Bitlengths, penalty: Penalty, gamma: float) -> None:
        self.lengths = lengths
        self.penalty = penalty
        self.gamma = gamma

    def __call__(self, logits: Tensor, x: Tensor, labels: Tensor) -> Tensor:
        """See `Objective`."""
        return super().__call__(logits, x, labels) + self.gamma * self.penalty(self.lengths)


@dataclass(frozen=True, kw_only=True)
class LearningConfig:
    """gamma: what a net of 8 bits pays. recipe: while lengths are learned; after: once they are
    fixed. AdamW is ours: it makes lengths move whatever the size of a network's gradients."""

    granularity: Granularity = "layer"
    gamma: float = 1.0
    recipe: Recipe = field(
        default_factory=lambda: Recipe(
            epochs=30, learning_rate=0.005, schedule=Schedule(final_share=0.1)
        )
    )
    after: Recipe = field(default_factory=lambda: Recipe(epochs=10, learning_rate=0.002))

    def __post_init__(self) -> None:
        if self.granularity not in ("network", "layer", "channel"):
            raise ConfigError(
                f"granularity must be network, layer or channel, not {shorten(self.granularity)}"
            )
        if not 0 <= self.gamma < float("inf"):
            raise ConfigError(f"gamma must not be negative, not {self.gamma}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """net: the min-max network at the fixed lengths, to be judged beside what is deployed."""

    plan: PrecisionPlan
    net: QuantNet


def learn_bitlengths(
    model: nn.Module, data: SearchData, config: LearningConfig, penalty: Penalty
) -> Learned:
    """The whole procedure on a copy of ``model``, float or quantized; it stays as it is."""
    per_channel = config.granularity == "channel"
    net = minmax_net(model, data, threads_used=config.recipe.threads, per_channel=per_channel)
    lengths = Bitlengths(net, config.granularity, net.links)
    fit(net, data, config.recipe, objective=Penalised(lengths, penalty, config.gamma))
    lengths.freeze()
    fit(net, data, config.after)
    return Learned(plan=lengths.plan(), net=net)


def minmax_net(
    model: nn.Module, data: SearchData, *, threads_used: int, per_channel: bool = False
) -> QuantNet:
    """A copy of ``model`` at 8 bits under `BitPruning`, its lengths not learned yet."""
    names = layer_names(model)
    plan = uniform_plan(names, int(LONGEST), first_a_bits=data.task.precision.bits)
    quantizer = QuantizerConfig(
        name="bitpruning", granularity="per_channel" if per_channel else "per_tensor"
    )
    with threads(threads_used):
        sample = inputs_of(data.train)[:CALIBRATION_IMAGES]
        return prepare(model, plan, task=data.task, calibration=sample, quantizer=quantizer)


def _length(count: int = 1) -> nn.Parameter:
    return nn.Parameter(torch.full((count,), LONGEST))
