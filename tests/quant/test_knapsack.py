"""The knapsack against two independent ways to solve it."""

from itertools import product

import numpy as np
import pytest

from quant.knapsack import Option, solve

Groups = list[list[Option]]


def exhaustive(groups: Groups, budget: int) -> float | None:
    totals = [
        sum(option.gain for option in choice)
        for choice in product(*groups)
        if sum(option.cycles for option in choice) <= budget
    ]
    return max(totals, default=None)


def dynamic_program(groups: Groups, budget: int) -> float | None:
    """best[c]: the greatest gain of the groups so far with at most c cycles."""
    best = np.zeros(budget + 1) if budget >= 0 else np.zeros(0)
    for group in groups:
        after = np.full_like(best, -np.inf)
        for option in group:
            if option.cycles <= budget:
                shifted = best[: budget + 1 - option.cycles] + option.gain
                after[option.cycles :] = np.maximum(after[option.cycles :], shifted)
        best = after
    return float(best[-1]) if best.size and best[-1] > -np.inf else None


def instance(seed: int, groups: int, options: int, most: int) -> Groups:
    rng = np.random.default_rng(seed)
    return [
        [
            Option(gain=float(rng.random() * 6), cycles=int(rng.integers(0, most)))
            for _ in range(rng.integers(1, options + 1))
        ]
        for _ in range(groups)
    ]


def gain_of(groups: Groups, chosen: list[int]) -> float:
    return sum(group[i].gain for group, i in zip(groups, chosen, strict=True))


def cycles_of(groups: Groups, chosen: list[int]) -> int:
    return sum(group[i].cycles for group, i in zip(groups, chosen, strict=True))


@pytest.mark.parametrize("seed", range(40))
def test_equals_exhaustive_search_and_dynamic_program(seed: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    groups = instance(seed, int(rng.integers(1, 6)), 5, 60)
    for budget in rng.integers(0, 200, 4).tolist():
        chosen = solve(groups, budget)
        best = exhaustive(groups, budget)
        assert best == pytest.approx(dynamic_program(groups, budget))
        assert (chosen is None) == (best is None)
        if chosen is not None:
            assert cycles_of(groups, chosen) <= budget
            assert gain_of(groups, chosen) == pytest.approx(best, abs=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_equals_dynamic_program_on_a_large_network(seed: int) -> None:
    groups = instance(seed, 60, 7, 300)
    cheapest = sum(min(option.cycles for option in group) for group in groups)
    budget = cheapest + 2500
    chosen = solve(groups, budget)
    assert chosen is not None and cycles_of(groups, chosen) <= budget
    assert gain_of(groups, chosen) == pytest.approx(dynamic_program(groups, budget), abs=1e-6)


def test_real_cycle_counts_keep_the_budget_to_the_cycle() -> None:
    groups = [[Option(gain=b, cycles=1_000_003 * b * b + i) for b in range(2, 9)] for i in range(9)]
    budget = cycles_of(groups, [3] * 9)
    chosen = solve(groups, budget)
    assert chosen is not None and cycles_of(groups, chosen) <= budget
    assert solve(groups, cycles_of(groups, [0] * 9)) == [0] * 9
    assert solve(groups, cycles_of(groups, [0] * 9) - 1) is None


def test_equal_gain_takes_the_cheaper() -> None:
    group = [Option(gain=1.0, cycles=9), Option(gain=1.0, cycles=4), Option(gain=0.0, cycles=1)]
    assert solve([group, group], 100) == [1, 1]


def test_nothing_fits() -> None:
    assert solve([[Option(gain=1.0, cycles=5)]], 4) is None
    assert solve([[Option(gain=1.0, cycles=5)]], -1) is None
