"""bops_vs_cycles: what happens to a budget of cycles when plans are priced by bit-operations.

On an overlay whose digits have 2x2 bits, 3 bits take as long as 4. Both methods maximise the same
gain (EAGL's) with the same knapsack; one prices a layer by its measured cycles, the other by its
bit-operations, MACs x w_bits x a_bits. A budget of cycles becomes one of bit-operations by the
straight line through the two uniform plans, narrowest and widest: the best that somebody who counts
bit-operations could do with two measurements. Each plan is then simulated.

Hypothesis, fixed before the first run: plans priced by bit-operations break budgets that plans
priced by cycles keep. The latter keep all of them by construction; what is counted is the former.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.console import table
from flows.study.cell import Cell
from flows.study.choices import flat, means, of_method, violations
from flows.study.hypotheses import held_lines, judged
from flows.study.picture import curves
from flows.study.prices import Prices, even_shares, prepared, simulate_plans
from flows.study.runner import Findings, Row
from flows.study.setting import StudyConfig
from flows.study.statistics import HELD, NOT_HELD, interval, mean_per_row
from flows.study.wording import head, percent, share_lines
from ir.cost import CostEntry, CostModel, CostTable
from ir.errors import ConfigError
from ir.plan import PrecisionPlan
from quant.allocators.eagl import entropy_gains
from quant.budget import Budget
from quant.fit import fit_budget
from quant.macs import layer_macs
from quant.plan_space import PlanSpace

__all__ = ["CONFIG", "NIGHTLY", "QUICK", "describe", "gather", "one_cell", "prepared"]

METHODS = ("cycles", "bit-operations")
SAID = "plans priced by bit-operations break budgets that plans priced by cycles keep"


@dataclass(frozen=True, kw_only=True)
class BopsVsCycles(StudyConfig):
    """budgets: how many, evenly inside the range from the narrowest to the widest uniform plan."""

    budgets: int = 10

    def __post_init__(self) -> None:
        if self.budgets < 1:
            raise ConfigError(f"budgets must be at least 1, not {self.budgets}")

    def cycle_budgets(self, prices: Prices) -> list[int]:
        """Cycles."""
        return prices.budgets(self.setting, even_shares(self.budgets))


CONFIG = BopsVsCycles
QUICK = (
    "setting.training.float_epochs=6",
    "setting.training.tune_epochs=2",
    "setting.training.frozen_norm_epochs=1",
)
NIGHTLY = ("setting.seeds=1",)


def bops_model(table: CostTable, macs: Mapping[str, int]) -> CostModel:
    """The same entries, priced by bit-operations; exact for whole plans too."""
    entries = {
        layer: {
            (w, a): CostEntry(cycles=macs[layer] * w * a, provenance="predicted")
            for w, a in table.choices(layer)
        }
        for layer in table.layers
    }
    priced = CostTable(entries)
    return CostModel(table=priced, plan_cycles=priced.cost)


def one_cell(shared: tuple[BopsVsCycles, Prices], fold: int, seed: int, folder: Path) -> Row:
    """Plans of both methods at every budget, and the cycles that they take."""
    config, prices = shared
    cell = Cell(config.setting, fold, seed, folder)
    space = PlanSpace(prices.table, cell.base.links)
    gains = {
        layer.block_name: entropy_gains(layer, space.layers[layer.block_name])
        for layer in cell.base.chain
    }
    models = {
        "cycles": prices.cost,
        "bit-operations": bops_model(prices.table, layer_macs(cell.base)),
    }
    plans: list[tuple[str, int, PrecisionPlan]] = []
    for budget in config.cycle_budgets(prices):
        for name, model in models.items():
            most = as_priced(config, prices, model, cell, budget)
            found = fit_budget(lambda n, b: gains[n][b], space, model, Budget(cycles=most))
            plans.append((name, budget, found.plan))
    cycles = simulate_plans(config.setting, cell.steps, [plan for _, _, plan in plans])
    return {
        "fold": fold,
        "seed": seed,
        "choices": [
            {
                "method": name,
                "budget": budget,
                "plan": str(plan),
                "cycles": cycles[plan],
                "share": cycles[plan] / budget,
                "within": cycles[plan] <= budget,
                "gain": sum(gains[n][b.widest] for n, b in plan.layers.items()),
            }
            for name, budget, plan in plans
        ],
    }


def as_priced(
    config: BopsVsCycles, prices: Prices, model: CostModel, cell: Cell, budget: int
) -> int:
    """A budget of cycles in a model's own unit, by the line through the two uniform plans."""
    low, high = prices.ends(config.setting)
    choices = config.setting.choices
    narrow, wide = (model.plan_cycles(cell.uniform(bits)) for bits in (choices[0], choices[-1]))
    return int(narrow + (budget - low) / (high - low) * (wide - narrow))


def gather(shared: tuple[BopsVsCycles, Prices], rows: list[Row]) -> Findings:
    """Broken budgets by method, how far beyond, and how much of those that were kept is unused."""
    config, prices = shared
    methods = {name: _summary(rows, name) for name in METHODS}
    broken = {name: methods[name]["broken"] for name in METHODS}
    held = broken["cycles"] == 0 < broken["bit-operations"]
    note = ", ".join(f"{count} priced by {name}" for name, count in broken.items())
    results = {
        **head(config, rows, prices),
        "budgets": config.cycle_budgets(prices),
        "methods": methods,
        "hypotheses": [judged(SAID, HELD if held else NOT_HELD, f"broken: {note}")],
        "cells": rows,
    }
    return Findings(results=results, table=flat(rows), picture=_picture(config, prices, rows))


def _summary(rows: Sequence[Row], name: str) -> dict[str, Any]:
    chosen = [of_method(row, name) for row in rows]
    over = [[c for c in row if not c["within"]] for row in chosen]
    kept = [[c for c in row if c["within"]] for row in chosen]
    excess = [share - 1 for share in mean_per_row(over, "share")]
    unused = [1 - share for share in mean_per_row(kept, "share")]
    return {
        "plans": sum(map(len, chosen)),
        "broken": violations(rows, name),
        "excess": interval(excess) if excess else None,
        "unused": interval(unused) if unused else None,
        **means(rows, name, ["gain"]),
    }


def _picture(config: BopsVsCycles, prices: Prices, rows: Sequence[Row]) -> str:
    """Mean cycles over the budget; what lies above the line of 'budget' breaks it."""
    budgets = config.cycle_budgets(prices)

    def mean(name: str, budget: int) -> float:
        found = [
            c["cycles"]
            for row in rows
            for c in row["choices"]
            if (c["method"], c["budget"]) == (name, budget)
        ]
        return sum(found) / len(found)

    lines = {name: [(float(b), mean(name, b)) for b in budgets] for name in METHODS}
    return curves(
        lines | {"budget": [(float(b), float(b)) for b in budgets]},
        "budget, cycles an image",
        "measured cycles an image",
    )


def describe(result: Mapping[str, Any]) -> str:
    """Both methods in a table, the hypothesis, and where everything lies."""
    rows = [
        [
            name,
            f"{m['broken']} of {m['plans']}",
            percent(m["excess"]),
            percent(m["unused"]),
            f"{m['gain']['mean']:.3f}",
        ]
        for name, m in result["methods"].items()
    ]
    columns = ("priced by", "budgets broken", "by, mean", "unused of kept, mean", "gain, bits")
    return "\n".join(
        [
            table(columns, rows, f"{result['repetitions']} repetitions"),
            *share_lines(result),
            *result["files"],
            *held_lines(result),
        ]
    )
