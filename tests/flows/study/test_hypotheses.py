"""Hypotheses are judged and told in one line each."""

import pytest

from flows.study.hypotheses import above, below, held_lines, judged
from flows.study.search import cost_hypotheses
from flows.study.wording import percent, rough, shown


def test_a_line_for_each_hypothesis_and_how_many_held() -> None:
    first, second = [1.0, 2.0, 3.0, 4.0, 5.0, 6.5], [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    found = [
        below("one below two", first, second, "nats"),
        below("two below one", second, first),
        below("one below two, once", first[:1], second[:1]),
        below("one below two, in three folds", first, second, folds=[0, 0, 1, 1, 2, 2]),
        judged("pigs fly", "did not hold", "0 of 3"),
    ]
    assert held_lines({"hypotheses": found}) == [
        "hypothesis: one below two: held (difference -3.4167 [-5.2469, -1.5864] nats, p 0.031, "
        "d -1.96)",
        "hypothesis: two below one: did not hold: the opposite did (difference 3.4167 "
        "[1.5864, 5.2469], p 0.031, d 1.96)",
        "hypothesis: one below two, once: not tested: a single repetition (difference -1.0000)",
        "hypothesis: one below two, in three folds: held (difference -3.4167 [-5.2469, -1.5864], "
        "over folds [-8.0779, 1.2445], p 0.031, d -1.96)",
        "hypothesis: pigs fly: did not hold (0 of 3)",
        "2 of 5 hypotheses held, 1 not tested",
    ]


def test_an_order_of_magnitude_is_ten_times() -> None:
    seconds = {"eagl": 0.1, "alps": 0.9, "haq": 9.0}
    found = cost_hypotheses(seconds, (("eagl", "alps"), ("alps", "haq"), ("eagl", "autoq")))
    assert [(one["verdict"], one["note"]) for one in found] == [
        ("did not hold", "9 times, cache off"),
        ("held", "10 times, cache off"),
    ]
    assert cost_hypotheses({"eagl": 0.0, "alps": 1.0}, (("eagl", "alps"),)) == []


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ({"mean": 1.25, "low": None, "high": None}, "1.2"),
        ({"mean": 1.0, "low": 0.5, "high": 1.5}, "1.0 [0.5, 1.5]"),
    ],
)
def test_a_mean_with_its_interval(found: dict[str, float | None], text: str) -> None:
    assert shown(found, 1) == text


def test_shares_and_what_is_not_there() -> None:
    assert percent({"mean": 0.1234}) == "12.3 %" and percent(None) == rough(None) == "-"
    assert rough(12345.6) == "1.23e+04"


def test_above_is_below_the_other_way_round() -> None:
    high, low = [3.0, 3.2, 3.1], [1.0, 1.1, 0.9]
    found = above("high above low", high, low)
    assert found["verdict"] == "held" and found["effect"]["mean"] == pytest.approx(2.1)
    assert above("low above high", low, high)["verdict"] == "did not hold: the opposite did"
