"""An ONNX file, read without trusting it: nodes in running order, constants as arrays.

Files are hostile until read. Whatever is wrong with one is a ConfigError that names the file; what
is well-formed but not for us is found later, node by node.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import helper

from codegen.frontend.qonnx.tensors import tensor_values
from ir.errors import ConfigError, shorten
from ir.files import read_bytes

DATATYPE_KEY = "finn_datatype"
"""Of an annotation that says which integers a tensor holds."""


MOST_VALUES = 1 << 28
"""Of one input: more would fill the memory before anything is found wrong."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OnnxNode:
    """name: as in the file, or what it writes where it has none; not unique in every file."""

    name: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class OnnxModel:
    """nodes: those that the output depends on, each behind those that it reads.

    input_shape: with the batch, whose size is 1 where the file leaves it open. datatypes: what
    annotations say of tensors. opsets: {domain: version}.
    """

    name: str
    nodes: list[OnnxNode]
    constants: dict[str, np.ndarray]
    input: str
    input_shape: tuple[int, ...]
    output: str
    opsets: Mapping[str, int]
    datatypes: Mapping[str, str] = field(default_factory=dict)


def read_onnx(path: Path) -> OnnxModel:
    """The model at `path`. ConfigError: unreadable, broken, or not one input and one output."""
    try:
        model = onnx.load_model_from_string(read_bytes(path))
        return _model(path, model)
    except ConfigError as cause:
        raise ConfigError(f"{path}: {cause}" if str(path) not in str(cause) else str(cause)) from (
            cause.__cause__ or cause
        )
    except (DecodeError, ValueError, TypeError, OverflowError, RecursionError) as cause:
        raise ConfigError(f"{path} is no ONNX file, or cut short") from cause


def _model(path: Path, model: onnx.ModelProto) -> OnnxModel:
    graph = model.graph
    if not graph.node or not graph.output:
        raise ConfigError("no ONNX file, or cut short: it has no nodes, or no output")
    constants = {t.name: tensor_values(t, path.parent) for t in graph.initializer}
    if len(graph.output) != 1:
        names = ", ".join(shorten(value.name) for value in graph.output[:4])
        raise ConfigError(f"one output expected, not {len(graph.output)} ({names})")
    source = _input(graph, constants)
    nodes = _in_order([_node(node) for node in graph.node], {source.name, *constants})
    return OnnxModel(
        name=graph.name or path.stem,
        nodes=_live(nodes, graph.output[0].name, {source.name, *constants}),
        constants=constants,
        input=source.name,
        input_shape=_shape(source),
        output=graph.output[0].name,
        opsets={entry.domain: entry.version for entry in model.opset_import},
        datatypes=_datatypes(graph),
    )


def _input(graph: onnx.GraphProto, constants: Mapping[str, Any]) -> onnx.ValueInfoProto:
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(shorten(value.name) for value in inputs[:4]) or "none"
        raise ConfigError(f"one input expected, not {len(inputs)} ({names})")
    return inputs[0]


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """Sizes of the input; only the batch may be left open."""
    if not value.type.HasField("tensor_type"):
        raise ConfigError(f"input {shorten(value.name)} is no tensor")
    sizes: list[int] = []
    for place, dim in enumerate(value.type.tensor_type.shape.dim):
        known = dim.HasField("dim_value")
        if not known and place:
            raise ConfigError(
                f"input {shorten(value.name)}: dimension {place} "
                f"({shorten(dim.dim_param) if dim.dim_param else 'no size'}) is dynamic; export "
                "the model with a fixed size"
            )
        sizes.append(dim.dim_value if known else 1)
    if len(sizes) < 2:
        raise ConfigError(
            f"input {shorten(value.name)}: a batch and one to three dimensions expected, not the "
            f"shape {tuple(sizes)}; export the model with a fixed shape"
        )
    if min(sizes) < 1:
        raise ConfigError(f"input {shorten(value.name)}: shape {tuple(sizes)} holds no values")
    if math.prod(sizes) > MOST_VALUES:
        raise ConfigError(
            f"input {shorten(value.name)}: shape {tuple(sizes)} holds more than {MOST_VALUES} "
            "values"
        )
    return tuple(sizes)


def _node(node: onnx.NodeProto) -> OnnxNode:
    outputs = tuple(node.output)
    if not outputs:
        raise ConfigError(f"node {shorten(node.name)} writes nothing")
    return OnnxNode(
        name=node.name or outputs[0],
        op=node.op_type,
        domain=node.domain,
        inputs=tuple(node.input),
        outputs=outputs,
        attributes={a.name: helper.get_attribute_value(a) for a in node.attribute},
    )


def _in_order(nodes: list[OnnxNode], known: set[str]) -> list[OnnxNode]:
    """Each behind those whose outputs it reads. ConfigError: a cycle, or a tensor of no one."""
    writer: dict[str, int] = {}
    for place, node in enumerate(nodes):
        for name in filter(None, node.outputs):
            if name in writer or name in known:
                raise ConfigError(f"tensor {shorten(name)} is written twice")
            writer[name] = place
    readers: dict[int, list[int]] = {}
    waits = [0] * len(nodes)
    for place, node in enumerate(nodes):
        for name in filter(None, node.inputs):
            if name in known:
                continue
            if name not in writer:
                raise ConfigError(
                    f"node {shorten(node.name)} reads {shorten(name)}, which nobody writes"
                )
            readers.setdefault(writer[name], []).append(place)
            waits[place] += 1
    ready = deque(place for place, count in enumerate(waits) if count == 0)
    order: list[OnnxNode] = []
    while ready:
        place = ready.popleft()
        order.append(nodes[place])
        for reader in readers.get(place, []):
            waits[reader] -= 1
            if waits[reader] == 0:
                ready.append(reader)
    if len(order) < len(nodes):
        stuck = next(node for node, count in zip(nodes, waits, strict=True) if count)
        raise ConfigError(f"the graph is cyclic: node {shorten(stuck.name)} waits for itself")
    return order


def _live(nodes: list[OnnxNode], output: str, known: set[str]) -> list[OnnxNode]:
    """Those that the output depends on."""
    needed, kept = {output}, []
    for node in reversed(nodes):
        if needed.intersection(node.outputs):
            kept.append(node)
            needed.update(filter(None, node.inputs))
    if not kept:
        raise ConfigError(f"output {shorten(output)} is computed by no node")
    return kept[::-1]


def _datatypes(graph: onnx.GraphProto) -> dict[str, str]:
    return {
        entry.tensor_name: pair.value
        for entry in graph.quantization_annotation
        for pair in entry.quant_parameter_tensor_names
        if pair.key == DATATYPE_KEY
    }
