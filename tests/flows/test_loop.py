"""The loop's arithmetic: budgets, the share of cycles that bits decide, which round is reported."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from flows.loop import Loop, bit_dependent_share, cycle_budget
from ir.errors import CapacityError


@dataclass(frozen=True)
class FakeRound:
    """What the loop reads of a round."""

    cycles: int = 1000
    loss: float = 0.5
    weight_bytes: int = 500
    uniform: dict[int, int] = field(default_factory=lambda: {2: 1000, 4: 3000, 8: 11000})

    @property
    def measured(self) -> Any:
        return SimpleNamespace(cycles=self.cycles)

    @property
    def tuned(self) -> Any:
        return SimpleNamespace(loss=self.loss)


def loop(*rounds: FakeRound, budget: int = 1000, byte_budget: int | None = None) -> Loop:
    found: Any = rounds
    return Loop(
        rounds=found,
        allocations={},
        budget=budget,
        byte_budget=byte_budget,
        share=0.8,
        repeats=None,
    )


@pytest.mark.parametrize(
    ("wanted", "cycles"), [(0.3, 4000), (0.0, 1000), (1.0, 11000), (2500, 2500), (1, 1)]
)
def test_a_fraction_lies_between_two_and_eight_bits(wanted: int | float, cycles: int) -> None:
    first: Any = FakeRound()
    assert cycle_budget(wanted, first) == cycles


def test_bit_dependent_share() -> None:
    first: Any = FakeRound(uniform={2: 1000, 4: 4000})
    assert bit_dependent_share(first) == pytest.approx(3000 / (0.75 * 4000))
    first = FakeRound(uniform={2: 3000, 4: 4000})
    assert bit_dependent_share(first) == pytest.approx(1000 / 3000)


def test_of_the_rounds_within_the_budget_the_best_loss_is_reported() -> None:
    over, good, better = FakeRound(1001, 0.1), FakeRound(900, 0.3), FakeRound(1000, 0.2)
    found = loop(over, good, better)
    assert found.best is better
    assert [found.keeps(r) for r in found.rounds] == [False, True, True]


def test_of_equal_losses_the_faster_round() -> None:
    slow, fast = FakeRound(1000, 0.2), FakeRound(900, 0.2)
    assert loop(slow, fast).best is fast


def test_no_round_within_the_budget() -> None:
    with pytest.raises(CapacityError, match="the fastest needs 1001 cycles, the budget has 1000"):
        _ = loop(FakeRound(1001), FakeRound(2000)).best


def test_a_round_must_keep_bytes_and_cycles() -> None:
    slow, large = FakeRound(1001, 0.1, weight_bytes=400), FakeRound(900, 0.2, weight_bytes=401)
    good = FakeRound(1000, 0.3, weight_bytes=400)
    found = loop(slow, large, good, byte_budget=400)
    assert [found.keeps(r) for r in found.rounds] == [False, False, True]
    assert found.best is good
    with pytest.raises(CapacityError, match="the smallest needs 401 bytes of weights, the budget"):
        _ = loop(large, byte_budget=400).best
    with pytest.raises(CapacityError, match="the fastest needs 1001 cycles"):
        _ = loop(slow, byte_budget=400).best
    with pytest.raises(CapacityError, match="keeps both budgets, 1000 cycles and 400 bytes"):
        _ = loop(slow, large, byte_budget=400).best
