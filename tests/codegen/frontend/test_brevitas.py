"""What Brevitas exports comes in, code for code (brevitas/make.py made the files)."""

from pathlib import Path

import numpy as np
import pytest

from codegen.frontend.qonnx.importer import examine_onnx, import_onnx
from ir.nodes import Add, AveragePool, Conv, Pieces, Threshold
from tests.codegen.frontend.models import differences

FOLDER = Path(__file__).parent / "brevitas"
IMAGES = 25


def inputs(name: str) -> tuple[Path, np.ndarray]:
    return FOLDER / f"{name}.onnx", np.random.default_rng(1).normal(size=(IMAGES, 3, 8, 8))


@pytest.mark.parametrize("name", ["cnn2", "cnn4", "bip", "mlp", "po2"])
def test_every_code_is_equal(name: str) -> None:
    path, x = inputs(name)
    model = import_onnx(path)
    assert model.notes == ()
    found = differences(path, model, x)
    assert len(found) > 3 and not any(found.values()), found


def test_they_hold_what_they_are_here_for() -> None:
    nodes = {
        name: import_onnx(FOLDER / f"{name}.onnx").graph.nodes for name in ("cnn4", "bip", "po2")
    }
    kinds = {name: [type(node) for node in found] for name, found in nodes.items()}
    assert {Add, AveragePool}.issubset(kinds["cnn4"])
    assert any(isinstance(node, Conv) and node.groups == 8 for node in nodes["cnn4"])
    assert kinds["bip"].count(Threshold) == 2
    assert kinds["po2"].count(Pieces) == 3  # ties, which one line cannot round to even


def test_eight_bits_are_refused_or_taken_nearly() -> None:
    path, x = inputs("cnn8")
    _, (problem,) = examine_onnx(path)
    assert "no multipliers of 16 bits give its 8-bit codes exactly" in problem.why
    model = import_onnx(path, inexact=True)
    assert len(model.notes) == 3
    found = differences(path, model, x)
    assert 0 < sum(found.values()) < 50  # of thousands of codes, each off by one
