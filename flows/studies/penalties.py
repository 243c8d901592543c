"""penalties: what bitlengths are charged for, and what they save (Nikolic et al., 2002.03090).

BitPruning learns a layer's bitlengths under a penalty: on every bit alike, on bits weighted by
operations, by bytes of memory, or, ours, on measured cycles. Each penalty is learned at several
gammas from the float network; the lengths rounded up are a plan, which is deployed: fine-tuned by
the one recipe of the study and simulated. Each plan is then judged by all four metrics:

    bits      mean length of all weights and activations
    ops       MACs times bits, of both operands
    memory    packed bytes of the weights and bytes of the activations of one image
    cycles    measured

hypervolume: area above the curve of test loss over a metric, as a share of the rectangle between
the metric of all layers at 1 bit and at 8 bits and between zero and the greatest loss; those two
plans belong to every curve, so that all reach equally far.

Hypotheses, fixed before the first run: each penalty wins on its own metric.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from flows.console import table
from flows.study.cell import SOURCES, Cell, Outcome
from flows.study.choices import flat, front_area, of_method, points_of
from flows.study.diagonal import columns_won, diagonal, diagonal_table
from flows.study.hypotheses import held_lines
from flows.study.picture import curves
from flows.study.prices import Prices, prepared, simulate_plans
from flows.study.runner import Findings, Row, folds_of
from flows.study.setting import StudyConfig
from flows.study.statistics import interval
from flows.study.wording import head, share_lines, shown
from ir.config import plain
from ir.errors import ConfigError
from ir.plan import PrecisionPlan, plan_from_dict
from quant.bitlengths import LearningConfig, learn_bitlengths, minmax_net
from quant.layers import QuantNet
from quant.macs import layer_macs
from quant.penalty import PenaltyName, build_penalty, input_bytes
from quant.train import evaluate

__all__ = ["CONFIG", "NIGHTLY", "QUICK", "describe", "gather", "one_cell", "prepared"]

PENALTIES: tuple[PenaltyName, ...] = get_args(PenaltyName)


@dataclass(frozen=True, kw_only=True)
class Penalties(StudyConfig):
    """gammas: what a net of 8 bits pays, nats. learning_epochs: while lengths move, after_epochs:
    once they are fixed."""

    gammas: tuple[float, ...]
    learning_epochs: int = 30
    after_epochs: int = 10

    def __post_init__(self) -> None:
        if not self.gammas or not all(gamma > 0 for gamma in self.gammas):
            raise ConfigError(f"gammas must be positive, not {list(self.gammas)}")
        if self.setting.choices[0] != 1 or self.setting.choices[-1] != 8:
            raise ConfigError("choices must reach from 1 to 8 bits, as bitlengths do")

    def learning(self, gamma: float, seed: int) -> LearningConfig:
        """How lengths are learned."""
        usual = LearningConfig(gamma=gamma)
        return replace(
            usual,
            recipe=replace(usual.recipe, epochs=self.learning_epochs, seed=seed),
            after=replace(usual.after, epochs=self.after_epochs, seed=seed),
        )


CONFIG = Penalties
QUICK = (
    "setting.training.float_epochs=6",
    "setting.training.tune_epochs=2",
    "setting.training.frozen_norm_epochs=1",
    "gammas=[1]",
    "learning_epochs=20",
    "after_epochs=1",
)
NIGHTLY = ("setting.seeds=1",)

Metric = Callable[[PrecisionPlan], float]


def one_cell(shared: tuple[Penalties, Prices], fold: int, seed: int, folder: Path) -> Row:
    """Every penalty's plans at every gamma: test loss, and all metrics."""
    config, prices = shared
    cell = Cell(config.setting, fold, seed, folder)
    found = [
        (name, gamma, *_learned(config, prices, cell, name, gamma))
        for name in PENALTIES
        for gamma in config.gammas
    ]
    ends = [cell.uniform(1), cell.uniform(8)]
    plans = [*(plan for _, _, plan, _ in found), *ends]
    cycles = simulate_plans(config.setting, cell.steps, plans)
    metrics = {**metrics_of(cell.base, prices), "cycles": lambda plan: cycles[plan]}
    outcomes = {plan: cell.outcome(plan) for plan in dict.fromkeys(plans)}
    choices = [
        {
            "method": name,
            "gamma": gamma,
            **_point(plan, outcomes[plan], metrics),
            **learned,
            "plan": str(plan),
        }
        for name, gamma, plan, learned in found
    ]
    edges = [_point(plan, outcomes[plan], metrics) for plan in ends]
    return {"fold": fold, "seed": seed, "choices": choices, "ends": edges}


