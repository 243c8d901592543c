"""kernel_wise: AutoQ's width for every kernel against HAQ's for every layer, in measured cycles.

Both search with as many episodes, judge plans by the same short fine-tuning, and end with the same
recipe. AutoQ's plans are simulated twice: with output channels in order of their bits, and in their
own order, where a tile of rows waits for its widest.

Ratio at equal loss: each method's plans make a front of test loss over cycles; between the losses
that both fronts reach, the mean of the logarithm of the ratio of cycles, as a ratio.

HAQ gives a layer one number for its weights and activations, AutoQ two. AutoQ with one width a
layer stands between them, so that the gain of kernels is told from that of the second number.

Hypothesis, fixed before the first run (Lou et al., arXiv 1902.05690): AutoQ's plans take fewer
cycles than HAQ's at equal loss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import expm1, log
from pathlib import Path
from typing import Any, Literal

from flows.console import table
from flows.study.cell import Cell
from flows.study.choices import flat, mean_bits, means, points_of, violations
from flows.study.hypotheses import Judged, held_lines, judged
from flows.study.picture import curves
from flows.study.prices import Prices, prepared, simulate_plans
from flows.study.runner import Findings, Row
from flows.study.search import Took, searched
from flows.study.setting import StudyConfig, check_shares
from flows.study.statistics import equal_loss_ratio, interval, verdict
from flows.study.wording import head, share_lines
from ir.plan import PrecisionPlan

__all__ = ["CONFIG", "NIGHTLY", "QUICK", "describe", "gather", "one_cell", "prepared"]

METHODS: dict[str, tuple[str, Literal["kernel", "layer"]]] = {
    "haq": ("haq", "layer"),
    "autoq by layer": ("autoq", "layer"),
    "autoq": ("autoq", "kernel"),
}
CURVES = ("haq", "autoq by layer", "autoq, sorted", "autoq, unsorted")
PAIRS = (
    ("autoq, sorted", "haq"),
    ("autoq, unsorted", "haq"),
    ("autoq, sorted", "autoq by layer"),
)


@dataclass(frozen=True, kw_only=True)
class KernelWise(StudyConfig):
    """shares: budgets between the narrowest (0) and the widest (1) uniform plan's cycles.
    search_epochs, episodes, warmup: of both searches."""

    shares: tuple[float, ...]
    search_epochs: int = 1
    episodes: int = 200
    warmup: int = 60

    def __post_init__(self) -> None:
        check_shares(self.shares)


CONFIG = KernelWise
QUICK = (
    "setting.network.width=16",
    "setting.training.float_epochs=4",
    "setting.training.tune_epochs=2",
    "setting.training.frozen_norm_epochs=1",
    "shares=[0.05, 0.2]",
    "search_epochs=0",
    "episodes=8",
    "warmup=5",
)
NIGHTLY = ("setting.folds=2", "shares=[0.05, 0.1, 0.2]", "episodes=30", "warmup=10")


def one_cell(shared: tuple[KernelWise, Prices], fold: int, seed: int, folder: Path) -> Row:
    """All methods' plans at every budget: test loss, cycles sorted and unsorted."""
    config, prices = shared
    cell = Cell(config.setting, fold, seed, folder)
    found = [
        (name, budget, *_search(config, prices, cell, name, budget))
        for budget in prices.budgets(config.setting, config.shares)
        for name in METHODS
    ]
    plans = [plan for _, _, plan, _ in found]
    cycles = simulate_plans(config.setting, cell.steps, plans)
    unsorted = simulate_plans(config.setting, cell.steps, plans, sort=False)
    choices = [
        {
            "method": name,
            "budget": budget,
            **cell.outcome(plan).test,
            "cycles": cycles[plan],
            "cycles_unsorted": unsorted[plan],
            "within": cycles[plan] <= budget,
            "mean_bits": mean_bits(plan),
            "plan": plan.to_dict(),
            **asdict(took),
        }
        for name, budget, plan, took in found
    ]
    return {"fold": fold, "seed": seed, "choices": choices}


