"""An IntegerGraph as a QONNX file, which any executor of QONNX computes to the same integers.

    input Quant / BipolarQuant of step 1 -> Conv, Gemm, Add, averages on floats that are integers
    -> MultiThreshold, one threshold a code -> ...

Weights are initializers behind a Quant of step 1. Every rule is the same thing, a staircase, and is
written as its thresholds, found by exact search through the golden model; they lie half between two
sums, so that an average's division may round. Where codes fall as sums grow, the sums are negated
first. What QONNX has no word for, widths by output channel, is written at the widest: the integers
are the same.

Format: Pappalardo et al., arXiv:2206.07527.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from codegen.onnx_nodes import DOMAIN, OPSET, OnnxNodes
from codegen.staircase import find_staircase
from ir.errors import UnsupportedModelError
from ir.golden import run_node
from ir.graph import IntegerGraph, Layer
from ir.nodes import (
    Add,
    AveragePool,
    Concat,
    Conv,
    GlobalAveragePool,
    Linear,
    MatMul,
    MaxPool,
    Node,
    Pool,
    Requantize,
    Rule,
    Sums,
    Threshold,
    sides,
)
from ir.precision import Precision
from ir.shapes import sums_range

EXACT = 1 << 24
"""Integers up to here are float32 numbers."""
BEYOND = float(1 << 40)
"""A threshold that no sum reaches; negated, one that every sum has reached."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Written:
    """notes: layers whose sums may exceed what executors carry in float32."""

    proto: onnx.ModelProto
    notes: tuple[str, ...]


def write_qonnx(graph: IntegerGraph) -> Written:
    """Input and output are integers, as floats (N, C, H, W); the output of a matrix product is (N,
    M). UnsupportedModelError names the layer that float32 cannot hold.
    """
    return _Writer(graph).write()


