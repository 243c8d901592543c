"""Training: seeded, resumable, and the same bits whether or not it was interrupted.

Every random choice is a function of (seed, epoch), the learning rate of the step number, and the
number of threads is fixed, so a run that resumes from a checkpoint ends in the identical weights.
"""

import contextlib
import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ir.errors import ConfigError, shorten
from ir.plan import PrecisionPlan
from quant.checkpoint import load_checkpoint, load_weights, save_checkpoint
from quant.data import SearchData, Split
from quant.layers import QuantNet
from quant.net import NetConfig, build_net
from quant.prepare import QuantizerConfig, prepare

Progress = Callable[[int, int, float], None]  # epochs done, epochs in all, training loss

CALIBRATION_IMAGES = 256


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train. The learning rate falls on a cosine from its start to zero.

    step_size_factor: learning rate of learned step sizes, relative to the weights'.
    frozen_norm_epochs: the last epochs run with batch norm as inference will, on fixed statistics.
    threads: of torch; part of the recipe, because sums depend on it.
    """

    epochs: int
    learning_rate: float
    batch_size: int = 64
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 1e-4
    step_size_factor: float = 1.0
    frozen_norm_epochs: int = 0
    seed: int = 0
    threads: int = 1
    checkpoint_every_epochs: int = 5

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "threads", "checkpoint_every_epochs"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name} must be a positive integer, not {shorten(value)}")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise ConfigError(f"learning_rate must be positive, not {self.learning_rate}")
        for name in ("weight_decay", "step_size_factor", "frozen_norm_epochs"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must not be negative, not {getattr(self, name)}")
        if self.optimizer not in ("adamw", "sgd"):
            raise ConfigError(f"optimizer must be adamw or sgd, not {shorten(self.optimizer)}")


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
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> QuantNet:
    """Quantize a float or quantized network at ``plan`` and train it; it stays as it is."""
    with threads(recipe.threads):
        sample = inputs_of(data.train)[:CALIBRATION_IMAGES]
        quantized = prepare(model, plan, task=data.task, calibration=sample, quantizer=quantizer)
    fit(quantized, data, recipe, checkpoint=checkpoint, progress=progress)
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
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> list[float]:
    """Train in place and return the mean training loss of each epoch; the model ends in eval mode.

    checkpoint: a file that is resumed from when it is there (ConfigError when it is corrupt or of
    another run) and kept up to date.
    """
    run = _Run(model, data.train, recipe)
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
    run.optimizer.zero_grad(set_to_none=True)
    model.eval()
    return run.losses


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Run torch on this many threads, then on as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Run:
    """One training: the model, its optimizer, and what a checkpoint holds of them."""

    def __init__(self, model: nn.Module, split: Split, recipe: Recipe) -> None:
        self.model = model
        self.recipe = recipe
        self.inputs = inputs_of(split)
        self.labels = torch.from_numpy(split.labels)
        self.optimizer = _optimizer(model, recipe)
        self.batches = math.ceil(len(split) / recipe.batch_size)
        self.losses: list[float] = []
        self.identity = _identity(model, split, recipe)

    def epoch(self, epoch: int) -> None:
        """One pass over the training images, in an order that (seed, epoch) fixes."""
        recipe = self.recipe
        self.model.train()
        if epoch >= recipe.epochs - recipe.frozen_norm_epochs:
            _freeze_norms(self.model)
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + epoch)
        order = torch.randperm(len(self.labels), generator=generator)
        total = 0.0
        for index, rows in enumerate(order.split(recipe.batch_size)):
            self._set_learning_rate(epoch * self.batches + index)
            total += self._step(self.inputs[rows], self.labels[rows]) * len(rows)
        self.losses.append(total / len(self.labels))
        if not math.isfinite(total):
            raise ConfigError(
                f"training diverged in epoch {epoch + 1}; lower learning_rate "
                f"({recipe.learning_rate})"
            )

    def _step(self, x: Tensor, labels: Tensor) -> float:
        self.optimizer.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(self.model(x), labels)
        loss.backward()
        self.optimizer.step()
        if isinstance(self.model, QuantNet):
            self.model.project()
        return float(loss.detach())

    def _set_learning_rate(self, step: int) -> None:
        falling = 0.5 * (1 + math.cos(math.pi * step / (self.recipe.epochs * self.batches)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * group["factor"] * falling

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
    """Weight decay on weights alone; step sizes at a learning rate of their own."""
    weights, scales, steps = [], [], []
    for name, parameter in model.named_parameters():
        if name.endswith("step_size"):
            steps.append(parameter)
        else:
            (weights if parameter.ndim > 1 else scales).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": recipe.weight_decay, "factor": 1.0},
        {"params": scales, "weight_decay": 0.0, "factor": 1.0},
        {"params": steps, "weight_decay": 0.0, "factor": recipe.step_size_factor},
    ]
    groups = [group for group in groups if group["params"]]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9)
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def _freeze_norms(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.eval()


def _identity(model: nn.Module, split: Split, recipe: Recipe) -> str:
    """A digest of everything that decides the outcome: recipe, data, first weights."""
    digest = hashlib.sha256(json.dumps(asdict(recipe), sort_keys=True).encode())
    if isinstance(model, QuantNet):
        digest.update(json.dumps(model.plan.to_dict()).encode())
    digest.update(split.images.tobytes())
    digest.update(split.labels.tobytes())
    digest.update(repr(split.scale).encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()
