"""Training: seeded, resumable, and the same bits whether or not it was interrupted.

Every random choice is a function of (seed, epoch), the learning rate of the step number, and the
number of threads is fixed, so a run that resumes from a checkpoint ends in the identical weights.
"""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ir.errors import ConfigError
from ir.plan import PrecisionPlan
from quant.augment import augment
from quant.checkpoint import load_checkpoint, load_weights, save_checkpoint
from quant.data import SearchData, Split
from quant.device import CPU, threads, training_device
from quant.layers import QuantNet
from quant.net import NetConfig, build_net
from quant.objective import Distilled, Objective, weights_digest
from quant.prepare import QuantizerConfig, prepare
from quant.quantizer import Quantizer
from quant.recipe import Recipe

Progress = Callable[[int, int, float], None]  # epochs done, epochs in all, training loss

CALIBRATION_IMAGES = 256


def train_float(
    net: NetConfig,
    data: SearchData,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> nn.Module:
    """A float network trained from its seed; in eval mode."""
    model = build_net(net, data.task)
    fit(model, data, recipe, checkpoint=checkpoint, progress=progress)
    return model


def fine_tune(
    model: nn.Module,
    plan: PrecisionPlan,
    data: SearchData,
    recipe: Recipe,
    *,
    quantizer: QuantizerConfig,
    teacher: nn.Module | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> QuantNet:
    """Quantize a float or quantized network at ``plan`` and train it; it stays as it is.

    teacher: where the recipe distills; none: the network itself.
    """
    with threads(recipe.threads):
        sample = inputs_of(data.train)[:CALIBRATION_IMAGES]
        quantized = prepare(model, plan, task=data.task, calibration=sample, quantizer=quantizer)
    how = recipe.distillation
    objective = Distilled((teacher or model).eval(), how) if how.weight else Objective()
    fit(quantized, data, recipe, objective=objective, checkpoint=checkpoint, progress=progress)
    return quantized


def evaluate(model: nn.Module, split: Split, batch_size: int = 512) -> dict[str, float]:
    """{"nll": mean cross entropy in nats, "accuracy": 0..1} of any kind of our networks."""
    was_training = model.training
    model.eval()
    with torch.no_grad(), threads(1):
        logits = torch.cat([model(x).double() for x in inputs_of(split).split(batch_size)])
    model.train(was_training)
    labels = torch.from_numpy(split.labels)
    right = (logits.argmax(dim=1) == labels).double().mean()
    return {
        "nll": float(functional.cross_entropy(logits, labels)),
        "accuracy": float(right),
    }


def inputs_of(split: Split) -> Tensor:
    """(N, C, H, W) float32: codes times their scale."""
    return torch.from_numpy(split.images.astype(np.float32)) * split.scale


def fit(
    model: nn.Module,
    data: SearchData,
    recipe: Recipe,
    *,
    objective: Objective | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> list[float]:
    """Train in place and return the mean training loss of each epoch; the model ends in eval mode.

    checkpoint: a file that is resumed from when it is there (ConfigError when it is corrupt or of
    another run) and kept up to date.
    """
    run = _Run(model, data, recipe, objective or Objective())
    if checkpoint is not None and checkpoint.exists():
        run.restore(checkpoint)
    with threads(recipe.threads):
        for epoch in range(len(run.losses), recipe.epochs):
            run.epoch(epoch)
            done = epoch + 1
            if progress is not None:
                progress(done, recipe.epochs, run.losses[-1])
            due = done % recipe.checkpoint_every_epochs == 0 or done == recipe.epochs
            if checkpoint is not None and due:
                run.store(checkpoint)
    run.close()
    return run.losses


class _Run:
    """One training: the model, its optimizer, and what a checkpoint holds of them."""

    def __init__(
        self, model: nn.Module, data: SearchData, recipe: Recipe, objective: Objective
    ) -> None:
        self.identity = _identity(model, data, recipe, objective)
        self.model = model
        self.recipe = recipe
        self.objective = objective
        self.augmentation = data.augmentation
        self.device = training_device()
        self._move(self.device)
        self.scale = data.train.scale
        self.images = torch.from_numpy(data.train.images).to(self.device)
        self.labels = torch.from_numpy(data.train.labels).to(self.device)
        self.optimizer = _optimizer(model, recipe)
        self.batches = math.ceil(len(data.train) / recipe.batch_size)
        self.losses: list[float] = []

    def epoch(self, epoch: int) -> None:
        """One pass over the training images, in an order that (seed, epoch) fixes."""
        recipe = self.recipe
        self.model.train()
        if epoch >= recipe.epochs - recipe.frozen_norm_epochs:
            _freeze_norms(self.model)
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + epoch)
        order = torch.randperm(len(self.labels), generator=generator)
        total = torch.zeros((), device=self.device, dtype=torch.float64)
        for index, rows in enumerate(order.to(self.device).split(recipe.batch_size)):
            self._set_learning_rate(epoch * self.batches + index)
            images = augment(self.images[rows], self.augmentation, generator)
            total += self._step(images.float() * self.scale, self.labels[rows]) * len(rows)
        self.losses.append(float(total) / len(self.labels))
        if not math.isfinite(self.losses[-1]):
            raise ConfigError(
                f"training diverged in epoch {epoch + 1}; lower learning_rate "
                f"({recipe.learning_rate})"
            )

    def _step(self, x: Tensor, labels: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.objective(self.model(x), x, labels)
        loss.backward()
        self.optimizer.step()
        if isinstance(self.model, QuantNet):
            self.model.project()
        return loss.detach()

    def _set_learning_rate(self, step: int) -> None:
        share = self.recipe.schedule.factor(step / (self.recipe.epochs * self.batches))
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * group["factor"] * share

    def _move(self, device: torch.device) -> None:
        self.model.to(device)
        self.objective.to(device)

    def close(self) -> None:
        """Leave a network that is ready to be used."""
        self.optimizer.zero_grad(set_to_none=True)
        self._move(CPU)
        self.model.eval()

    def store(self, path: Path) -> None:
        """Write all that the rest of the training depends on."""
        payload = {
            "identity": self.identity,
            "losses": self.losses,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        save_checkpoint(path, payload)

    def restore(self, path: Path) -> None:
        """Go on where ``store`` was called last."""
        payload = load_checkpoint(path)
        if payload.get("identity") != self.identity:
            raise ConfigError(
                f"checkpoint {path} belongs to another run (network, data or recipe differ); "
                "delete it or choose another folder"
            )
        load_weights(self.model, payload.get("model"), path)
        try:
            self.optimizer.load_state_dict(payload["optimizer"])
            self.losses = [float(loss) for loss in payload["losses"]]
        except Exception:  # the state's own structure decides what is thrown
            raise ConfigError(
                f"checkpoint {path} is corrupt: its optimizer state does not fit; "
                "delete it to start over"
            ) from None


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Weight decay on weights alone, and on what a quantizer learns where it says so; that has a
    learning rate of its own, and its decay is a term of the loss under AdamW too."""
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    seen: set[int] = set()
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if id(parameter) in seen or not parameter.requires_grad:
                continue
            seen.add(id(parameter))
            decays, factor = parameter.ndim > 1, 1.0
            quantizer = module if isinstance(module, Quantizer) else None
            if quantizer is not None:
                decays, factor = quantizer.decays, recipe.step_size_factor * quantizer.rate
                factor *= quantizer.adam_rate if recipe.optimizer == "adamw" else 1.0
            key = (recipe.weight_decay if decays else 0.0, factor, quantizer is None)
            groups.setdefault(key, []).append(parameter)
    settings: list[dict[str, Any]] = [
        {
            "params": parameters,
            "weight_decay": decay,
            "decoupled_weight_decay": decoupled,
            "factor": factor,
        }
        for (decay, factor, decoupled), parameters in groups.items()
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(settings, lr=recipe.learning_rate, momentum=0.9)
    return torch.optim.AdamW(settings, lr=recipe.learning_rate)


def _freeze_norms(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.eval()


def _identity(model: nn.Module, data: SearchData, recipe: Recipe, objective: Objective) -> str:
    """A digest of everything that decides the outcome: recipe, data, first weights."""
    settings = [asdict(recipe), asdict(data.augmentation), objective.identity]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    if isinstance(model, QuantNet):
        digest.update(json.dumps(model.plan.to_dict()).encode())
    digest.update(data.train.images.tobytes())
    digest.update(data.train.labels.tobytes())
    digest.update(repr(data.train.scale).encode())
    digest.update(weights_digest(model).encode())
    return digest.hexdigest()
