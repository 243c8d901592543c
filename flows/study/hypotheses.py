"""Hypotheses: fixed in a study's file before its first run, each judged in one line."""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.study.statistics import HELD, paired, verdict
from flows.study.wording import shown

Judged = dict[str, Any]


def below(
    said: str,
    first: Sequence[float],
    second: Sequence[float],
    unit: str = "",
    *,
    folds: Sequence[int] = (),
) -> Judged:
    """Whether ``first`` is below ``second``, in pairs of one repetition. said: the hypothesis.
    folds: of each repetition, for an interval over folds beside that which decides."""
    effect = paired(first, second, folds)
    return {"said": said, "verdict": verdict(effect), "effect": effect, "unit": unit}


def above(
    said: str, first: Sequence[float], second: Sequence[float], *, folds: Sequence[int] = ()
) -> Judged:
    """Whether ``first`` is above ``second``; the effect is first - second, as in `below`."""
    found = below(said, first, second, folds=folds)
    return found | {"verdict": verdict(paired(second, first))}


def judged(said: str, answer: str, note: str = "") -> Judged:
    """A hypothesis that something other than paired differences decides. note: the figures."""
    return {"said": said, "verdict": answer, "note": note}


def held_lines(result: Mapping[str, Any]) -> list[str]:
    """A line for each hypothesis, then how many held."""
    found = result["hypotheses"]
    held = sum(one["verdict"] == HELD for one in found)
    untested = sum(one["verdict"].startswith("not tested") for one in found)
    total = f"{held} of {len(found)} hypotheses held"
    return [*map(_line, found), total + (f", {untested} not tested" if untested else "")]


def _line(found: Mapping[str, Any]) -> str:
    note = found["note"] if "note" in found else _effect(found)
    return f"hypothesis: {found['said']}: {found['verdict']}" + (f" ({note})" if note else "")


def _effect(found: Mapping[str, Any]) -> str:
    effect, unit = found["effect"], found["unit"]
    parts = [f"difference {shown(effect, 4)}{unit and ' ' + unit}"]
    if over := effect.get("over_folds"):
        parts += [f"over folds [{over['low']:.4f}, {over['high']:.4f}]"]
    parts += [f"p {effect['p']:.2g}"] if effect["p"] is not None else []
    parts += [f"d {effect['cohen_d']:.2f}"] if effect["cohen_d"] is not None else []
    return ", ".join(parts)
