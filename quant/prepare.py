"""A float network and a plan become a quantized network, its steps set on a calibration batch.

Any traced module: see `quant/structure.py` for where quantizers go. The user's own code stays as it
is; the quantized network is a copy of its graph.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn

from ir.errors import ConfigError, UnsupportedModelError, shorten
from ir.plan import LayerBits, PrecisionPlan
from ir.precision import MAX_OPERAND_BITS, Precision, weight_precision
from quant.bipolar import build_quantizer
from quant.body import float_net, quantized_body
from quant.data import Task
from quant.layers import Activations, InputGrid, QuantLayer, QuantNet
from quant.mixed import MixedWeights
from quant.quantizer import Quantizer, QuantizerSetup
from quant.structure import WEIGHTED, Structure, read_structure
from quant.trace import symbolic, trace

Granularity = Literal["per_tensor", "per_channel"]

JOIN_BITS = MAX_OPERAND_BITS
"""Of activations that no layer with weights reads, so that the plan says nothing about them."""


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


def layer_names(model: nn.Module) -> list[str]:
    """The names that a plan for this network has, in running order."""
    if isinstance(model, QuantNet):
        return model.structure.layers
    module = symbolic(model)
    return [name for node in module.graph.nodes if (name := _layer_name(node, module))]


def check_supported(model: nn.Module, task: Task) -> list[str]:
    """The layer names of a float network; UnsupportedModelError names what is in the way."""
    return read_structure(trace(model, torch.zeros(1, *task.shape))).layers


def layers_at_input(model: nn.Module, task: Task) -> list[str]:
    """The layers that read the network's input, whose a_bits are the input's own width."""
    return read_structure(trace(model, torch.zeros(1, *task.shape))).at_input


def prepare(
    model: nn.Module,
    plan: PrecisionPlan,
    *,
    task: Task,
    calibration: Tensor,
    quantizer: QuantizerConfig,
) -> QuantNet:
    """A quantized copy of ``model``, float or quantized, at ``plan``; the model stays as it is.

    Of a quantized one, quantizers whose bits stay keep what they have learned; all others start
    anew. calibration: (N, C, H, W) float, typical inputs. ConfigError when the plan does not fit
    the network, UnsupportedModelError when the overlay does not.
    """
    source = float_net(model) if isinstance(model, QuantNet) else model
    traced = trace(source, torch.zeros(1, *task.shape))
    structure = read_structure(traced)
    _check_plan(plan, structure, task)

    def weights(name: str, linear: nn.Conv2d | nn.Linear) -> Quantizer:
        return _weights(quantizer, plan[name], name, linear, one_step=name == structure.last)

    inputs = _activations(quantizer, plan, structure, task)
    net = QuantNet(task, quantized_body(traced, structure, inputs, weights), structure)
    net.eval()
    with torch.no_grad(), _batch_statistics(net.body if len(calibration) > 1 else nn.Identity()):
        _Calibration(net.body, _learned(model)).run(calibration)
    return net.train()


@contextmanager
def _batch_statistics(body: nn.Module) -> Iterator[None]:
    """Batch norms as training will run them, without learning from it; all else as in inference.

    Their statistics may be of other bits: a channel whose weights were all rounded to zero has
    none, and would come out of its norm 300 times too large.
    """
    norms = [m for m in body.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    kept = [(norm, norm.momentum) for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 0.0
    yield
    for norm, momentum in kept:
        norm.momentum = momentum


def _layer_name(node: fx.Node, module: fx.GraphModule) -> str | None:
    if node.op == "call_module":
        kind = module.get_submodule(str(node.target))
        return str(node.target) if isinstance(kind, nn.Conv2d | nn.Linear) else None
    functions = (nn.functional.conv2d, nn.functional.linear)
    return node.name if node.op == "call_function" and node.target in functions else None


def _activations(
    config: QuantizerConfig, plan: PrecisionPlan, structure: Structure, task: Task
) -> dict[str, Activations]:
    """{group: its quantizer}."""
    found: dict[str, Activations] = {}
    for reader in structure.readers:
        group = structure.read_by(reader)
        if group == structure.groups[structure.input]:
            found.setdefault(group, InputGrid(task.precision, task.scale))
        elif group not in found:
            signed = group not in structure.unsigned
            precision = Precision(_group_bits(group, plan, structure), signed=signed)
            setup = QuantizerSetup(precision=precision, role="activation")
            found[group] = build_quantizer(config.name, setup)
    return found


def _group_bits(group: str, plan: PrecisionPlan, structure: Structure) -> int:
    """ConfigError: layers that read one step want several widths."""
    asked = {
        reader.name: plan[reader.name].a_bits
        for reader in structure.readers
        if reader.op in WEIGHTED and structure.read_by(reader) == group
    }
    if len(set(asked.values())) > 1:
        named = ", ".join(f"{shorten(name)} {bits}" for name, bits in asked.items())
        raise ConfigError(f"these layers read activations of one step, so of one a_bits: {named}")
    return next(iter(asked.values()), JOIN_BITS)


def _weights(
    config: QuantizerConfig,
    bits: LayerBits,
    name: str,
    linear: nn.Conv2d | nn.Linear,
    *,
    one_step: bool,
) -> Quantizer:
    shared = one_step or config.granularity == "per_tensor"
    channels = linear.weight.shape[0]
    if isinstance(bits.w_bits, tuple):
        _check_rows(name, bits.w_bits, channels, one_step=one_step)
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


def _check_plan(plan: PrecisionPlan, structure: Structure, task: Task) -> None:
    for name in structure.layers:
        plan[name]  # raises with the name that is missing
    for name in plan.layers:
        if name not in structure.layers:
            raise ConfigError(f"the plan's layer {shorten(name)} is not in the network")
    for name in structure.at_input:
        asked = plan[name].a_bits
        if asked != task.precision.bits:
            raise ConfigError(
                f"layer {shorten(name)}: a_bits must be {task.precision.bits}, the input's own "
                f"width, not {asked} (so of all of quant.prepare.layers_at_input)"
            )


def _learned(model: nn.Module) -> dict[str, Quantizer]:
    """{place in the body: quantizer} of a quantized network; a shared one has several places."""
    if not isinstance(model, QuantNet):
        return {}
    places = model.body.named_modules(remove_duplicate=False)
    return {place: module for place, module in places if isinstance(module, Quantizer)}


class _Calibration(fx.Interpreter):
    """Initialises each quantizer on what has reached it through those before, already quantized.

    learned: {place: what was there before}, see `Quantizer.resume`.
    """

    def __init__(self, body: fx.GraphModule, learned: Mapping[str, Quantizer]) -> None:
        super().__init__(body)
        self.learned = learned
        self.seen: dict[Quantizer, list[Tensor]] = {}

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        module = self.fetch_attr(target)
        if isinstance(module, QuantLayer):
            self._initialise(f"{target}.inputs", module.inputs, args[0])
            self._initialise(f"{target}.weights", module.weights, module.linear.weight)
        else:
            self._initialise(target, module, args[0])
        return super().call_module(target, args, kwargs)

    def _initialise(self, place: str, module: nn.Module, x: Tensor) -> None:
        if not isinstance(module, Quantizer):
            return
        seen = self.seen.setdefault(module, [])
        if any(x is other for other in seen):
            return
        seen.append(x)
        several = [other.flatten() for other in seen]
        module.initialise(x if len(seen) == 1 else torch.cat(several))
        if place in self.learned:
            module.resume(self.learned[place])