def _learned(
    config: Penalties, prices: Prices, cell: Cell, name: PenaltyName, gamma: float
) -> tuple[PrecisionPlan, dict[str, float]]:
    """The plan, and test loss and accuracy of the min-max network that learned it; kept as a
    step."""
    learning = config.learning(gamma, cell.seed)

    def work() -> dict[str, Any]:
        sizes = minmax_net(cell.float_net, cell.data.search, threads_used=1)
        penalty = build_penalty(name, sizes, prices.table)
        found = learn_bitlengths(cell.float_net, cell.data.search, learning, penalty)
        judged = evaluate(found.net, cell.data.test)
        told = {f"learned_{key}": value for key, value in judged.items()}
        return {"plan": found.plan.to_dict(), "told": told}

    inputs = {"penalty": name, "learning": plain(learning), "table": prices.table.to_dict()}
    result = cell.steps.do(
        "lengths", f"{name}, gamma {gamma:g}", cell.inputs | inputs, work, sources=SOURCES
    )
    return plan_from_dict(result["plan"]), result["told"]


def metrics_of(net: QuantNet, prices: Prices) -> dict[str, Metric]:
    """All metrics but cycles, which are simulated. The network's input has a width of its own."""
    macs, sizes = layer_macs(net), input_bytes(net)
    first, *inner = macs
    plan_bytes = prices.cost.plan_bytes
    assert plan_bytes is not None

    def bits(plan: PrecisionPlan) -> float:
        lengths = [layer.widest for layer in plan.layers.values()]
        lengths += [plan[name].a_bits for name in inner]
        return sum(lengths) / len(lengths)

    def ops(plan: PrecisionPlan) -> float:
        both = sum(macs[name] * (plan[name].widest + plan[name].a_bits) for name in inner)
        return both + macs[first] * plan[first].widest

    def memory(plan: PrecisionPlan) -> float:
        return plan_bytes(plan) + sum(sizes[name] * plan[name].a_bits for name in inner)

    return {"bits": bits, "ops": ops, "memory": memory}


def _point(
    plan: PrecisionPlan, outcome: Outcome, metrics: Mapping[str, Metric]
) -> dict[str, float]:
    return {**outcome.test, **{name: metric(plan) for name, metric in metrics.items()}}


def gather(shared: tuple[Penalties, Prices], rows: list[Row]) -> Findings:
    """The table of hypervolumes, penalties by metrics."""
    config, prices = shared
    scores = {
        name: {metric: [_score(row, name, metric) for row in rows] for metric in PENALTIES}
        for name in PENALTIES
    }
    found = diagonal(scores, folds_of(rows))
    results = {
        **head(config, rows, prices),
        "gammas": list(config.gammas),
        "hypervolume": found,
        "penalties": {name: _summary(config, rows, name) for name in PENALTIES},
        "hypotheses": columns_won(found, "the penalty on {0} wins on {0}"),
        "cells": rows,
    }
    return Findings(results=results, table=flat(rows), picture=_picture(rows))


def _score(row: Row, name: str, metric: str) -> float:
    narrow, wide = row["ends"]
    points = [*points_of(row, name, x=metric), *((end[metric], end["nll"]) for end in row["ends"])]
    greatest = max(point["nll"] for point in (*row["choices"], narrow, wide))
    return front_area(points, (narrow[metric], wide[metric]), greatest)


def _summary(config: Penalties, rows: list[Row], name: str) -> list[dict[str, Any]]:
    """{gamma and means} in the order of the gammas."""
    keys = (*PENALTIES, "nll", "accuracy", "learned_nll", "learned_accuracy")
    chosen = [of_method(row, name) for row in rows]
    return [
        {"gamma": gamma, **{key: interval([row[at][key] for row in chosen]) for key in keys}}
        for at, gamma in enumerate(config.gammas)
    ]


def _picture(rows: list[Row]) -> str:
    """The first repetition, cycles."""
    lines = {name: sorted(points_of(rows[0], name)) for name in PENALTIES}
    return curves(lines, "measured cycles an image", "test loss, nats")


def describe(result: Mapping[str, Any]) -> str:
    """What each penalty came to, the table of hypervolumes, and the hypotheses."""
    rows = [
        [
            name,
            f"{at['gamma']:g}",
            *(f"{at[metric]['mean']:.4g}" for metric in PENALTIES),
            shown(at["nll"], 4),
            f"{at['accuracy']['mean']:.4f}",
            f"{at['learned_accuracy']['mean']:.4f}",
        ]
        for name, found in result["penalties"].items()
        for at in found
    ]
    columns = ("penalty", "gamma", *PENALTIES, "test loss", "accuracy", "as learned")
    title = f"{result['repetitions']} repetitions, means with 95 % intervals"
    return "\n".join(
        [
            table(columns, rows, title),
            diagonal_table(result["hypervolume"], "penalty on, metric", "hypervolume"),
            *share_lines(result),
            *result["files"],
            *held_lines(result),
        ]
    )
