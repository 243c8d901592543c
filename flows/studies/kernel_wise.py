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
from dataclasses import dataclass, replace
from math import expm1, log
from pathlib import Path
from typing import Any, Literal

from flows.console import table
from flows.study.cell import Cell
from flows.study.picture import curves
from flows.study.prices import Prices, prepared, simulate_plans
from flows.study.runner import Findings, Row
from flows.study.setting import StudyConfig
from flows.study.statistics import equal_loss_ratio, interval, mean_per_row, verdict
from ir.errors import ConfigError
from ir.plan import PrecisionPlan, plan_from_dict
from quant.allocator import build_allocator
from quant.budget import Budget

__all__ = ["CONFIG", "QUICK", "describe", "gather", "one_cell", "prepared"]

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
        if not self.shares or not all(0 < share < 1 for share in self.shares):
            raise ConfigError(f"shares must lie inside 0..1, not {list(self.shares)}")


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


def one_cell(shared: tuple[KernelWise, Prices], fold: int, seed: int, folder: Path) -> Row:
    """Both methods' plans at every budget: test loss, cycles sorted and unsorted."""
    config, prices = shared
    cell = Cell(config.setting, fold, seed, folder)
    found = [
        (name, budget, *_searched(config, prices, cell, name, budget))
        for budget in prices.budgets(config.setting, config.shares)
        for name in METHODS
    ]
    plans = [plan for _, _, plan, _ in found]
    cycles = simulate_plans(config.setting, cell.steps, plans)
    unsorted = simulate_plans(config.setting, cell.steps, plans, sort=False)
    choices = []
    for name, budget, plan, told in found:
        outcome = cell.outcome(plan)
        choices.append(
            {
                "method": name,
                "budget": budget,
                "nll": outcome.test["nll"],
                "accuracy": outcome.test["accuracy"],
                "cycles": cycles[plan],
                "cycles_unsorted": unsorted[plan],
                "within": cycles[plan] <= budget,
                "mean_bits": mean_bits(plan),
                "plan": plan.to_dict(),
                **told,
            }
        )
    return {"fold": fold, "seed": seed, "choices": choices}


def _searched(
    config: KernelWise, prices: Prices, cell: Cell, name: str, budget: int
) -> tuple[PrecisionPlan, dict[str, Any]]:
    """A search as a step of the cell: (plan, what it took)."""
    allocator, granularity = METHODS[name]
    settings = replace(
        cell.search,
        epochs=config.search_epochs,
        episodes=config.episodes,
        warmup=config.warmup,
        granularity=granularity,
    )

    def work() -> dict[str, Any]:
        found = build_allocator(allocator, settings).allocate(
            cell.base, cell.data.search, prices.cost, Budget(cycles=budget), cell.seed
        )
        told = found.provenance
        return {
            "plan": found.plan.to_dict(),
            "seconds": told.seconds,
            "evaluations": told.evaluations,
        }

    result = cell.searched(name, budget, settings, work)
    plan = plan_from_dict(result["plan"])
    return plan, {key: result[key] for key in ("seconds", "evaluations")}


def mean_bits(plan: PrecisionPlan) -> float:
    """Mean weight bits over all output channels that are listed, or the layer's one width."""
    rows = [bits.w_bits for bits in plan.layers.values()]
    means = [sum(row) / len(row) if isinstance(row, tuple) else float(row) for row in rows]
    return sum(means) / len(means)


def points_of(row: Row, curve: str) -> list[tuple[float, float]]:
    """(cycles, test loss) of a method's plans in one repetition."""
    method, _, order = curve.partition(", ")
    key = "cycles_unsorted" if order == "unsorted" else "cycles"
    return [(c[key], c["nll"]) for c in row["choices"] if c["method"] == method]


def gather(shared: tuple[KernelWise, Prices], rows: list[Row]) -> Findings:
    """Ratios of cycles at equal loss, sorted and unsorted, over the repetitions."""
    config, prices = shared
    ratios = [(*pair, _ratio_summary(_ratios(rows, *pair))) for pair in PAIRS]
    results = {
        "study": config.name,
        "repetitions": len(rows),
        "budgets": prices.budgets(config.setting, config.shares),
        "uniform_cycles": {str(bits): cycles for bits, cycles in prices.uniform.items()},
        "bit_dependent_share": prices.share,
        "warning": prices.warning,
        "ratios": [{"first": a, "second": b, **found} for a, b, found in ratios],
        "methods": {name: _summary(rows, name) for name in METHODS},
        "cells": rows,
    }
    keys = [k for k in rows[0]["choices"][0] if k != "plan"]
    flat = [
        {"fold": row["fold"], "seed": row["seed"]} | {key: choice[key] for key in keys}
        for row in rows
        for choice in row["choices"]
    ]
    return Findings(results=results, table=flat, picture=_picture(rows))


def _ratios(rows: Sequence[Row], first: str, second: str) -> list[float | None]:
    return [equal_loss_ratio(points_of(row, first), points_of(row, second)) for row in rows]


def _ratio_summary(found: Sequence[float | None]) -> dict[str, Any]:
    """The interval is that of the mean logarithm; repetitions whose fronts share no loss are
    counted apart."""
    known = [ratio for ratio in found if ratio is not None]
    logs = interval([log(ratio) for ratio in known]) if known else None
    return {
        "ratios": list(found),
        "comparable": len(known),
        "log": logs,
        "verdict": verdict(logs) if logs else "not tested: no losses in common",
    }


def _summary(rows: Sequence[Row], name: str) -> dict[str, Any]:
    chosen = [[c for c in row["choices"] if c["method"] == name] for row in rows]
    keys = ("nll", "accuracy", "cycles", "cycles_unsorted", "mean_bits", "seconds", "evaluations")
    means = {key: interval(mean_per_row(chosen, key)) for key in keys}
    return means | {"violations": sum(not c["within"] for row in chosen for c in row)}


def _picture(rows: Sequence[Row]) -> str:
    """The first repetition's plans: means would mix losses of different plans."""
    lines = {curve: sorted(points_of(rows[0], curve)) for curve in CURVES}
    return curves(lines, "measured cycles an image", "test loss, nats")


def describe(result: Mapping[str, Any]) -> str:
    """Both methods in a table, the ratios at equal loss, and where everything lies."""
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
    ratios = [
        f"{found['first']} against {found['second']} at equal loss: cycles "
        f"{_percent(found['log'])}, {found['comparable']} of {result['repetitions']} comparable; "
        f"fewer cycles: {found['verdict']}"
        for found in result["ratios"]
    ]
    return "\n".join(
        [
            table(columns, rows, f"{result['repetitions']} repetitions, means over the budgets"),
            f"bit_dependent_share {result['bit_dependent_share']:.2f}",
            *([f"warning: {result['warning']}"] if result["warning"] else []),
            *ratios,
            *result["files"],
        ]
    )


def _percent(logs: Mapping[str, Any] | None) -> str:
    """A mean logarithm of a ratio as a change in percent."""
    if logs is None:
        return "-"
    bounds = (
        ""
        if logs["low"] is None
        else " [{:+.1f}, {:+.1f}]".format(*(100 * expm1(logs[key]) for key in ("low", "high")))
    )
    return f"{100 * expm1(logs['mean']):+.1f}{bounds} %"
