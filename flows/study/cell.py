"""One repetition of a study: a test fold and a seed, its networks, each trained once.

Every training is a step of its own folder, `cells/<fold>-<seed>/`: a killed study goes on where it
stopped, and all methods of a study share what they fine-tune.
"""

import io
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from flows.progress import Progress
from flows.run_folder import RunFolder
from flows.steps import Steps, step_key
from flows.study.setting import Setting
from ir.config import plain
from ir.plan import PrecisionPlan, uniform_plan
from quant.data import Dataset, load_data
from quant.evaluations import Evaluation
from quant.layers import QuantNet
from quant.prepare import layer_names
from quant.recipe import Recipe
from quant.search_settings import SearchSettings
from quant.train import evaluate, fine_tune, train_float

SOURCES = ("ir", "quant")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A plan after its fine-tuning, on the validation and the test images."""

    validation: dict[str, float]
    test: dict[str, float]
    seconds: float
    images_seen: int

    @property
    def evaluation(self) -> Evaluation:
        """What a search may know of it: nothing of the test images."""
        return Evaluation(
            nll=self.validation["nll"],
            accuracy=self.validation["accuracy"],
            seconds=self.seconds,
            images_seen=self.images_seen,
        )


class Cell:
    """A fold and a seed of a setting; folder: of the whole study."""

    def __init__(self, setting: Setting, fold: int, seed: int, folder: Path) -> None:
        self.setting = setting
        self.fold = fold
        self.seed = seed
        self.data: Dataset = load_data(setting.of_fold(fold))
        place = RunFolder(path=folder / "cells" / f"{fold}-{seed}")
        place.path.mkdir(parents=True, exist_ok=True)
        self.steps = Steps(place, Progress(0, stream=io.StringIO()))

    @cached_property
    def float_net(self) -> nn.Module:
        """The float network of this seed."""
        recipe = self.setting.training.of_float(self.seed)
        return train_float(
            self.setting.network.setup(self.seed),
            self.data.search,
            recipe,
            checkpoint=self._checkpoint("float", {"recipe": plain(recipe)}),
        )

    @cached_property
    def base(self) -> QuantNet:
        """The network at the widest uniform plan, from which searches and fine-tunings start."""
        plan = self.uniform(self.setting.choices[-1])
        recipe = self.setting.training.of_plan(plan, self.seed)
        return fine_tune(
            self.float_net,
            plan,
            self.data.search,
            recipe,
            quantizer=self.setting.quantizer,
            checkpoint=self._checkpoint("base", {"recipe": plain(recipe), "plan": plan.to_dict()}),
        )

    @property
    def recipe(self) -> Recipe:
        """The one recipe of every fine-tuning of this study: what its preset says of the narrowest
        choice, from which mixed plans have weights too."""
        return self.setting.training.of_plan(self.uniform(self.setting.choices[0]), self.seed)

    @property
    def search(self) -> SearchSettings:
        """Searches judge a plan by exactly that fine-tuning."""
        return SearchSettings(
            epochs=self.recipe.epochs, recipe=self.recipe, quantizer=self.setting.quantizer
        )

    def uniform(self, bits: int) -> PrecisionPlan:
        """Every layer at ``bits``; the first reads the input's own width."""
        names = layer_names(self.float_net)
        return uniform_plan(names, bits, first_a_bits=self.data.task.precision.bits)

    def outcome(self, plan: PrecisionPlan) -> Outcome:
        """What fine-tuning the base network at a plan gives; trained once."""
        result = self.steps.do(
            "tune",
            f"fine-tune {plan}",
            self.inputs | {"plan": plan.to_dict(), "recipe": plain(self.recipe)},
            lambda: self._tune(plan),
            sources=SOURCES,
        )
        return Outcome(**result, seconds=self.steps.seconds[f"fine-tune {plan}"])

    @property
    def inputs(self) -> dict[str, Any]:
        """What decides this cell's trainings, apart from plans and overlays."""
        setting = self.setting
        return {
            "network": plain(setting.network),
            "data": plain(setting.of_fold(self.fold)),
            "training": plain(setting.training),
            "choices": list(setting.choices),
            "seed": self.seed,
        }

    def _tune(self, plan: PrecisionPlan) -> dict[str, Any]:
        # As `Evaluations` trains it: searches with nothing known come to the same figures.
        epochs = self.recipe.epochs
        recipe = replace(
            self.recipe, frozen_norm_epochs=min(self.recipe.frozen_norm_epochs, epochs - 1)
        )
        tuned = fine_tune(
            self.base,
            plan,
            self.data.search,
            recipe,
            quantizer=self.setting.quantizer,
            teacher=self.float_net,
        )
        return {
            "validation": evaluate(tuned, self.data.search.validation),
            "test": evaluate(tuned, self.data.test),
            "images_seen": epochs * len(self.data.search.train),
        }

    def _checkpoint(self, name: str, inputs: dict[str, Any]) -> Path:
        return self.steps.run / f"{name}-{step_key(name, self.inputs | inputs, SOURCES)}.pt"
