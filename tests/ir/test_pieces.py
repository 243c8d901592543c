"""Pieces: their meaning, their rules, and their way through a file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ir.errors import ConfigError, UnsupportedModelError
from ir.golden import execute, pieces
from ir.graph import IntegerGraph, MatMul, Pieces, Tensor
from ir.graph_file import load_graph, save_graph
from ir.precision import Precision, narrowest

RULE = Pieces("r", "s", "y", np.array([[3], [1]]), np.array([[8], [-40]]), shift=3, span=5, base=-4)


def graph(rule: Pieces = RULE, output: Precision | None = None) -> IntegerGraph:
    """One weight of 15 on a 4-bit code: sums of 0 to 225."""
    weights = MatMul("m", "x", "s", np.array([[15]]), Precision(5, True))
    tensors = [
        Tensor("x", (1, 1, 1), Precision(4, False)),
        Tensor("s", (1, 1, 1), narrowest(0, 225)),
        Tensor("y", (1, 1, 1), output or Precision(4, True)),
    ]
    return IntegerGraph("g", {t.name: t for t in tensors}, [weights, rule], "x", "y")


def test_codes_of_all_pieces_are_added_to_the_base() -> None:
    acc = np.arange(-100, 400).reshape(-1, 1, 1, 1)
    expected = [
        -4 + min(max((3 * a + 8) >> 3, 0), 5) + min(max((a - 40) >> 3, 0), 5)
        for a in range(-100, 400)
    ]
    assert pieces(acc, RULE).ravel().tolist() == expected
    assert (min(expected), max(expected)) == (-4, 6)


def test_a_graph_of_pieces_comes_back_from_its_file(tmp_path: Path) -> None:
    save_graph(graph().verify(), tmp_path / "graph.json")
    found = load_graph(tmp_path / "graph.json")
    x = np.arange(16).reshape(-1, 1, 1, 1)
    assert np.array_equal(execute(found, x)["y"], execute(graph(), x)["y"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base": 2}, "r: its pieces reach 12, beyond 4-bit signed codes"),
        ({"base": -9}, "r: pieces of 5 codes above -9"),
        ({"span": 0}, "r: pieces of 0 codes"),
        ({"shift": 48}, "r: shift must be 0 to 47"),
        ({"offset": np.array([[8]])}, "r: offset has shape"),
        ({"multiplier": np.array([[1 << 15], [1]])}, "r: multiplier outside 16-bit signed"),
        ({"multiplier": np.ones((16, 1), np.int64)}, "r: 1 to 15 pieces expected, not 16"),
    ],
)
def test_broken_pieces(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        graph(replace(RULE, **change)).verify()  # type: ignore[arg-type]


@pytest.mark.parametrize("output", [Precision(32, True), Precision(1, True, bipolar=True)])
def test_pieces_write_codes_of_an_operand(output: Precision) -> None:
    with pytest.raises(UnsupportedModelError, match="r: pieces write codes of 1 to 8 bits"):
        graph(output=output).verify()
