"""compare: every allocator under one recipe, at ten budgets, against the exhaustive oracle.

A repetition (fold, seed) trains a float network, the same at the widest choice, and from there
every plan of the space once. Allocators search on training and validation images, judging plans by
that very fine-tuning; what they chose is then compared on the test images.

regret: test loss of the chosen plan less that of the exhaustive search's, at the same budget.
hypervolume: area above the curve of test loss over cycles, as a share of the rectangle between the
cheapest and the widest plan's cycles and between zero and the greatest loss of any plan.

Hypotheses, fixed before the first run (Bablani et al., arXiv 2301.13330): EAGL's and ALPS's regret
is below random's and uniform's; EAGL's search is orders of magnitude cheaper than ALPS's, and that
cheaper than reinforcement learning's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from flows.console import table
from flows.study.cell import Cell, Outcome
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
from flows.study.hypotheses import below, held_lines
from flows.study.prices import Prices, even_shares, prepared, space_of
from flows.study.runner import Findings, Row, folds_of
from flows.study.search import CHEAPER, cost_hypotheses, searched
from flows.study.setting import StudyConfig
from flows.study.statistics import interval
from flows.study.wording import head, rough, share_lines, shown
from ir import plugins
from ir.errors import ConfigError
from ir.plan import PrecisionPlan
from quant.allocator import FOLDER as ALLOCATORS
from quant.evaluations import Store
from quant.search_settings import SearchSettings

__all__ = ["CONFIG", "NIGHTLY", "QUICK", "describe", "gather", "one_cell", "prepared"]

ORACLE = "exhaustive"
HYPOTHESES = [(a, b) for a in ("eagl", "alps") for b in ("random", "uniform")]
MOST_PLANS = 64


@dataclass(frozen=True, kw_only=True)
class Compare(StudyConfig):
    """budgets: how many, evenly inside the range from the cheapest to the widest uniform plan.
    episodes, warmup: of searches by reinforcement learning."""

    allocators: tuple[str, ...]
    budgets: int = 10
    episodes: int = 120
    warmup: int = 40

    def __post_init__(self) -> None:
        for name in self.allocators:
            plugins.path(ALLOCATORS, name)
        if ORACLE not in self.allocators:
            raise ConfigError(f"allocators must hold {ORACLE}, against which regret is measured")
        if self.setting.training.at(self.setting.choices[0]).distillation.weight:
            raise ConfigError(
                "compare's searches judge plans by their fine-tunings, and a search does not "
                "distill: leave training.distillation out, or run frontier"
            )
        if self.budgets < 1:
            raise ConfigError(f"budgets must be at least 1, not {self.budgets}")

    def cycle_budgets(self, prices: Prices) -> list[int]:
        """Cycles."""
        return prices.budgets(self.setting, even_shares(self.budgets))

    def search(self, cell: Cell) -> SearchSettings:
        """How searches of a cell judge plans."""
        return replace(cell.search, episodes=self.episodes, warmup=self.warmup)


CONFIG = Compare
QUICK = (
    "setting.training.float_epochs=6",
    "setting.training.tune_epochs=2",
    "setting.training.frozen_norm_epochs=1",
    "budgets=3",
    "episodes=12",
    "warmup=6",
)
NIGHTLY = ("setting.seeds=1",)


def one_cell(shared: tuple[Compare, Prices], fold: int, seed: int, folder: Path) -> Row:
    """Everything that one fold and seed say: outcomes of all plans, choices of all allocators."""
    config, prices = shared
    cell = Cell(config.setting, fold, seed, folder)
    space = space_of(prices, cell.base.links)
    if space.size > MOST_PLANS:
        raise ConfigError(f"compare trains all {space.size} plans, at most {MOST_PLANS}")
    outcomes = {plan: cell.outcome(plan) for plan in map(space.plan, product(*space.widths))}
    epochs = config.search(cell).epochs
    store: Store = {(p, epochs, seed): found.evaluation for p, found in outcomes.items()}
    choices = [
        _choice(config, prices, cell, store, outcomes, name, budget)
        for name in config.allocators
        for budget in config.cycle_budgets(prices)
    ]
    return {
        "fold": fold,
        "seed": seed,
        "greatest_nll": max(found.test["nll"] for found in outcomes.values()),
        "trainings": len(outcomes),
        "choices": choices,
        "cache_off": _cache_off(config, prices, cell) if (fold, seed) == (0, 0) else None,
    }


def _choice(
    config: Compare,
    prices: Prices,
    cell: Cell,
    store: Store,
    outcomes: Mapping[PrecisionPlan, Outcome],
    name: str,
    budget: int,
) -> dict[str, Any]:
    """What an allocator chose for a budget, and what that came to. The search is charged in full,
    whoever trained first."""
    plan, took = searched(cell, prices, name, budget, config.search(cell), store)
    if plan not in outcomes:
        raise ConfigError(
            f"compare trains the plans of choices {list(config.setting.choices)} layer by layer; "
            f"{name} chose {plan}: leave it out of allocators, or run kernel_wise"
        )
    return {
        "method": name,
        "budget": budget,
        "plan": str(plan),
        **outcomes[plan].test,
        "cycles": prices.cycles[plan],
        "mean_bits": mean_bits(plan),
        **asdict(took),
        "within": prices.cycles[plan] <= budget,
    }


def _cache_off(config: Compare, prices: Prices, cell: Cell) -> dict[str, float]:
    """{allocator: seconds of a search at the middle budget with nothing known}."""
    budgets = config.cycle_budgets(prices)
    middle = budgets[len(budgets) // 2]
    return {
        name: searched(cell, prices, name, middle, config.search(cell))[1].seconds
        for name in config.allocators
    }


def gather(shared: tuple[Compare, Prices], rows: list[Row]) -> Findings:
    """Means with intervals over the repetitions, paired tests of the hypotheses."""
    config, prices = shared
    regrets = {name: [_regret(row, name) for row in rows] for name in config.allocators}
    cache_off = next((row["cache_off"] for row in rows if row["cache_off"]), {})
    hypotheses = [
        below(
            f"regret of {first} below {second}'s",
            regrets[first],
            regrets[second],
            "nats",
            folds=folds_of(rows),
        )
        for first, second in HYPOTHESES
        if {first, second} <= set(regrets)
    ]
    results = {
        **head(config, rows, prices),
        "budgets": config.cycle_budgets(prices),
        "trainings": sum(row["trainings"] for row in rows),
        "methods": {
            name: _summary(config, prices, rows, name)
            | {
                "regret": interval(regrets[name]),
                "search_seconds_cache_off": cache_off.get(name),
            }
            for name in config.allocators
        },
        "hypotheses": [*hypotheses, *cost_hypotheses(cache_off, CHEAPER)],
        "cells": rows,
    }
    return Findings(
        results=results, table=flat(rows), picture=loss_picture(rows, config.allocators)
    )


def _regret(row: Row, name: str) -> float:
    """Mean over the budgets, nats."""
    pairs = list(zip(of_method(row, name), of_method(row, ORACLE), strict=True))
    return sum(mine["nll"] - best["nll"] for mine, best in pairs) / len(pairs)


MEANS = ("nll", "accuracy", "cycles", "weight_bytes", "mean_bits")
MEANS += ("seconds", "evaluations", "trainings")


def _summary(config: Compare, prices: Prices, rows: Sequence[Row], name: str) -> dict[str, Any]:
    ends = prices.ends(config.setting)
    areas = [front_area(points_of(row, name), ends, row["greatest_nll"]) for row in rows]
    return means(rows, name, MEANS) | {
        "hypervolume": interval(areas),
        "violations": violations(rows, name),
    }


COLUMNS = ("allocator", "regret", "test loss", "accuracy", "cycles", "hypervolume")
COLUMNS += ("evaluations", "search s", "search s, cache off", "over budget")


def describe(result: Mapping[str, Any]) -> str:
    """The methods as a table, the hypotheses line by line, and where everything lies."""
    rows = [
        [
            name,
            *(shown(m[key], 4) for key in ("regret", "nll", "accuracy")),
            shown(m["cycles"], 0),
            shown(m["hypervolume"], 4),
            shown(m["evaluations"], 1),
            rough(m["seconds"]["mean"]),
            rough(m["search_seconds_cache_off"]),
            str(m["violations"]),
        ]
        for name, m in result["methods"].items()
    ]
    lines = [
        table(COLUMNS, rows, f"{result['repetitions']} repetitions, means with 95 % intervals"),
        *share_lines(result),
        f"{result['trainings']} fine-tunings in all",
        *result["files"],
        *held_lines(result),
    ]
    return "\n".join(lines)