class _Writer(OnnxNodes):
    """Nodes one by one. flat: tensors that are (N, M); sums: of averages, under their own name."""

    def __init__(self, graph: IntegerGraph) -> None:
        super().__init__()
        self.graph = graph
        self.layers = {layer.linear.output: layer for layer in graph.layers()}
        self.notes: list[str] = []
        self.flat: set[str] = set()
        self.sums: dict[str, str] = {}

    def write(self) -> Written:
        graph = self.graph
        source = graph.tensors[graph.input]
        self._quantizer(f"{graph.input}.floats", source.precision, graph.input, "input.quantizer")
        for node in graph.nodes:
            self._node(node)
        inputs = [_value(f"{graph.input}.floats", (1, *source.shape))]
        shape = graph.tensors[graph.output].shape
        outputs = [_value(graph.output, (1, *(shape[:1] if graph.output in self.flat else shape)))]
        made = helper.make_graph(self.nodes, graph.name, inputs, outputs, self.constants)
        versions = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
        proto = helper.make_model(made, opset_imports=versions, ir_version=8)
        return Written(proto=proto, notes=tuple(self.notes))

    def _node(self, node: Node) -> None:
        match node:
            case Conv():
                self._conv(node)
            case MatMul():
                self._matmul(node)
            case Add():
                inputs = [self._image(name) for name in node.inputs]
                self.add("Add", inputs, node.output, node.name)
            case AveragePool():
                self._average(node, "AveragePool", _window(node) | {"count_include_pad": 1})
            case GlobalAveragePool():
                self._average(node, "GlobalAveragePool", {})
            case MaxPool():
                inputs = [self._image(node.input)]
                self.add("MaxPool", inputs, node.output, node.name, _window(node))
            case Concat():
                inputs = [self._image(name) for name in node.inputs]
                self.add("Concat", inputs, node.output, node.name, {"axis": 1})
            case _:
                self._rule(self.layers[node.input])

    def _average(self, node: Pool, op: str, numbers: Mapping[str, Any]) -> None:
        """ONNX divides: what the tensor of sums stands for is its mean."""
        self.sums[node.output] = f"{node.name}.mean"
        self.add(op, [self._image(node.input)], self.sums[node.output], node.name, numbers)

    def _conv(self, node: Conv) -> None:
        top, left, bottom, right = pads = sides(node.padding)
        source = self._image(node.input)
        if node.pad_value and any(pads):
            around = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
            number = self.constant(np.array(node.pad_value, np.float32))
            source = self.add(
                "Pad",
                [source, self.constant(around), number],
                f"{node.name}.padded",
                f"{node.name}.pad",
            )
            pads = (0, 0, 0, 0)
        numbers = {
            "kernel_shape": list(node.kernel),
            "strides": [node.stride] * 2,
            "dilations": [node.dilation] * 2,
            "pads": list(pads),
            "group": node.groups,
        }
        self.add("Conv", [source, self._weights(node)], node.output, node.name, numbers)

    def _matmul(self, node: MatMul) -> None:
        source = node.input
        if source not in self.flat:
            source = self.add("Flatten", [source], f"{node.name}.flat", f"{node.name}.flatten")
        inputs = [source, self._weights(node)]
        self.add("Gemm", inputs, node.output, node.name, {"transB": 1})
        self.flat.add(node.output)

    def _weights(self, node: Linear) -> str:
        floats = self.constant(node.weight.astype(np.float32))
        return self._quantizer(
            floats, node.precision, f"{node.name}.weights", f"{node.name}.weights_quantizer"
        )

    def _quantizer(self, source: str, precision: Precision, output: str, name: str) -> str:
        """Step 1: integers stay what they are."""
        one = self.constant(np.array(1.0, np.float32))
        if precision.bipolar:
            return self.add("BipolarQuant", [source, one], output, name, domain=DOMAIN)
        rest = [self.constant(np.array(v, np.float32)) for v in (0, precision.bits)]
        kind = {"signed": int(precision.signed), "narrow": 0, "rounding_mode": "ROUND"}
        return self.add("Quant", [source, one, *rest], output, name, kind, DOMAIN)

    def _rule(self, layer: Layer) -> None:
        rule, precision = layer.requantize, self.graph.tensors[layer.output].precision
        assert isinstance(layer.linear, Sums)
        low, high = self._range(layer.linear)
        if max(-low, high) > EXACT:
            self.notes.append(
                f"layer {layer.name!r}: sums may reach {max(-low, high)}, beyond {EXACT}, up to "
                "which float32 has every integer; executors that compute in floats may round"
            )
        if not precision.is_operand:
            self._raw(rule)
            return
        table, sign = self._thresholds(layer, precision, (low, high))
        source = self.sums.get(rule.input, rule.input)
        if (sign < 0).any():
            factors = self._per_channel(sign, source)
            source = self.add("Mul", [source, factors], f"{rule.name}.risen", f"{rule.name}.rise")
        step = 2 if precision.bipolar else 1
        numbers = {
            "out_dtype": "BIPOLAR" if precision.bipolar else _datatype(precision),
            "out_scale": float(step),
            "out_bias": float(precision.min),
            "data_layout": "NC" if rule.input in self.flat else "NCHW",
        }
        inputs = [source, self.constant(table.astype(np.float32))]
        self.add("MultiThreshold", inputs, rule.output, rule.name, numbers, DOMAIN)
        if rule.input in self.flat:
            self.flat.add(rule.output)

    def _thresholds(
        self, layer: Layer, precision: Precision, ends: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """((C, codes - 1) float64 limits of the floats that reach each code, (C,) signs)."""
        rule, (low, high) = layer.requantize, ends
        sign = _signs(rule)
        stairs = find_staircase(
            lambda sums: run_node(rule, sums.T[:, :, np.newaxis, np.newaxis])[:, :, 0, 0].T,
            sign,
            low=low,
            high=high,
            lo=precision.min,
            hi=precision.max,
            step=2 if precision.bipolar else 1,
        )
        least, most = np.minimum(sign * low, sign * high), np.maximum(sign * low, sign * high)
        found = stairs.thresholds.astype(np.float64)
        reached = np.where(stairs.thresholds <= least[:, np.newaxis], -BEYOND, found - 0.5)
        limits = np.where(stairs.thresholds > most[:, np.newaxis], BEYOND, reached)
        inside = np.abs(limits[np.abs(limits) < BEYOND])
        share = self._share(layer.linear)
        if inside.size and inside.max() * share > EXACT / 2:
            raise UnsupportedModelError(
                f"layer {layer.name!r}: a code begins at a sum of {int(inside.max())}, which "
                "QONNX's float32 cannot tell from the next; use fewer bits"
            )
        below, above = stairs.lo - precision.min, precision.max - stairs.hi
        rows = len(limits)
        ends_of = (np.full((rows, below), -BEYOND), limits, np.full((rows, above), BEYOND))
        return np.concatenate(ends_of, axis=1) / share, sign

    def _share(self, node: Node) -> int:
        """What an ONNX average divides by."""
        if isinstance(node, AveragePool):
            return node.kernel[0] * node.kernel[1]
        if isinstance(node, GlobalAveragePool):
            _, height, width = self.graph.tensors[node.input].shape
            return height * width
        return 1

    def _raw(self, rule: Rule) -> None:
        """acc * M + B, as the device writes 32-bit outputs."""
        if not isinstance(rule, Requantize) or rule.shift:
            raise UnsupportedModelError(
                f"{rule.name}: outputs of more than 8 bits are written as acc * M + B; use a shift "
                "of 0"
            )
        factors, offsets = (
            self._per_channel(values, rule.input) for values in (rule.multiplier, rule.offset)
        )
        scaled = self.add("Mul", [rule.input, factors], f"{rule.name}.scaled", f"{rule.name}.by")
        self.add("Add", [scaled, offsets], rule.output, rule.name)
        if rule.input in self.flat:
            self.flat.add(rule.output)

    def _range(self, node: Sums) -> tuple[int, int]:
        sources = [self.graph.tensors[name] for name in node.inputs]
        return sums_range(node, [s.shape for s in sources], [s.precision for s in sources])

    def _image(self, name: str) -> str:
        """(N, C, H, W) of a tensor."""
        if name not in self.flat:
            return name
        axes = self.constant(np.array([2, 3], np.int64))
        spread = f"{name}.image{len(self.nodes)}"
        return self.add("Unsqueeze", [name, axes], spread, spread)

    def _per_channel(self, values: np.ndarray, like: str) -> str:
        shape = (1, -1) if like in self.flat else (1, -1, 1, 1)
        return self.constant(values.astype(np.float32).reshape(shape))


def _signs(rule: Rule) -> np.ndarray:
    """(C,) -1 where codes fall as sums grow."""
    if isinstance(rule, Threshold):
        return rule.sign
    return np.where(np.atleast_2d(rule.multiplier).sum(axis=0) < 0, -1, 1)


def _window(node: AveragePool | MaxPool) -> dict[str, Any]:
    return {
        "kernel_shape": list(node.kernel),
        "strides": [node.stride] * 2,
        "pads": list(sides(node.padding)),
    }


def _datatype(precision: Precision) -> str:
    return f"{'INT' if precision.signed else 'UINT'}{precision.bits}"


def _value(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
