"""The plan of learned bitlengths: what is learned follows the budget, what is left is spent."""

import pytest

from quant.allocator import Problem
from quant.allocators import bitpruning
from quant.allocators.bitpruning import BitPruning, learned_lengths
from quant.budget import Budget
from quant.data import Dataset
from quant.evaluations import Evaluations, SearchSettings
from quant.layers import QuantNet
from tests.quant.toy_cost import COST, MACS, budget_at, cost_of

LENGTHS = {"conv1": 1.4, "conv2": 3.2, "conv3": 4.0, "fc": 7.5}


def chosen(monkeypatch, model: QuantNet, data: Dataset, budget: int) -> list[int | tuple[int, ...]]:
    monkeypatch.setattr(bitpruning, "learned_lengths", lambda problem, limits: LENGTHS)
    found = BitPruning().allocate(model, data.search, COST, Budget(cycles=budget), 0)
    return [bits.w_bits for bits in found.plan.layers.values()]


def cycles_of(numbers: list[int]) -> int:
    pairs = {n: (b, 5 if n == "conv1" else b) for n, b in zip(MACS, numbers, strict=True)}
    return sum(COST.table.cycles(name, pair) for name, pair in pairs.items()) * 103 // 100 + 17


def test_lengths_rounded_up_are_the_plan_where_they_fit(monkeypatch, quant_net, digits) -> None:
    """Widths of the table are 2, 4 and 8; one cycle less and a layer loses what it can spare."""
    exact = cycles_of([2, 4, 4, 8])
    assert chosen(monkeypatch, quant_net, digits, exact) == [2, 4, 4, 8]
    tighter = chosen(monkeypatch, quant_net, digits, exact - 1)
    assert tighter != [2, 4, 4, 8] and cycles_of(tighter) < exact  # pyright: ignore


def test_what_is_left_buys_bits_beyond_the_lengths(monkeypatch, quant_net, digits) -> None:
    assert chosen(monkeypatch, quant_net, digits, budget_at(1.0)) == [8, 8, 8, 8]


def problem(model: QuantNet, data: Dataset, budget: Budget, epochs: int) -> Problem:
    settings = SearchSettings(episodes=epochs)
    return Problem(
        model=model,
        data=data.search,
        cost=cost_of(tuple(range(1, 9))),
        budget=budget,
        seed=0,
        settings=settings,
        judge=Evaluations(model, data.search, settings, 0),
    )


@pytest.mark.parametrize("kind", ["cycles", "weight_bytes"])
def test_lengths_follow_the_budget(quant_net: QuantNet, digits: Dataset, kind: str) -> None:
    total = []
    for share in (0.02, 1.0):
        least, most = (1000, 10_000) if kind == "cycles" else (3000, 18_000)
        asked = problem(
            quant_net, digits, Budget(**{kind: int(least + share * (most - least))}), epochs=8
        )
        lengths = learned_lengths(asked, asked.budget.limits(asked.cost))
        assert list(lengths) == list(MACS) and all(1 <= n <= 8 for n in lengths.values())
        assert asked.judge.images_seen == 8 * len(digits.search.train)
        total.append(sum(lengths.values()))
    assert total[0] < total[1] - 2
