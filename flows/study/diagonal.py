"""A square table in which every column should be won by the row of the same name.

Scores are per repetition, more is better: what was made for a thing against what was made for
something else, judged by that thing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.console import table
from flows.study.hypotheses import Judged, judged
from flows.study.statistics import HELD, NOT_HELD, UNTESTED, interval, paired, verdict
from flows.study.wording import shown

Scores = Mapping[str, Mapping[str, Sequence[float]]]  # {row: {column: one a repetition}}


def diagonal(scores: Scores, folds: Sequence[int] = ()) -> dict[str, Any]:
    """{table: {row: {column: mean}}, pairs: every other row against the column's own}. folds: of
    each repetition, see `paired`."""
    means = {
        row: {column: interval(values) for column, values in columns.items()}
        for row, columns in scores.items()
    }
    pairs = [
        {"row": row, "column": column, **_pair(scores, row, column, folds)}
        for column in scores
        for row in scores
        if row != column
    ]
    return {"table": means, "pairs": pairs}


def _pair(scores: Scores, row: str, column: str, folds: Sequence[int]) -> dict[str, Any]:
    """The other row's scores less those of the column's own."""
    found = paired(scores[row][column], scores[column][column], folds)
    return {**found, "verdict": verdict(found)}


def columns_won(found: Mapping[str, Any], said: str) -> list[Judged]:
    """A hypothesis for each column. said: of it, with {} for the column's name.

    Held where the column's own row is above every other one, each difference's interval on that
    side.
    """
    answers = []
    for column in found["table"]:
        pairs = [pair for pair in found["pairs"] if pair["column"] == column]
        beaten = [pair["row"] for pair in pairs if pair["verdict"] == HELD]
        answer = HELD if len(beaten) == len(pairs) else NOT_HELD
        if any(pair["verdict"] == UNTESTED for pair in pairs):
            answer = UNTESTED
        note = f"above {', '.join(beaten) or 'none'}, of {len(pairs)}"
        answers.append(judged(said.format(column), answer, note))
    return answers


def diagonal_table(found: Mapping[str, Any], corner: str, title: str) -> str:
    """As text. corner: what rows and columns are."""
    names = list(found["table"])
    rows = [[row, *(shown(found["table"][row][c], 4) for c in names)] for row in names]
    return table((corner, *names), rows, title)
