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
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from flows.console import table
from flows.study.cell import Cell, Outcome
from flows.study.picture import curves
from flows.study.prices import Prices, even_shares, prepared, space_of
from flows.study.runner import Findings, Row
from flows.study.setting import StudyConfig
from flows.study.statistics import hypervolume, interval, mean_per_row, paired, verdict
from ir import plugins
from ir.errors import ConfigError
from ir.plan import PrecisionPlan
from quant.allocator import FOLDER as ALLOCATORS
from quant.allocator import build_allocator
from quant.budget import Budget
from quant.evaluations import Store
from quant.search_settings import SearchSettings

__all__ = ["CONFIG", "QUICK", "describe", "gather", "one_cell", "prepared"]

ORACLE = "exhaustive"
HYPOTHESES = [(a, b) for a in ("eagl", "alps") for b in ("random", "uniform")]
CHEAPER = (("eagl", "alps"), ("alps", "haq"))
ORDER_OF_MAGNITUDE = 10
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


def one_cell(shared: tuple[Compare, Prices], fold: int, seed: int, folder: Path) -> Row:
    """Everything that one fold and seed say: outcomes of all plans, choices of all allocators."""
    config, prices = shared
    cell = Cell(config.setting, fold, seed, folder)
    space = space_of(prices, cell.base.links)
    if space.size > MOST_PLANS:
        raise ConfigError(f"compare trains all {space.size} plans, at most {MOST_PLANS}")
    plans = [space.plan(numbers) for numbers in product(*space.widths)]
    outcomes = {plan: cell.outcome(plan) for plan in plans}
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
        "trainings": len(plans),
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
    found = build_allocator(name, config.search(cell), store).allocate(
        cell.base, cell.data.search, prices.cost, Budget(cycles=budget), cell.seed
    )
    if found.plan not in outcomes:
        raise ConfigError(
            f"compare trains the plans of choices {list(config.setting.choices)} layer by layer; "
            f"{name} chose {found.plan}: leave it out of allocators, or run kernel_wise"
        )
    outcome = outcomes[found.plan]
    bits = [layer.widest for layer in found.plan.layers.values()]
    return {
        "allocator": name,
        "budget": budget,
        "plan": str(found.plan),
        "nll": outcome.test["nll"],
        "accuracy": outcome.test["accuracy"],
        "cycles": prices.cycles[found.plan],
        "weight_bytes": found.provenance.plan_bytes,
        "mean_bits": sum(bits) / len(bits),
        "seconds": found.provenance.seconds,
        "evaluations": found.provenance.evaluations,
        "trainings": found.provenance.trainings,
        "within": prices.cycles[found.plan] <= budget,
    }


