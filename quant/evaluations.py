"""Judges plans for a search: a short fine-tuning, then the loss on the validation images.

Evaluations are kept by plan and length of training, so that allocators that search for one network
with one seed can share them. What a search is charged does not depend on who trained first:
`asked` counts every question, `seconds_kept` adds what others' answers had taken.
"""

import time
from collections.abc import MutableMapping
from dataclasses import dataclass, replace

from ir.plan import PrecisionPlan
from quant.data import SearchData
from quant.layers import QuantNet
from quant.prepare import prepare
from quant.recipe import Distillation
from quant.search_settings import SearchSettings
from quant.train import CALIBRATION_IMAGES, evaluate, fine_tune, inputs_of, threads


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a plan came to. nll in nats, accuracy 0..1, both on the validation images."""

    nll: float
    accuracy: float
    seconds: float
    images_seen: int


Key = tuple[PrecisionPlan, int, int]  # plan, epochs, seed
Store = MutableMapping[Key, Evaluation]


class Evaluations:
    """The judge of one search. store: what is known already; one network and data set only."""

    def __init__(
        self,
        model: QuantNet,
        data: SearchData,
        settings: SearchSettings,
        seed: int,
        store: Store | None = None,
    ) -> None:
        self.model = model
        self.data = data
        self.settings = settings
        self.seed = seed
        self.asked = 0
        self.images_seen = 0
        self.seconds_kept = 0.0
        self._store: Store = {} if store is None else store
        self._own: set[Key] = set()

    @property
    def trainings(self) -> int:
        """Different plans among those asked for."""
        return len(self._own)

    def __call__(self, plan: PrecisionPlan, *, epochs: int | None = None) -> Evaluation:
        """The plan's evaluation; epochs: instead of the settings'."""
        length = self.settings.epochs if epochs is None else epochs
        key = (plan, length, self.seed)
        self.asked += 1
        fresh = key not in self._store
        if fresh:
            self._store[key] = self._evaluate(plan, length)
        found = self._store[key]
        if key not in self._own:
            self._own.add(key)
            self.images_seen += found.images_seen
            self.seconds_kept += 0.0 if fresh else found.seconds
        return found

    def _evaluate(self, plan: PrecisionPlan, epochs: int) -> Evaluation:
        start = time.perf_counter()
        result = evaluate(self._network(plan, epochs), self.data.validation)
        return Evaluation(
            nll=result["nll"],
            accuracy=result["accuracy"],
            seconds=time.perf_counter() - start,
            images_seen=epochs * len(self.data.train),
        )

    def _network(self, plan: PrecisionPlan, epochs: int) -> QuantNet:
        quantizer, recipe = self.settings.quantizer, self.settings.recipe
        if epochs > 0:
            recipe = replace(
                recipe,
                epochs=epochs,
                seed=self.seed,
                distillation=Distillation(),
                frozen_norm_epochs=min(recipe.frozen_norm_epochs, epochs - 1),
            )
            return fine_tune(self.model, plan, self.data, recipe, quantizer=quantizer)
        with threads(recipe.threads):
            sample = inputs_of(self.data.train)[:CALIBRATION_IMAGES]
            return prepare(
                self.model, plan, task=self.data.task, calibration=sample, quantizer=quantizer
            )
