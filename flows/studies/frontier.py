"""frontier: loss and accuracy over measured cycles, every allocator at a ladder of budgets.

As `compare`, with widths of 2 to 8 bits a layer instead of two of them: too many plans for an
oracle, so searches judge plans by a short fine-tuning of their own, and only what they chose is
fine-tuned in full, by one recipe for all, and simulated. `--set setting.training.recipe=lsq` makes
that EAGL's and ALPS's own.

hypervolume: area above the curve of test loss over cycles, as a share of the rectangle between the
narrowest and the widest uniform plan's cycles and between zero and the greatest loss of any chosen
plan.

Hypotheses, fixed before the first run (Bablani et al., arXiv 2301.13330, who sweep the budget so):
EAGL's and ALPS's hypervolume is above random's and above that of uniform plans.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from flows.console import table
from flows.study.cell import Cell
from flows.study.choices import (
    flat,
    front_area,
    loss_picture,
    mean_bits,
    means,
    of_method,
    points_of,
    violations,
)
from flows.study.hypotheses import above, held_lines
from flows.study.prices import Prices, prepared, simulate_plans
from flows.study.runner import Findings, Row, folds_of
from flows.study.search import searched
from flows.study.setting import StudyConfig, check_shares
from flows.study.statistics import interval
from flows.study.wording import head, rough, share_lines, shown
from ir import plugins
from quant.allocator import FOLDER as ALLOCATORS
from quant.evaluations import Store
from quant.search_settings import SearchSettings

__all__ = ["CONFIG", "NIGHTLY", "QUICK", "describe", "gather", "one_cell", "prepared"]

HYPOTHESES = [(a, b) for a in ("eagl", "alps") for b in ("random", "uniform")]


@dataclass(frozen=True, kw_only=True)
class Frontier(StudyConfig):
    """shares: budgets between the narrowest (0) and the widest (1) uniform plan's cycles.
    search_epochs: of one evaluation. episodes, warmup: of searches by reinforcement learning."""

    allocators: tuple[str, ...]
    shares: tuple[float, ...]
    search_epochs: int = 1
    episodes: int = 120
    warmup: int = 40

    def __post_init__(self) -> None:
        for name in self.allocators:
            plugins.path(ALLOCATORS, name)
        check_shares(self.shares)

    def budgets(self, prices: Prices) -> list[int]:
        """Cycles."""
        return prices.budgets(self.setting, self.shares)

    def search(self, cell: Cell) -> SearchSettings:
        """How searches of a cell judge plans."""
        return replace(
            cell.search, epochs=self.search_epochs, episodes=self.episodes, warmup=self.warmup
        )


CONFIG = Frontier
QUICK = (
    "setting.training.float_epochs=6",
    "setting.training.tune_epochs=2",
    "setting.training.frozen_norm_epochs=1",
    "shares=[0.05, 0.2, 0.6]",
    "episodes=8",
    "warmup=5",
)
NIGHTLY = ("setting.seeds=1", "shares=[0.05, 0.12, 0.25, 0.7]", "episodes=40", "warmup=15")


def one_cell(shared: tuple[Frontier, Prices], fold: int, seed: int, folder: Path) -> Row:
    """Every allocator's plan at every budget: test loss, cycles, what finding it took."""
    config, prices = shared
    cell = Cell(config.setting, fold, seed, folder)
    store: Store = {}  # every search is charged in full, whoever trained first
    found = [
        (name, budget, *searched(cell, prices, name, budget, config.search(cell), store))
        for name in config.allocators
        for budget in config.budgets(prices)
    ]
    cycles = simulate_plans(config.setting, cell.steps, [plan for _, _, plan, _ in found])
    choices = [
        {
            "method": name,
            "budget": budget,
            **cell.outcome(plan).test,
            "cycles": cycles[plan],
            "within": cycles[plan] <= budget,
            "mean_bits": mean_bits(plan),
            "plan": str(plan),
            **asdict(took),
        }
        for name, budget, plan, took in found
    ]
    return {"fold": fold, "seed": seed, "choices": choices}


def gather(shared: tuple[Frontier, Prices], rows: list[Row]) -> Findings:
    """Each allocator's frontier, its hypervolume, and what its searches took."""
    config, prices = shared
    ends = prices.ends(config.setting)
    areas = {name: [_area(row, name, ends) for row in rows] for name in config.allocators}
    results = {
        **head(config, rows, prices),
        "budgets": config.budgets(prices),
        "methods": {
            name: _summary(rows, name) | {"hypervolume": interval(areas[name])}
            for name in config.allocators
        },
        "hypotheses": [
            above(
                f"hypervolume of {first} above {second}'s",
                areas[first],
                areas[second],
                folds=folds_of(rows),
            )
            for first, second in HYPOTHESES
            if {first, second} <= set(areas)
        ],
        "cells": rows,
    }
    return Findings(
        results=results, table=flat(rows), picture=loss_picture(rows, config.allocators)
    )


def _area(row: Row, name: str, ends: tuple[int, int]) -> float:
    greatest = max(choice["nll"] for choice in row["choices"])
    return front_area(points_of(row, name), ends, greatest)


MEANS = ("nll", "accuracy", "cycles", "weight_bytes", "mean_bits")
MEANS += ("seconds", "evaluations", "trainings")


def _summary(rows: Sequence[Row], name: str) -> dict[str, Any]:
    """frontier: [{nll, accuracy, cycles}] in the order of the budgets, the rest over all of
    them."""
    by_budget = zip(*(of_method(row, name) for row in rows), strict=True)
    keys = ("nll", "accuracy", "cycles")
    frontier = [
        {key: interval([choice[key] for choice in place]) for key in keys} for place in by_budget
    ]
    return means(rows, name, MEANS) | {
        "frontier": frontier,
        "violations": violations(rows, name),
    }


def describe(result: Mapping[str, Any]) -> str:
    """Losses by budget, what each allocator comes to, and the hypotheses."""
    methods: Mapping[str, Any] = result["methods"]
    ladder = [
        [name, *(f"{shown(at['nll'], 3)}, {at['accuracy']['mean']:.3f}" for at in m["frontier"])]
        for name, m in methods.items()
    ]
    rows = [
        [
            name,
            shown(m["hypervolume"], 4),
            *(f"{m[key]['mean']:.4g}" for key in ("cycles", "mean_bits", "evaluations")),
            rough(m["seconds"]["mean"]),
            str(m["violations"]),
        ]
        for name, m in methods.items()
    ]
    columns = ("allocator", "hypervolume", "cycles", "weight bits", "evaluations", "search s")
    title = f"{result['repetitions']} repetitions, means with 95 % intervals: test loss, accuracy"
    budgets = [f"{budget} cycles" for budget in result["budgets"]]
    return "\n".join(
        [
            table(("allocator", *budgets), ladder, title),
            table((*columns, "over budget"), rows, "over all budgets"),
            *share_lines(result),
            *result["files"],
            *held_lines(result),
        ]
    )