def _cache_off(config: Compare, prices: Prices, cell: Cell) -> dict[str, float]:
    """{allocator: seconds of a search at the middle budget with nothing known}."""
    budgets = config.cycle_budgets(prices)
    middle = Budget(cycles=budgets[len(budgets) // 2])
    return {
        name: build_allocator(name, config.search(cell))
        .allocate(cell.base, cell.data.search, prices.cost, middle, cell.seed)
        .provenance.seconds
        for name in config.allocators
    }


def gather(shared: tuple[Compare, Prices], rows: list[Row]) -> Findings:
    """Means with intervals over the repetitions, paired tests of the hypotheses."""
    config, prices = shared
    regrets = {name: [_regret(row, name) for row in rows] for name in config.allocators}
    methods = {
        name: _summary(config, prices, rows, name, regrets[name]) for name in config.allocators
    }
    tests = []
    for first, second in HYPOTHESES:
        if first in regrets and second in regrets:
            found = paired(regrets[first], regrets[second])
            tests.append({"first": first, "second": second, **found, "verdict": verdict(found)})
    results = {
        "study": config.name,
        "repetitions": len(rows),
        "budgets": config.cycle_budgets(prices),
        "uniform_cycles": {str(bits): cycles for bits, cycles in prices.uniform.items()},
        "bit_dependent_share": prices.share,
        "warning": prices.warning,
        "trainings": sum(row["trainings"] for row in rows),
        "methods": methods,
        "regret_tests": tests,
        "search_costs": _search_costs(methods),
        "cells": rows,
    }
    keys = ("fold", "seed")
    flat = [{k: row[k] for k in keys} | choice for row in rows for choice in row["choices"]]
    return Findings(results=results, table=flat, picture=_picture(config, rows))


def _of(row: Row, name: str) -> list[dict[str, Any]]:
    return [choice for choice in row["choices"] if choice["allocator"] == name]


def _regret(row: Row, name: str) -> float:
    """Mean over the budgets, nats."""
    pairs = list(zip(_of(row, name), _of(row, ORACLE), strict=True))
    return sum(mine["nll"] - best["nll"] for mine, best in pairs) / len(pairs)


def _summary(
    config: Compare, prices: Prices, rows: Sequence[Row], name: str, regrets: Sequence[float]
) -> dict[str, Any]:
    chosen = [_of(row, name) for row in rows]

    def mean(key: str) -> dict[str, float | None]:
        return interval(mean_per_row(chosen, key))

    off = [row["cache_off"][name] for row in rows if row["cache_off"]]
    return {
        "nll": mean("nll"),
        "accuracy": mean("accuracy"),
        "cycles": mean("cycles"),
        "weight_bytes": mean("weight_bytes"),
        "mean_bits": mean("mean_bits"),
        "regret": interval(regrets),
        "hypervolume": interval([_hypervolume(config, prices, row, name) for row in rows]),
        "search_seconds": mean("seconds"),
        "search_seconds_cache_off": off[0] if off else None,
        "evaluations": mean("evaluations"),
        "trainings": mean("trainings"),
        "violations": sum(not choice["within"] for row in chosen for choice in row),
    }


def _search_costs(methods: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How many times the first search's seconds, nothing known before, the second's take."""
    key = "search_seconds_cache_off"
    pairs = [
        (first, second, methods[second][key] / methods[first][key])
        for first, second in CHEAPER
        if all(name in methods and methods[name][key] for name in (first, second))
    ]
    return [
        {
            "first": first,
            "second": second,
            "times": times,
            "verdict": "held" if times >= ORDER_OF_MAGNITUDE else "did not hold",
        }
        for first, second, times in pairs
    ]


def _hypervolume(config: Compare, prices: Prices, row: Row, name: str) -> float:
    low, high = prices.ends(config.setting)
    points = [
        ((c["cycles"] - low) / (high - low), c["nll"] / row["greatest_nll"]) for c in _of(row, name)
    ]
    return hypervolume(points, (1.0, 1.0))


def _picture(config: Compare, rows: Sequence[Row]) -> str:
    """Mean test loss over mean cycles, a point for each budget."""

    def point(name: str, place: int) -> tuple[float, float]:
        chosen = [[_of(row, name)[place] for row in rows]]
        return mean_per_row(chosen, "cycles")[0], mean_per_row(chosen, "nll")[0]

    lines = {n: [point(n, i) for i in range(config.budgets)] for n in config.allocators}
    return curves(lines, "measured cycles an image", "test loss, nats")


COLUMNS = ("allocator", "regret", "test loss", "accuracy", "cycles", "hypervolume")
COLUMNS += ("evaluations", "search s", "search s, cache off", "over budget")


def describe(result: Mapping[str, Any]) -> str:
    """The methods as a table, the hypotheses line by line, and where everything lies."""
    rows = [
        [
            name,
            _shown(m["regret"], 4),
            _shown(m["nll"], 4),
            _shown(m["accuracy"], 4),
            _shown(m["cycles"], 0),
            _shown(m["hypervolume"], 4),
            _shown(m["evaluations"], 1),
            _seconds(m["search_seconds"]["mean"]),
            "-"
            if m["search_seconds_cache_off"] is None
            else f"{m['search_seconds_cache_off']:.3g}",
            str(m["violations"]),
        ]
        for name, m in result["methods"].items()
    ]
    tests = [
        f"regret of {t['first']} below {t['second']}: {t['verdict']} (difference "
        f"{_shown(t, 4)} nats, p {t['p'] if t['p'] is None else format(t['p'], '.2g')})"
        for t in result["regret_tests"]
    ]
    lines = [
        table(COLUMNS, rows, f"{result['repetitions']} repetitions, means with 95 % intervals"),
        f"bit_dependent_share {result['bit_dependent_share']:.2f}; {result['warning']}".rstrip(
            "; "
        ),
        f"{result['trainings']} fine-tunings in all",
        *tests,
        *(
            f"search of {c['second']} costs {c['times']:.3g} times {c['first']}'s, cache off; "
            f"{ORDER_OF_MAGNITUDE} times or more: {c['verdict']}"
            for c in result["search_costs"]
        ),
        *result["files"],
    ]
    return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _shown(found: Mapping[str, Any], digits: int) -> str:
    if found["low"] is None:
        return f"{found['mean']:.{digits}f}"
    return f"{found['mean']:.{digits}f} [{found['low']:.{digits}f}, {found['high']:.{digits}f}]"
