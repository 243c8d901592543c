"""What methods chose in a study's repetitions, budget by budget, and how that is summed up.

A row's "choices" are plain dictionaries with "method", "budget", "cycles", "nll" and "within".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.study.picture import curves
from flows.study.runner import Row
from flows.study.statistics import hypervolume, interval, mean_per_row
from ir.plan import PrecisionPlan

Choice = Mapping[str, Any]
Points = list[tuple[float, float]]


def of_method(row: Row, method: str) -> list[Choice]:
    """In the order of the budgets."""
    return [choice for choice in row["choices"] if choice["method"] == method]


def points_of(row: Row, method: str, x: str = "cycles", y: str = "nll") -> Points:
    """(x, y) of each of a method's choices in one repetition."""
    return [(choice[x], choice[y]) for choice in of_method(row, method)]


def means(rows: Sequence[Row], method: str, keys: Sequence[str]) -> dict[str, Any]:
    """{key: the mean over budgets and repetitions, with its interval}."""
    chosen = [of_method(row, method) for row in rows]
    return {key: interval(mean_per_row(chosen, key)) for key in keys}


def violations(rows: Sequence[Row], method: str) -> int:
    """How many choices exceed their budget."""
    return sum(not choice["within"] for row in rows for choice in of_method(row, method))


def front_area(points: Points, ends: tuple[int, int], greatest_nll: float) -> float:
    """The share of a rectangle that (cycles, loss) points dominate: from the narrowest to the
    widest uniform plan's cycles, ``ends``, and from no loss to the greatest."""
    low, high = ends
    shares = [((cycles - low) / (high - low), nll / greatest_nll) for cycles, nll in points]
    return hypervolume(shares, (1.0, 1.0))


def flat(rows: Sequence[Row], without: Sequence[str] = ()) -> list[dict[str, Any]]:
    """A line of the CSV for each choice. without: keys that are left out."""
    return [
        {"fold": row["fold"], "seed": row["seed"]}
        | {key: value for key, value in choice.items() if key not in without}
        for row in rows
        for choice in row["choices"]
    ]


def loss_picture(rows: Sequence[Row], methods: Sequence[str]) -> str:
    """Mean test loss over mean cycles, a point for each budget."""

    def line(method: str) -> Points:
        points = [points_of(row, method) for row in rows]
        by_budget = zip(*points, strict=True)
        return [
            (sum(x for x, _ in places) / len(rows), sum(y for _, y in places) / len(rows))
            for places in by_budget
        ]

    lines = {method: line(method) for method in methods}
    return curves(lines, "measured cycles an image", "test loss, nats")


def mean_bits(plan: PrecisionPlan) -> float:
    """Mean weight bits over all output channels that are listed, or the layer's one width."""
    rows = [bits.w_bits for bits in plan.layers.values()]
    layers = [sum(row) / len(row) if isinstance(row, tuple) else float(row) for row in rows]
    return sum(layers) / len(layers)