def _search(
    config: KernelWise, prices: Prices, cell: Cell, name: str, budget: int
) -> tuple[PrecisionPlan, Took]:
    """A method's plan for a budget, and what finding it took."""
    allocator, granularity = METHODS[name]
    settings = replace(
        cell.search,
        epochs=config.search_epochs,
        episodes=config.episodes,
        warmup=config.warmup,
        granularity=granularity,
    )
    return searched(cell, prices, allocator, budget, settings)


def curve_of(row: Row, curve: str) -> list[tuple[float, float]]:
    """(cycles, test loss) of a method's plans in one repetition."""
    method, _, order = curve.partition(", ")
    return points_of(row, method, x="cycles_unsorted" if order == "unsorted" else "cycles")


MEANS = ("nll", "accuracy", "cycles", "cycles_unsorted", "mean_bits", "seconds", "evaluations")


def gather(shared: tuple[KernelWise, Prices], rows: list[Row]) -> Findings:
    """Ratios of cycles at equal loss, sorted and unsorted, over the repetitions."""
    config, prices = shared
    results = {
        **head(config, rows, prices),
        "budgets": prices.budgets(config.setting, config.shares),
        "hypotheses": [_compared(rows, first, second) for first, second in PAIRS],
        "methods": {
            name: means(rows, name, MEANS) | {"violations": violations(rows, name)}
            for name in METHODS
        },
        "cells": rows,
    }
    return Findings(results=results, table=flat(rows, ["plan"]), picture=_picture(rows))


def _compared(rows: Sequence[Row], first: str, second: str) -> Judged:
    """Whether the first takes fewer cycles at equal loss. The interval is that of the mean
    logarithm; repetitions whose fronts share no loss are counted apart."""
    said = f"{first} takes fewer cycles than {second} at equal loss"
    ratios = [equal_loss_ratio(curve_of(row, first), curve_of(row, second)) for row in rows]
    known = [ratio for ratio in ratios if ratio is not None]
    note = f"{len(known)} of {len(rows)} repetitions comparable"
    if not known:
        return judged(said, "not tested: no losses in common", note) | {"ratios": ratios}
    logs = interval([log(ratio) for ratio in known])
    answer = judged(said, verdict(logs), f"cycles {_change(logs)}, {note}")
    return answer | {"ratios": ratios, "log": logs}


def _picture(rows: Sequence[Row]) -> str:
    """The first repetition's plans: means would mix losses of different plans."""
    lines = {curve: sorted(curve_of(rows[0], curve)) for curve in CURVES}
    return curves(lines, "measured cycles an image", "test loss, nats")


def describe(result: Mapping[str, Any]) -> str:
    """The methods in a table, the ratios at equal loss, and where everything lies."""
    rows = [
        [
            name,
            *(f"{m[key]['mean']:.4g}" for key in ("nll", "accuracy", "cycles")),
            f"{m['cycles_unsorted']['mean']:.4g}",
            *(f"{m[key]['mean']:.3g}" for key in ("mean_bits", "evaluations", "seconds")),
            str(m["violations"]),
        ]
        for name, m in result["methods"].items()
    ]
    columns = ("method", "test loss", "accuracy", "cycles", "unsorted", "weight bits")
    columns += ("evaluations", "search s", "over budget")
    title = f"{result['repetitions']} repetitions, means over the budgets"
    return "\n".join(
        [
            table(columns, rows, title),
            *share_lines(result),
            *result["files"],
            *held_lines(result),
        ]
    )


def _change(logs: Mapping[str, Any]) -> str:
    """A mean logarithm of a ratio as a change in percent."""
    bounds = (
        ""
        if logs["low"] is None
        else " [{:+.1f}, {:+.1f}]".format(*(100 * expm1(logs[key]) for key in ("low", "high")))
    )
    return f"{100 * expm1(logs['mean']):+.1f}{bounds} %"
