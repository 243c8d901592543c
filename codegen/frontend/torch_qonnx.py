"""A float torch module as a QONNX file: quantizers put in where the overlay needs codes.

Activations are quantized where a convolution, linear layer, addition, average or concatenation
reads them, with the step that their range on calibration images gives. What meets in an addition or
concatenation shares one step, through maxima and reshapes. Weights have one step for each output
channel, the one that keeps them best. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper
from torch import Tensor, nn

from codegen.onnx_nodes import DOMAIN, OPSET, OnnxNodes
from ir.errors import ConfigError, shorten
from ir.plan import check_width
from quant.structure import MOVERS, READERS, WEIGHTED, node_of, share_steps
from quant.trace import Operation, Traced, trace

READS_CODES = (*READERS, "Concat", "Pad")
SHARES = np.linspace(0.3, 1.0, 15)
"""Of the largest weight: where the range of a channel may end."""


@dataclass(frozen=True, kw_only=True)
class Bits:
    """Widths of every layer, or of those that are named: {layer: (weights, its input)}.

    image: of the network's input.
    """

    weights: int = 4
    activations: int = 4
    image: int = 8
    layers: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pairs = [(self.weights, self.activations), *self.layers.values()]
        for width in [self.image, *(width for pair in pairs for width in pair)]:
            check_width(width, "bits")


def to_qonnx(
    model: nn.Module, images: Tensor, bits: Bits | None = None, name: str = "network"
) -> onnx.ModelProto:
    """images: (N, C, H, W) float, typical inputs. UnsupportedModelError: operations in the way."""
    if images.ndim < 2 or not len(images):
        raise ConfigError(f"images must be (N, ...), not {tuple(images.shape)}")
    return _Writer(trace(model, images), bits or Bits()).write(name)


class _Writer(OnnxNodes):
    """Operations one by one, quantizers before those that read codes."""

    def __init__(self, traced: Traced, bits: Bits) -> None:
        super().__init__()
        self.traced, self.bits = traced, bits
        self.known = {node_of(op): op for op in traced.operations}
        self.known[traced.input.name] = traced.input
        self._refuse_unknown_layers()
        self.groups = share_steps(traced)
        self.coded: dict[str, str] = {}

    def write(self, name: str) -> onnx.ModelProto:
        for operation in self.traced.operations:
            self._operation(operation)
        source, last = self.traced.input, self.traced.operations[-1]
        shape = (1, *source.shape[1:])
        inputs = [helper.make_tensor_value_info(source.name, TensorProto.FLOAT, shape)]
        outputs = [helper.make_tensor_value_info(node_of(last), TensorProto.FLOAT, None)]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.constants)
        versions = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
        return helper.make_model(graph, opset_imports=versions, ir_version=8)

    def _refuse_unknown_layers(self) -> None:
        layers = {op.name for op in self.traced.operations if op.op in WEIGHTED}
        for name in self.bits.layers:
            if name not in layers:
                known = ", ".join(sorted(layers))
                raise ConfigError(f"bits name {name!r}, which is no layer; there is: {known}")

    def _operation(self, operation: Operation) -> None:
        reads = operation.op in READS_CODES
        inputs = [self._codes(name) if reads else self._place(name) for name in operation.inputs]
        numbers = {key: value for key, value in operation.numbers.items() if key != "node"}
        tensors = dict(operation.tensors)
        if "weight" in tensors:
            inputs.append(self._weights(operation.name, tensors.pop("weight")))
        inputs += [self.constant(_array(tensor)) for tensor in tensors.values()]
        if operation.op == "Pad":
            inputs.append(self.constant(np.array(numbers.pop("pads"), np.int64)))
        self.add(operation.op, inputs, node_of(operation), operation.name, numbers)
        if operation.op in MOVERS and operation.inputs[0] in self.coded:
            self.coded[node_of(operation)] = node_of(operation)

    def _place(self, name: str) -> str:
        """Codes where there are some already, else the floats."""
        return self.coded.get(name, name)

    def _codes(self, name: str) -> str:
        """The quantized activation. What shares a step shares a sign: its planes are added."""
        if name not in self.coded:
            group = self.groups[name]
            members = [self.known[n].range for n, root in self.groups.items() if root == group]
            bits, signed = self._bits(name), any(member.least < 0 for member in members)
            if bits == 1 and signed:
                raise ConfigError(
                    f"{shorten(name)}: activations below zero need 2 bits or more, not 1"
                )
            greatest = max(max(member.reach for member in members), 1e-12)
            step = np.float32(greatest / ((1 << (bits - signed)) - 1))
            self.coded[name] = f"{name}.codes"
            self._quant(name, step, bits, signed, f"{name}.codes", f"{name}.quant")
        return self.coded[name]

    def _bits(self, name: str) -> int:
        """The widest that a layer asks for which reads a member of the group."""
        if self.groups[name] == self.groups[self.traced.input.name]:
            return self.bits.image
        asked = [
            self.bits.layers[op.name][1]
            for op in self.traced.operations
            if op.name in self.bits.layers
            and any(self.groups[n] == self.groups[name] for n in op.inputs)
        ]
        return max(asked, default=self.bits.activations)

    def _weights(self, layer: str, weight: Tensor) -> str:
        values = _array(weight)
        bits = self.bits.layers.get(layer, (self.bits.weights, 0))[0]
        floats = self.constant(values)
        output = f"{layer}.weights"
        if bits == 1:
            scale = np.abs(values.reshape(len(values), -1)).mean(axis=1)
            inputs = [floats, self.constant(_shaped(np.maximum(scale, 1e-12), values))]
            self.add("BipolarQuant", inputs, output, f"{layer}.weights_quant", {}, DOMAIN)
            return output
        steps = best_steps(values, bits)
        self._quant(floats, _shaped(steps, values), bits, True, output, f"{layer}.weights_quant")
        return output

    def _quant(
        self,
        source: str,
        step: np.ndarray | np.float32,
        bits: int,
        signed: bool,
        output: str,
        name: str,
    ) -> None:
        numbers = [self.constant(np.asarray(v, np.float32)) for v in (step, 0.0, bits)]
        kind = {"signed": int(signed), "narrow": int(signed), "rounding_mode": "ROUND"}
        self.add("Quant", [source, *numbers], output, name, kind, DOMAIN)


def best_steps(values: np.ndarray, bits: int) -> np.ndarray:
    """(M,) the step of each output channel with the least squared error among SHARES of its range.

    values: (M, ...) floats.
    """
    rows = values.reshape(len(values), -1).astype(np.float64)
    top = (1 << (bits - 1)) - 1
    greatest = np.maximum(np.abs(rows).max(axis=1), 1e-12)
    best, errors = greatest / top, np.full(len(rows), np.inf)
    for share in SHARES:
        steps = share * greatest / top
        codes = np.clip(np.rint(rows / steps[:, np.newaxis]), -top, top)
        error = ((codes * steps[:, np.newaxis] - rows) ** 2).sum(axis=1)
        best = np.where(error < errors, steps, best)
        errors = np.minimum(error, errors)
    return best.astype(np.float32)


def _shaped(steps: np.ndarray, values: np.ndarray) -> np.ndarray:
    return steps.astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().numpy()
