"""Rules fitted to sums: which codes they make of them."""

from __future__ import annotations

import numpy as np
import pytest

from codegen.fitted_rules import fitted_rule
from ir.golden import run_node
from ir.graph import INT32
from ir.precision import Precision, weight_precision

SUMS = np.array([[[-100, -90, -80, -70]], [[1000, 3000, 5000, 7000]]], np.int64)
"""Two channels of deviations 11.18 and 2236: four of them span the codes."""


def codes(sums: np.ndarray, output: Precision, **options: object) -> np.ndarray:
    """What the rule fitted to `sums` makes of them."""
    rule = fitted_rule(sums, output, layer="layer", **options)  # type: ignore[arg-type]
    return run_node(rule, sums[np.newaxis])[0]


@pytest.mark.parametrize("thresholds", [False, True])
def test_sums_are_centred_channel_by_channel(thresholds: bool) -> None:
    made = codes(SUMS, Precision(2, False), thresholds=thresholds)
    assert made.tolist() == [[[0, 1, 2, 3]], [[0, 1, 2, 3]]]


@pytest.mark.parametrize("thresholds", [False, True])
def test_a_channel_may_fall(thresholds: bool) -> None:
    made = codes(SUMS, Precision(2, True), thresholds=thresholds, signs=np.array([-1, 1]))
    assert made.tolist() == [[[1, 0, -1, -2]], [[-2, -1, 0, 1]]]


def test_single_pixels_are_centred_over_all_channels() -> None:
    made = codes(np.array([-3, -1, 1, 3], np.int64).reshape(4, 1, 1), Precision(2, False))
    assert made.ravel().tolist() == [0, 1, 2, 3]


def test_bipolar_codes_come_from_a_threshold() -> None:
    assert codes(SUMS, weight_precision(1))[0].ravel().tolist() == [-1, -1, 1, 1]


def test_a_channel_that_never_changes_takes_the_middle_code() -> None:
    assert np.unique(codes(np.full((1, 2, 2), 37, np.int64), Precision(4, False))).tolist() == [8]


def test_sums_can_stay_as_they_are() -> None:
    assert np.array_equal(codes(SUMS, INT32), SUMS)
