"""The knapsack, of one budget and of several, against two independent ways to solve it."""

from itertools import product

import numpy as np
import pytest

from quant.knapsack import Option, solve

Groups = list[list[Option]]


def exhaustive(groups: Groups, budgets: list[int]) -> float | None:
    totals = [
        sum(option.gain for option in choice)
        for choice in product(*groups)
        if (np.sum([option.costs for option in choice], axis=0) <= budgets).all()
    ]
    return max(totals, default=None)


def dynamic_program(groups: Groups, budgets: list[int]) -> float | None:
    """best[c, d, ...]: the greatest gain of the groups so far with at most c, d, ... costs."""
    if min(budgets) < 0:
        return None
    best = np.zeros([budget + 1 for budget in budgets])
    for group in groups:
        after = np.full_like(best, -np.inf)
        for option in group:
            if all(cost <= budget for cost, budget in zip(option.costs, budgets, strict=True)):
                pairs = list(zip(option.costs, budgets, strict=True))
                source = best[tuple(slice(0, b + 1 - c) for c, b in pairs)] + option.gain
                target = tuple(slice(c, None) for c, _ in pairs)
                after[target] = np.maximum(after[target], source)
        best = after
    found = best.flat[-1]
    return float(found) if found > -np.inf else None


def instance(seed: int, groups: int, options: int, most: int, budgets: int = 1) -> Groups:
    rng = np.random.default_rng(seed)
    return [
        [
            Option(gain=float(rng.random() * 6), costs=tuple(rng.integers(0, most, budgets)))
            for _ in range(rng.integers(1, options + 1))
        ]
        for _ in range(groups)
    ]


def gain_of(groups: Groups, chosen: list[int]) -> float:
    return sum(group[i].gain for group, i in zip(groups, chosen, strict=True))


def costs_of(groups: Groups, chosen: list[int]) -> list[int]:
    rows = [group[i].costs for group, i in zip(groups, chosen, strict=True)]
    return np.sum(rows, axis=0).tolist()


@pytest.mark.parametrize("budgets", [1, 2, 3])
@pytest.mark.parametrize("seed", range(25))
def test_equals_exhaustive_search_and_dynamic_program(seed: int, budgets: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    groups = instance(seed, int(rng.integers(1, 6)), 5, 40, budgets)
    for _ in range(4):
        most = rng.integers(0, 130 if budgets < 3 else 80, budgets).tolist()
        chosen = solve(groups, most)
        best = exhaustive(groups, most)
        assert best == pytest.approx(dynamic_program(groups, most))
        assert (chosen is None) == (best is None)
        if chosen is not None:
            assert (np.array(costs_of(groups, chosen)) <= most).all()
            assert gain_of(groups, chosen) == pytest.approx(best, abs=1e-8)


@pytest.mark.parametrize("scale", [1e-9, 1e-7, 1e-5, 1e-3, 1e6])
@pytest.mark.parametrize("seed", range(8))
def test_the_unit_of_the_gains_does_not_matter(seed: int, scale: float) -> None:
    groups = instance(seed, 5, 5, 40)
    scaled = [[Option(gain=scale * o.gain - 1, costs=o.costs) for o in group] for group in groups]
    for most in (30, 60, 90):
        assert solve(scaled, [most]) == solve(groups, [most])


@pytest.mark.parametrize("seed", range(5))
def test_equals_dynamic_program_on_a_large_network(seed: int) -> None:
    groups = instance(seed, 60, 7, 300)
    budget = sum(min(option.costs[0] for option in group) for group in groups) + 2500
    chosen = solve(groups, [budget])
    assert chosen is not None and costs_of(groups, chosen)[0] <= budget
    assert gain_of(groups, chosen) == pytest.approx(dynamic_program(groups, [budget]), abs=1e-6)


def test_both_budgets_bind() -> None:
    """The first budget alone takes the second option, the second alone the third."""
    group = [
        Option(gain=1.0, costs=(1, 1)),
        Option(gain=2.0, costs=(2, 9)),
        Option(gain=3.0, costs=(9, 2)),
    ]
    assert solve([group], [5, 9]) == [1]
    assert solve([group], [9, 5]) == [2]
    assert solve([group], [5, 5]) == [0]
    assert sorted(solve([group, group], [11, 11]) or []) == [1, 2]


def test_real_cycle_counts_keep_the_budget_to_the_cycle() -> None:
    groups = [
        [Option(gain=b, costs=(1_000_003 * b * b + i,)) for b in range(2, 9)] for i in range(9)
    ]
    budget = costs_of(groups, [3] * 9)[0]
    chosen = solve(groups, [budget])
    assert chosen is not None and costs_of(groups, chosen)[0] <= budget
    least = costs_of(groups, [0] * 9)[0]
    assert solve(groups, [least]) == [0] * 9
    assert solve(groups, [least - 1]) is None


def test_equal_gain_takes_the_cheaper() -> None:
    costs = [(9, 0), (4, 7), (4, 5), (1, 0)]
    gains = [1.0, 1.0, 1.0, 0.0]
    group = [Option(gain=g, costs=c) for g, c in zip(gains, costs, strict=True)]
    assert solve([group, group], [100, 100]) == [2, 2]


def test_nothing_fits() -> None:
    assert solve([[Option(gain=1.0, costs=(5,))]], [4]) is None
    assert solve([[Option(gain=1.0, costs=(5,))]], [-1]) is None
    assert solve([[Option(gain=1.0, costs=(5, 3))]], [9, 2]) is None
