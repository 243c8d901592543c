"""Proofs: a difference is found, named and written down, and is never a number."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows import verify
from flows.measure import Measured
from flows.run_folder import RunFolder
from ir.errors import MismatchError


def measured(**changes: Any) -> Measured:
    facts: dict[str, Any] = {
        "cycles": 30,
        "predicted": 30,
        "bound": 20,
        "layers": {"a": 10, "b": 20},
        "layers_predicted": {"a": 10, "b": 20},
        "layers_bound": {"a": 5, "b": 15},
        "counters": {"CYCLES": 30},
    }
    return Measured(**(facts | changes))


def test_equal_cycles_pass() -> None:
    assert measured().check("here").cycles == 30


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"predicted": 31}, "here: measured 30 cycles, predicted 31"),
        (
            {"layers_predicted": {"a": 10, "b": 21}},
            r"measured 20 cycles, predicted 21 \(at layer b\)",
        ),
        ({"counters": {"CYCLES": 29}}, "the overlay's own counter says 29"),
        ({"bound": 31}, "below the lower bound of 31"),
    ],
)
def test_cycles_that_differ_are_a_mismatch(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MismatchError, match=message) as caught:
        measured(**changes).check("here")
    assert caught.value.exit_code == 1


def test_the_first_different_code_is_named_and_written_down(tmp_path: Path) -> None:
    run = RunFolder(path=tmp_path)
    expected = np.zeros((2, 3, 4, 4), dtype=np.int64)
    got = expected.copy()
    got[1, 2, 0, 3] = 7
    with pytest.raises(MismatchError, match="image 1 must give 0, not 7; 1 of 96 codes differ"):
        verify._compare(run, "harness", "conv2", expected, got)
    first = json.loads((tmp_path / "verification/first_mismatch.json").read_text())
    assert (first["layer"], first["image"], first["element"]) == ("conv2", 1, [2, 0, 3])
    stage = json.loads((tmp_path / "verification/harness.json").read_text())
    assert stage["ok"] is False


def test_cycles_that_depend_on_the_image_are_a_mismatch(tmp_path: Path) -> None:
    run = RunFolder(path=tmp_path)
    slower = measured(cycles=31, layers={"a": 11, "b": 20}, counters={"CYCLES": 31})
    with pytest.raises(MismatchError, match="harness, image 1: measured 11 cycles, predicted 10"):
        verify._check_cycles(run, "harness", [measured(), slower])
    first = json.loads((tmp_path / "verification/first_mismatch.json").read_text())
    assert (first["what"], first["image"], first["layer"]) == ("cycles", 1, "a")


def test_a_pass_removes_an_old_mismatch(tmp_path: Path) -> None:
    run = RunFolder(path=tmp_path)
    (tmp_path / "verification").mkdir()
    (tmp_path / "verification/first_mismatch.json").write_text("{}")
    proof = verify.Proof(stage="golden", images=2, layers={"a": 8, "b": 4})
    verify._pass(run, proof)
    assert not (tmp_path / "verification/first_mismatch.json").exists()
    written = json.loads((tmp_path / "verification/golden.json").read_text())
    assert (written["ok"], written["codes"], written["images"]) == (True, 12, 2)
