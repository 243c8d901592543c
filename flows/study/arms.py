"""Studies of training: arms that start from one float network and differ in quantizer or recipe.

A study lists its arms and its hypotheses; each repetition trains every arm once, and what comes
out is the arms' means with intervals and the hypotheses' verdicts.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch.nn import functional

from flows.console import table
from flows.steps import Steps
from flows.study.cell import SOURCES, Cell
from flows.study.hypotheses import Judged, below, held_lines, judged
from flows.study.picture import curves
from flows.study.runner import Findings, Row, folds_of
from flows.study.setting import StudyConfig, wider
from flows.study.statistics import HELD, NOT_HELD, UNTESTED, interval, paired
from flows.study.wording import shown
from ir.config import plain
from ir.plan import PrecisionPlan, uniform_plan
from quant.integerize import snap
from quant.layers import QuantNet
from quant.prepare import QuantizerConfig, layer_names
from quant.recipe import Recipe
from quant.train import evaluate, fine_tune

FLOAT = "float"


@dataclass(frozen=True, kw_only=True)
class Arm:
    """All weights at ``bits``, activations at a_bits (none: the same); or layer by layer at
    ``mixed``. width: channels of the first layer, none: the setting's."""

    name: str
    bits: int
    quantizer: str
    recipe: Recipe
    width: int | None = None
    a_bits: int | None = None
    mixed: PrecisionPlan | None = None

    def plan(self, layers: Sequence[str], input_bits: int) -> PrecisionPlan:
        """The network's input keeps its own width."""
        if self.mixed is not None:
            return self.mixed
        return uniform_plan(layers, self.bits, first_a_bits=input_bits, a_bits=self.a_bits)


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """below: the first arm's test loss is below the second's, in pairs of one repetition. reaches:
    its mean accuracy is at least the lower end of the second's interval."""

    first: str
    second: str
    kind: Literal["below", "reaches"] = "below"


@dataclass(frozen=True, kw_only=True)
class ArmsConfig(StudyConfig):
    """A study whose arms follow from its config alone."""

    @property
    @abstractmethod
    def arms(self) -> tuple[Arm, ...]:
        """What each repetition trains."""

    @property
    @abstractmethod
    def hypotheses(self) -> tuple[Hypothesis, ...]:
        """Fixed before the first run."""


@dataclass(frozen=True, kw_only=True)
class ArmsStudy:
    """What all cells share."""

    config: StudyConfig
    arms: tuple[Arm, ...]
    hypotheses: tuple[Hypothesis, ...]


def prepared(config: ArmsConfig, _: Steps) -> ArmsStudy:
    """What all cells share."""
    return ArmsStudy(config=config, arms=config.arms, hypotheses=config.hypotheses)


def one_cell(study: ArmsStudy, fold: int, seed: int, folder: Path) -> Row:
    """Every arm of one fold and seed, on the test images; and the float network they start from."""
    cell = Cell(study.config.setting, fold, seed, folder)
    found = {FLOAT: evaluate(cell.float_net, cell.data.test) | {"epochs": 0}}
    for arm in study.arms:
        found[arm.name] = trained(cell_of(cell, arm.width, folder), arm)
    return {"fold": fold, "seed": seed, "arms": found}


def cell_of(cell: Cell, width: int | None, folder: Path) -> Cell:
    """The cell itself, or one of the same fold and seed with a network of another width."""
    if width is None or width == cell.setting.network.width:
        return cell
    return Cell(wider(cell.setting, width), cell.fold, cell.seed, folder)


