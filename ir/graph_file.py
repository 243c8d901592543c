"""graph.json: an IntegerGraph as a file, whole or not at all; read without trusting it."""

from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ir.errors import BitwrightError, ConfigError, shorten
from ir.files import read_json, write_json
from ir.graph import IntegerGraph
from ir.nodes import Node, Tensor
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
    """A node's fields by name; nodes hold plain values, arrays and one precision."""
    values = {field.name: getattr(node, field.name) for field in fields(node)}
    if "precision" in values:
        values["precision"] = values["precision"].to_dict()
    return {"kind": type(node).__name__} | values


def _node_from_dict(data: dict[str, Any]) -> Node:
    """Fields that have a default may be missing: older files lack those that came later."""
    if data["kind"] not in _KINDS:
        raise ConfigError(f"unknown kind of node {shorten(data['kind'])}")
    kind = _KINDS[data["kind"]]
    given = {
        field.name: _READERS[field.name](data[field.name])
        for field in fields(kind)
        if field.name in data or field.default is MISSING
    }
    return kind(**given)


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


def _inputs(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list | tuple):
        raise ValueError("a list of tensor names expected")
    return tuple(str(value) for value in values)


def _padding(value: Any) -> int | tuple[int, int, int, int]:
    if isinstance(value, list | tuple):
        top, left, bottom, right = (int(side) for side in value)
        return (top, left, bottom, right)
    return int(value)


def _pair(values: Any) -> tuple[int, int]:
    rows, columns = (int(value) for value in values)
    return (rows, columns)


def _row_bits(values: Any) -> tuple[int, ...] | None:
    return None if values is None else tuple(int(value) for value in values)


_KINDS: dict[str, type[Node]] = {kind.__name__: kind for kind in get_args(Node)}

_READERS: dict[str, Callable[[Any], Any]] = {
    "name": str,
    "input": str,
    "inputs": _inputs,
    "output": str,
    "weight": _integers,
    "precision": precision_from_dict,
    "stride": int,
    "padding": _padding,
    "dilation": int,
    "groups": int,
    "pad_value": int,
    "row_bits": _row_bits,
    "kernel": _pair,
    "multiplier": _integers,
    "offset": _integers,
    "shift": int,
    "lo": int,
    "hi": int,
    "span": int,
    "thresholds": _integers,
    "sign": _integers,
    "base": int,
    "step": int,
}
