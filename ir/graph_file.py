"""graph.json: an IntegerGraph as a file, whole or not at all; read without trusting it."""

from pathlib import Path
from typing import Any

import numpy as np

from ir.errors import BitwrightError, ConfigError, shorten
from ir.files import read_json, write_json
from ir.graph import IntegerGraph
from ir.nodes import Conv, MatMul, Node, Requantize, Tensor
from ir.precision import precision_from_dict

FORMAT = "bitwright graph 1"


def save_graph(graph: IntegerGraph, path: Path) -> None:
    """Write the graph with all its weights."""
    write_json(path, graph_to_dict(graph), indent=None)


def load_graph(path: Path) -> IntegerGraph:
    """A verified graph; ConfigError or UnsupportedModelError names the file and what is wrong."""
    data = read_json(path)
    try:
        return graph_from_dict(data)
    except BitwrightError as cause:
        raise type(cause)(f"{path}: {cause}") from cause


def graph_to_dict(graph: IntegerGraph) -> dict[str, Any]:
    """Plain JSON values and arrays; :func:`graph_from_dict` reads them back."""
    return {
        "format": FORMAT,
        "name": graph.name,
        "input": graph.input,
        "output": graph.output,
        "tensors": [
            {"name": t.name, "shape": list(t.shape), "precision": t.precision.to_dict()}
            for t in graph.tensors.values()
        ],
        "nodes": [_node_to_dict(node) for node in graph.nodes],
    }


def graph_from_dict(data: Any) -> IntegerGraph:
    """Inverse of :func:`graph_to_dict`, verified."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ConfigError(f"not a {FORMAT!r} document")
    try:
        tensors = [_tensor_from_dict(entry) for entry in data["tensors"]]
        graph = IntegerGraph(
            str(data["name"]),
            {tensor.name: tensor for tensor in tensors},
            [_node_from_dict(entry) for entry in data["nodes"]],
            str(data["input"]),
            str(data["output"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as cause:
        raise ConfigError(f"a part of the graph is missing or wrong: {shorten(cause)}") from cause
    return graph.verify()


def _node_to_dict(node: Node) -> dict[str, Any]:
    common = {"kind": type(node).__name__, "name": node.name}
    common |= {"input": node.input, "output": node.output}
    if isinstance(node, Requantize):
        rule = {"multiplier": node.multiplier, "offset": node.offset, "shift": node.shift}
        return common | rule | {"lo": node.lo, "hi": node.hi}
    common |= {"weight": node.weight, "precision": node.precision.to_dict()}
    if isinstance(node, Conv):
        common |= {"stride": node.stride, "padding": node.padding}
    return common


def _node_from_dict(data: dict[str, Any]) -> Node:
    ends = (str(data["name"]), str(data["input"]), str(data["output"]))
    if data["kind"] == "Requantize":
        clip = (int(data["shift"]), int(data["lo"]), int(data["hi"]))
        return Requantize(*ends, _integers(data["multiplier"]), _integers(data["offset"]), *clip)
    weight, precision = _integers(data["weight"]), precision_from_dict(data["precision"])
    if data["kind"] == "MatMul":
        return MatMul(*ends, weight, precision)
    if data["kind"] == "Conv":
        return Conv(*ends, weight, precision, int(data["stride"]), int(data["padding"]))
    raise ConfigError(f"unknown kind of node {shorten(data['kind'])}")


def _tensor_from_dict(data: dict[str, Any]) -> Tensor:
    channels, height, width = (int(size) for size in data["shape"])
    return Tensor(
        str(data["name"]), (channels, height, width), precision_from_dict(data["precision"])
    )


def _integers(values: Any) -> np.ndarray:
    """Nested lists of integers -> int64; a float, text or ragged list is a ValueError."""
    array = np.array(values)
    if array.dtype != np.int64:
        raise ValueError(f"integers expected, not {array.dtype}")
    return array