def trained(cell: Cell, arm: Arm) -> dict[str, Any]:
    """{nll, accuracy, integer_accuracy, similarity, epochs}; kept as a step."""
    recipe = replace(arm.recipe, seed=cell.seed)
    setting = cell.setting
    inputs = {
        "arm": plain(arm),
        "network": plain(setting.network),
        "data": plain(setting.of_fold(cell.fold)),
        "float": plain(setting.training.of_float(cell.seed)),
        "granularity": setting.training.granularity,
        "seed": cell.seed,
    }

    def work() -> Mapping[str, Any]:
        net = fine_tune(
            cell.float_net,
            arm.plan(layer_names(cell.float_net), cell.data.task.precision.bits),
            cell.data.search,
            recipe,
            quantizer=QuantizerConfig(name=arm.quantizer, granularity=setting.training.granularity),
        )
        integers = evaluate(snap(net), cell.data.test)["accuracy"]
        return {
            **evaluate(net, cell.data.test),
            "integer_accuracy": integers,
            "similarity": similarity(cell.float_net, net),
            "epochs": recipe.epochs,
        }

    return dict(cell.steps.do("arm", arm.name, inputs, work, sources=SOURCES))


@torch.no_grad()
def similarity(float_net: torch.nn.Module, net: QuantNet) -> float:
    """Cosine of the angle between float and quantized weights, the mean over layers."""
    before = dict(float_net.named_modules())
    found = []
    for layer in net.chain:
        weight = before[layer.block_name].get_parameter("weight")
        quantized = layer.weights(layer.linear.weight)
        found.append(float(functional.cosine_similarity(weight.flatten(), quantized.flatten(), 0)))
    return sum(found) / len(found)


def gather(study: ArmsStudy, rows: list[Row]) -> Findings:
    """Means with intervals, verdicts, loss over bits as a picture."""
    columns = ("nll", "accuracy", "integer_accuracy", "similarity")
    arms = {
        name: {
            column: interval([row["arms"][name][column] for row in rows])
            for column in columns
            if column in first
        }
        for name, first in rows[0]["arms"].items()
    }
    results = {
        "study": study.config.name,
        "repetitions": len(rows),
        "arms": arms,
        "hypotheses": [_judged(hypothesis, rows, arms) for hypothesis in study.hypotheses],
        "cells": rows,
    }
    flat = [
        {"fold": row["fold"], "seed": row["seed"], "arm": name, **found}
        for row in rows
        for name, found in row["arms"].items()
        if name != FLOAT
    ]
    return Findings(results=results, table=flat, picture=_picture(study, arms))


def _judged(hypothesis: Hypothesis, rows: Sequence[Row], arms: Mapping[str, Any]) -> Judged:
    """The hypothesis with its effect, or with the figures that decide it."""
    first, second = hypothesis.first, hypothesis.second
    column = "nll" if hypothesis.kind == "below" else "accuracy"
    mine, other = ([row["arms"][name][column] for row in rows] for name in (first, second))
    if hypothesis.kind == "below":
        said = f"{first}: test loss below that of {second}"
        return below(said, mine, other, "nats", folds=folds_of(rows))
    reached, goal = arms[first]["accuracy"], arms[second]["accuracy"]
    note = f"{shown(reached, 4)} against {shown(goal, 4)}"
    note += f", paired difference {shown(paired(mine, other), 4)}"
    if goal["low"] is None:
        answer = UNTESTED
    else:
        answer = HELD if reached["mean"] >= goal["low"] else NOT_HELD
    return judged(f"{first}: accuracy reaches that of {second}", answer, note)


def _picture(study: ArmsStudy, arms: Mapping[str, Any]) -> str:
    """Mean test loss over bits, a line for each quantizer and recipe that has several widths."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for arm in study.arms:
        name = arm.name.rpartition(" at ")[0] or arm.name
        lines.setdefault(name, []).append((arm.bits, arms[arm.name]["nll"]["mean"]))
    return curves(lines, "bits of weights and activations", "test loss, nats")


def describe(result: Mapping[str, Any]) -> str:
    """Arms as a table, hypotheses line by line, and where everything lies."""
    columns = ("arm", "test loss", "accuracy", "as integers", "cosine to float")
    rows = [
        [name]
        + [
            shown(found[column], 4) if column in found else "-"
            for column in ("nll", "accuracy", "integer_accuracy", "similarity")
        ]
        for name, found in result["arms"].items()
    ]
    title = f"{result['repetitions']} repetitions, means with 95 % intervals"
    return "\n".join([table(columns, rows, title), *result["files"], *held_lines(result)])
