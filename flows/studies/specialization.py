"""specialization: bits chosen for one overlay, run on another (Wang et al., arXiv 1811.08886).

Three overlays that like different widths: digits of 1x1 bits take w * a cycles a word, digits of
2x2 take as long for 3 bits as for 4, digits of 4x4 know only up to 4 bits and up to 8. For each of
them one allocator makes plans from that overlay's measured cycles, at the same shares of the way
from its narrowest to its widest uniform plan. Every plan is fine-tuned once and simulated on all
three.

hypervolume: of the plans that were made for the row, with their cycles on the column: the area
above the curve of test loss over cycles, as a share of the rectangle between the column's narrowest
and widest uniform plan's cycles and between zero and the greatest loss of any plan. It judges
cycles and loss together: a plan for another overlay may keep this one's budget at a higher loss, or
break it.

HAQ compares the latency of three policies of about the same accuracy on three machines; ours are
overlays of one size and differ in their digits, the allocator is any, and a ladder of budgets
stands for one accuracy.

Hypotheses, fixed before the first run: in every column the diagonal wins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from flows.console import table
from flows.steps import Steps
from flows.study.cell import Cell
from flows.study.choices import flat, front_area, mean_bits, of_method
from flows.study.diagonal import columns_won, diagonal, diagonal_table
from flows.study.hypotheses import held_lines
from flows.study.picture import curves
from flows.study.prices import Prices, measure_prices, simulate_plans
from flows.study.runner import Findings, Row, folds_of
from flows.study.search import searched
from flows.study.setting import FixedOverlay, Setting, StudyConfig
from flows.study.statistics import interval, mean_per_row
from flows.study.wording import percent
from ir import plugins
from ir.errors import ConfigError
from quant.allocator import FOLDER as ALLOCATORS

__all__ = ["CONFIG", "NIGHTLY", "QUICK", "describe", "gather", "one_cell", "prepared"]


@dataclass(frozen=True, kw_only=True)
class Specialization(StudyConfig):
    """overlays: by name, three in the paper; setting.overlay is not used. shares: budgets, of the
    way from an overlay's narrowest (0) to its widest (1) uniform plan, both among them: a front
    that ends early would be judged by where it ends."""

    overlays: dict[str, FixedOverlay]
    shares: tuple[float, ...]
    allocator: str = "eagl"

    def __post_init__(self) -> None:
        plugins.path(ALLOCATORS, self.allocator)
        if len(self.overlays) < 2:
            raise ConfigError("overlays must be two or more, to compare")
        if self.shares[:1] != (0.0,) or self.shares[-1:] != (1.0,) or _falls(self.shares):
            raise ConfigError(f"shares must rise from 0 to 1, not {list(self.shares)}")
        for overlay in self.overlays.values():
            overlay.build()

    def on(self, name: str) -> Setting:
        """The setting with that overlay."""
        return replace(self.setting, overlay=self.overlays[name])


def _falls(values: Sequence[float]) -> bool:
    return any(a >= b for a, b in pairwise(values))


CONFIG = Specialization
QUICK = (
    "setting.training.float_epochs=6",
    "setting.training.tune_epochs=2",
    "setting.training.frozen_norm_epochs=1",
    "shares=[0, 0.1, 0.3, 1]",
)
NIGHTLY = ("setting.seeds=1",)

Shared = tuple[Specialization, dict[str, Prices]]


def prepared(config: Specialization, steps: Steps) -> Shared:
    """The config, and what widths cost on each overlay."""
    return config, {name: measure_prices(config.on(name), steps) for name in config.overlays}


def one_cell(shared: Shared, fold: int, seed: int, folder: Path) -> Row:
    """The plans for each overlay: test loss, and cycles on all of them."""
    config, prices = shared
    cell = Cell(config.setting, fold, seed, folder)
    found = [
        (name, budgets, searched(cell, prices[name], config.allocator, budgets[name], cell.search))
        for budgets in _ladder(config, prices)
        for name in config.overlays
    ]
    plans = [plan for _, _, (plan, _) in found]
    cycles = {name: simulate_plans(config.on(name), cell.steps, plans) for name in config.overlays}
    choices = [
        {
            "method": name,
            "budget": budgets[name],
            **cell.outcome(plan).test,
            "plan": str(plan),
            "mean_bits": mean_bits(plan),
            "within": cycles[name][plan] <= budgets[name],
            **{_on(other): cycles[other][plan] for other in config.overlays},
            **{_share(other): cycles[other][plan] / budgets[other] for other in config.overlays},
        }
        for name, budgets, (plan, _) in found
    ]
    return {"fold": fold, "seed": seed, "choices": choices}


def _ladder(config: Specialization, prices: Mapping[str, Prices]) -> list[dict[str, int]]:
    """{overlay: cycles} at each share."""
    steps = [prices[name].budgets(config.on(name), config.shares) for name in config.overlays]
    return [dict(zip(config.overlays, row, strict=True)) for row in zip(*steps, strict=True)]


def _on(overlay: str) -> str:
    return f"cycles on {overlay}"


def _share(overlay: str) -> str:
    return f"of the budget on {overlay}"


def gather(shared: Shared, rows: list[Row]) -> Findings:
    """The table of hypervolumes, and beside it what part of the budgets the plans take."""
    config, prices = shared
    scores = {
        made: {
            on: [_score(config, prices, row, made, on) for row in rows] for on in config.overlays
        }
        for made in config.overlays
    }
    found = diagonal(scores, folds_of(rows))
    said = "on {} the plans that were made for it have the greatest hypervolume"
    results = {
        "study": config.name,
        "repetitions": len(rows),
        "budgets": _ladder(config, prices),
        "overlays": {name: _overlay(prices[name]) for name in config.overlays},
        "hypervolume": found,
        "of_the_budget": {
            made: {on: _taken(rows, made, on) for on in config.overlays} for made in config.overlays
        },
        "hypotheses": columns_won(found, said),
        "cells": rows,
    }
    return Findings(results=results, table=flat(rows), picture=_picture(config, rows))


def _score(
    config: Specialization, prices: Mapping[str, Prices], row: Row, made: str, on: str
) -> float:
    points = [(choice[_on(on)], choice["nll"]) for choice in of_method(row, made)]
    greatest = max(choice["nll"] for choice in row["choices"])
    return front_area(points, prices[on].ends(config.on(on)), greatest)


def _overlay(prices: Prices) -> dict[str, Any]:
    return {
        "uniform_cycles": {str(bits): cycles for bits, cycles in prices.uniform.items()},
        "bit_dependent_share": prices.share,
        "warning": prices.warning,
    }


def _taken(rows: Sequence[Row], made: str, on: str) -> dict[str, Any]:
    """{mean: cycles over the budget of the same share, broken: how many budgets, plans}."""
    chosen = [of_method(row, made) for row in rows]
    shares = [choice[_share(on)] for row in chosen for choice in row]
    return {
        **interval(mean_per_row(chosen, _share(on))),
        "broken": sum(share > 1 for share in shares),
        "plans": len(shares),
    }


def _picture(config: Specialization, rows: Sequence[Row]) -> str:
    """The first repetition on the first overlay: every overlay's plans."""
    on = next(iter(config.overlays))
    lines = {
        f"made for {made}": sorted((c[_on(on)], c["nll"]) for c in of_method(rows[0], made))
        for made in config.overlays
    }
    return curves(lines, f"measured cycles an image on {on}", "test loss, nats")


def describe(result: Mapping[str, Any]) -> str:
    """Both tables, the hypotheses, and where everything lies."""
    names = list(result["overlays"])
    shares = [
        [made, *(f"{percent(t, 0)}, {t['broken']} of {t['plans']} broken" for t in row.values())]
        for made, row in result["of_the_budget"].items()
    ]
    title = f"hypervolume, {result['repetitions']} repetitions, means with 95 % intervals"
    return "\n".join(
        [
            diagonal_table(result["hypervolume"], "made for, run on", title),
            table(("made for, run on", *names), shares, "cycles over the budget of the same share"),
            *map(_overlay_line, names, result["overlays"].values()),
            *result["files"],
            *held_lines(result),
        ]
    )


def _overlay_line(name: str, found: Mapping[str, Any]) -> str:
    cycles = ", ".join(f"{bits} bits {count}" for bits, count in found["uniform_cycles"].items())
    return f"{name}: bit_dependent_share {found['bit_dependent_share']:.2f}; {cycles}"
