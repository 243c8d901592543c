"""A square table is won column by column."""

from flows.study.diagonal import columns_won, diagonal, diagonal_table
from flows.study.hypotheses import held_lines

SCORES = {
    "a": {"a": [0.9, 0.8, 0.85], "b": [0.1, 0.2, 0.15]},
    "b": {"a": [0.5, 0.5, 0.4], "b": [0.2, 0.1, 0.15]},
}


def test_a_column_is_won_where_its_own_row_is_above_every_other() -> None:
    found = diagonal(SCORES)
    assert found["table"]["a"]["a"]["mean"] == sum([0.9, 0.8, 0.85]) / 3
    assert [(p["row"], p["column"], p["verdict"]) for p in found["pairs"]] == [
        ("b", "a", "held"),
        ("a", "b", "did not hold: no difference shown"),
    ]
    assert held_lines({"hypotheses": columns_won(found, "on {} its own")}) == [
        "hypothesis: on a its own: held (above b, of 1)",
        "hypothesis: on b its own: did not hold (above none, of 1)",
        "1 of 2 hypotheses held",
    ]
    text = diagonal_table(found, "made for, run on", "scores")
    assert "0.8500 [0.7258, 0.9742]" in text and "0.1500" in text


def test_a_single_repetition_tells_nothing() -> None:
    once = {row: {c: v[:1] for c, v in columns.items()} for row, columns in SCORES.items()}
    answers = [one["verdict"] for one in columns_won(diagonal(once), "{}")]
    assert answers == ["not tested: a single repetition"] * 2
