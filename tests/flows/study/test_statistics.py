"""Intervals, paired tests and hypervolumes against figures worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from flows.study.statistics import (
    equal_loss_ratio,
    hypervolume,
    interval,
    mean_per_row,
    paired,
    verdict,
)


def test_interval_of_a_mean() -> None:
    found = interval([1.0, 2.0, 3.0, 4.0])
    reach = 3.182446 * (5 / 3) ** 0.5 / 2  # t of 3 degrees of freedom, standard error
    assert found["mean"] == 2.5 and found["n"] == 4
    assert found["low"] == pytest.approx(2.5 - reach, abs=1e-5)
    assert found["high"] == pytest.approx(2.5 + reach, abs=1e-5)
    assert interval([7.0]) == {"mean": 7.0, "low": None, "high": None, "n": 1}


def test_choices_of_one_repetition_are_one_sample() -> None:
    rows = [[{"x": 1.0}, {"x": 3.0}], [], [{"x": 5.0}]]
    assert mean_per_row(rows, "x") == [2.0, 5.0]


def test_coverage_of_the_interval() -> None:
    draw = np.random.default_rng(0)
    rows = [interval(draw.normal(3.0, 2.0, 8).tolist()) for _ in range(2000)]
    hits = sum((row["low"] or 0) <= 3.0 <= (row["high"] or 0) for row in rows)
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)


def test_paired_differences() -> None:
    first, second = [1.0, 2.0, 3.0, 4.0, 5.0, 6.5], [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    found = paired(first, second)
    differences = np.subtract(first, second)
    assert found["mean"] == pytest.approx(differences.mean())
    assert found["cohen_d"] == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert found["p"] == pytest.approx(stats.wilcoxon(first, second)[1]) == 0.03125
    assert verdict(found) == "held"
    assert verdict(paired(second, first)) == "did not hold: the opposite did"
    assert paired([1.0] * 6, [1.0] * 6)["p"] is None
    assert paired(first[:5], second[:5])["p"] is None
    assert verdict(paired([1.0, 2.0], [2.0, 1.0])) == "did not hold: no difference shown"
    assert verdict(paired([1.0], [2.0])) == "not tested: a single repetition"


def test_seeds_of_one_fold_are_one_value_beside_the_test() -> None:
    first, second = [1.0, 3.0, 2.0, 6.0, 4.0, 5.0], [0.0] * 6
    found = paired(first, second, [0, 0, 1, 1, 2, 2])["over_folds"]
    assert found == pytest.approx(interval([2.0, 4.0, 4.5]))
    assert found["n"] == 3
    alone = paired(first, second, range(6))
    assert alone["over_folds"] is None and alone["mean"] == pytest.approx(3.5)
    assert paired(first, second, [0] * 6)["over_folds"] is None
    assert paired(first, second)["over_folds"] is None


def test_hypervolume_by_hand() -> None:
    assert hypervolume([(0.0, 0.0)], (1.0, 1.0)) == 1.0
    assert hypervolume([(0.2, 0.5), (0.6, 0.25)], (1.0, 1.0)) == pytest.approx(
        0.8 * 0.5 + 0.4 * 0.25
    )
    worse = [(0.2, 0.5), (0.3, 0.7), (0.6, 0.25), (1.2, 0.0), (0.1, 1.5)]
    assert hypervolume(worse, (1.0, 1.0)) == pytest.approx(0.5)
    assert hypervolume([], (1.0, 1.0)) == 0.0


def test_hypervolume_equals_a_count_of_random_places() -> None:
    draw = np.random.default_rng(1)
    points = [(float(x), float(y)) for x, y in draw.random((6, 2))]
    places = draw.random((40_000, 2))
    inside = np.zeros(len(places), dtype=bool)
    for x, y in points:
        inside |= (places[:, 0] >= x) & (places[:, 1] >= y)
    assert hypervolume(points, (1.0, 1.0)) == pytest.approx(inside.mean(), abs=0.01)


def test_costs_at_equal_loss() -> None:
    slow = [(100.0, 0.5), (200.0, 0.3), (400.0, 0.1)]
    fast = [(cost / 2, loss) for cost, loss in slow]
    assert equal_loss_ratio(fast, slow) == pytest.approx(0.5)
    assert equal_loss_ratio(slow, fast) == pytest.approx(2.0)
    beaten = [*fast, (60.0, 0.9), (300.0, 0.45)]  # no part of the front, where both have losses
    assert equal_loss_ratio(beaten, slow) == pytest.approx(0.5)
    # from 0.3 to 0.1 alone: the straight line in log cycles from 200 to 400 against 150 throughout
    flat = [(150.0, 0.3), (150.0 + 1e-9, 0.1)]
    middle = np.exp((np.log(200) + np.log(400)) / 2)
    assert equal_loss_ratio(slow, flat) == pytest.approx(middle / 150)
    assert equal_loss_ratio([(1.0, 0.9), (2.0, 0.8)], slow) is None
    assert equal_loss_ratio([(1.0, 0.2)], slow) is None
