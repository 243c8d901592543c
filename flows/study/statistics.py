"""Intervals, paired tests and hypervolumes of a study's repetitions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
HELD, NOT_HELD = "held", "did not hold"
NOT_SHOWN, OPPOSITE = f"{NOT_HELD}: no difference shown", f"{NOT_HELD}: the opposite did"
UNTESTED = "not tested: a single repetition"


def interval(values: Sequence[float]) -> dict[str, float | None]:
    """{mean, low, high, n}: Student's interval of the mean; no bounds from a single value."""
    found = np.asarray(values, dtype=np.float64)
    mean = float(found.mean())
    if len(found) < 2:
        return {"mean": mean, "low": None, "high": None, "n": len(found)}
    error = float(stats.sem(found))
    reach = error * float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(found) - 1))
    return {"mean": mean, "low": mean - reach, "high": mean + reach, "n": len(found)}


def mean_per_row(rows: Sequence[Sequence[Mapping[str, Any]]], key: str) -> list[float]:
    """One value a repetition: several choices of one fold and seed are not independent samples.
    Repetitions without any choice are left out."""
    return [sum(choice[key] for choice in row) / len(row) for row in rows if row]


def paired(
    first: Sequence[float], second: Sequence[float], folds: Sequence[int] = ()
) -> dict[str, Any]:
    """Of the differences first - second: their interval, p of Wilcoxon's signed-rank test (two
    sides; None below six pairs or when all are equal), and Cohen's d.

    folds: of each repetition. Seeds of one fold share their images, so that their differences are
    alike: `over_folds` is the interval of the folds' means, wider and of fewer values; None where
    folds are not repeated.
    """
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    testable = len(differences) >= 6 and bool(np.any(differences))
    test: Any = stats.wilcoxon(differences) if testable else None
    effect = float(differences.mean()) / spread if spread > 0 else None
    return {
        **interval(differences.tolist()),
        "p": float(test.pvalue) if testable else None,
        "cohen_d": effect,
        "over_folds": _over_folds(differences, np.asarray(folds)),
    }


def _over_folds(differences: np.ndarray, folds: np.ndarray) -> dict[str, float | None] | None:
    different = np.unique(folds)
    if not 1 < len(different) < len(differences):
        return None
    return interval([float(differences[folds == fold].mean()) for fold in different])


def hypervolume(points: Sequence[tuple[float, float]], reference: tuple[float, float]) -> float:
    """The area that points (both numbers: less is better) dominate up to ``reference``."""
    total, ceiling = 0.0, reference[1]
    for x, y in sorted(set(points)):
        if x < reference[0] and y < ceiling:
            total += (reference[0] - x) * (ceiling - y)
            ceiling = y
    return total


def equal_loss_ratio(
    first: Sequence[tuple[float, float]], second: Sequence[tuple[float, float]]
) -> float | None:
    """Costs of ``first`` over those of ``second`` at equal loss; points are (cost, loss).

    The mean logarithm of the ratio over the losses that both fronts reach, straight lines between
    points (Bjontegaard's measure, without its polynomials). None where they share no range.
    """
    fronts = [_front(first), _front(second)]
    low = max(losses[0] for losses, _ in fronts)
    high = min(losses[-1] for losses, _ in fronts)
    if not low < high:
        return None
    places = np.linspace(low, high, 201)
    logs = [np.interp(places, losses, np.log(costs)) for losses, costs in fronts]
    return float(np.exp(np.mean(logs[0] - logs[1])))


def _front(points: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """(losses, costs) of the points that no other beats, by rising loss."""
    kept: list[tuple[float, float]] = []
    for cost, loss in sorted(points):
        if not kept or loss < kept[-1][1]:
            kept.append((cost, loss))
    costs, losses = np.array(kept[::-1]).T
    return losses, costs


def verdict(found: Mapping[str, Any]) -> str:
    """Whether 'first is below second' held: its interval lies below zero."""
    if found["high"] is None:
        return UNTESTED
    if found["high"] < 0:
        return HELD
    return OPPOSITE if (found["low"] or 0) > 0 else NOT_SHOWN
