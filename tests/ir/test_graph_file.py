"""graph.json comes back equal, and a bad one is refused by name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ir.errors import ConfigError, UnsupportedModelError
from ir.golden import execute
from ir.graph import IntegerGraph
from ir.graph_file import graph_from_dict, graph_to_dict, load_graph, save_graph
from tests.ir.residual import residual


def plain(graph: IntegerGraph) -> dict[str, Any]:
    return json.loads(json.dumps(graph_to_dict(graph), default=lambda array: array.tolist()))


def test_file_comes_back(classifier: IntegerGraph, tmp_path: Path) -> None:
    save_graph(classifier, tmp_path / "graph.json")
    found = load_graph(tmp_path / "graph.json")
    assert plain(found) == plain(classifier)
    x = np.random.default_rng(3).integers(0, 32, (5, 2, 5, 4))
    for name, value in execute(classifier, x).items():
        assert np.array_equal(execute(found, x)[name], value)


def test_a_file_of_every_kind_of_node_comes_back(tmp_path: Path) -> None:
    graph = residual().verify()
    save_graph(graph, tmp_path / "graph.json")
    found = load_graph(tmp_path / "graph.json")
    assert plain(found) == plain(graph)
    assert [type(node) for node in found.nodes] == [type(node) for node in graph.nodes]
    x = np.random.default_rng(4).integers(0, 16, (2, 2, 6, 4))
    assert np.array_equal(execute(found, x)["i"], execute(graph, x)["i"])


def test_a_file_from_before_groups_and_row_bits(classifier: IntegerGraph) -> None:
    data = plain(classifier)
    for name in ("dilation", "groups", "pad_value", "row_bits"):
        del data["nodes"][0][name]
    assert plain(graph_from_dict(data)) == plain(classifier)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("a", "padding", [1, 2]),
        ("a", "row_bits", [4, "x", 2, 3]),
        ("c", "inputs", "ab"),
        ("d", "kernel", [2]),
        ("g.rule", "sign", [0.5]),
    ],
)
def test_forged_fields(name: str, key: str, value: object) -> None:
    data = plain(residual())
    next(node for node in data["nodes"] if node["name"] == name)[key] = value
    with pytest.raises(ConfigError, match="a part of the graph is missing or wrong"):
        graph_from_dict(data)


def test_another_document(tmp_path: Path) -> None:
    (tmp_path / "graph.json").write_text('{"format": "onnx"}')
    with pytest.raises(ConfigError, match="graph.json: not a 'bitwright graph 1' document"):
        load_graph(tmp_path / "graph.json")


@pytest.mark.parametrize(
    ("node", "key", "value"),
    [
        (0, "weight", [[1], [1, 2]]),
        (0, "weight", [[1.5]]),
        (0, "weight", "abc"),
        (0, "precision", 3),
        (1, "shift", None),
        (1, "offset", [2**70, 0, 0]),
        (0, "kind", "LSTM"),
    ],
)
def test_forged_node(classifier: IntegerGraph, node: int, key: str, value: object) -> None:
    data = plain(classifier)
    data["nodes"][node][key] = value
    with pytest.raises(ConfigError, match="missing or wrong|not a precision|unknown kind of node"):
        graph_from_dict(data)


def test_missing_part(classifier: IntegerGraph) -> None:
    data = plain(classifier)
    del data["tensors"]
    with pytest.raises(ConfigError, match="a part of the graph is missing or wrong"):
        graph_from_dict(data)


def test_the_rules_hold_for_files_too(classifier: IntegerGraph, tmp_path: Path) -> None:
    data = plain(classifier)
    data["tensors"][0]["precision"]["bits"] = 9
    (tmp_path / "graph.json").write_text(json.dumps(data))
    with pytest.raises(UnsupportedModelError, match="graph.json: conv: input of 9 bits"):
        load_graph(tmp_path / "graph.json")
