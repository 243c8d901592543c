"""How to train: recipes, and the papers' own schedules as named presets.

A file in `quant/recipes/` is a preset: a recipe, and what changes at few bits. Imports no torch.
"""

import math
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from ir import plugins
from ir.config import load_config
from ir.errors import ConfigError, shorten
from ir.plan import PrecisionPlan, check_width
from ir.precision import MAX_OPERAND_BITS

FOLDER = "quant/recipes"
FALL = 0.1  # at a milestone


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the learning rate falls, over a training's progress from 0 to 1.

    cosine: half a wave down to ``final_share`` of the start. exponential: by an equal factor each
    step, down to ``final_share``. steps: to a tenth at each of the ``milestones``.
    """

    kind: Literal["cosine", "exponential", "steps"] = "cosine"
    final_share: float = 0.0
    milestones: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("cosine", "exponential", "steps"):
            raise ConfigError(
                f"kind must be cosine, exponential or steps, not {shorten(self.kind)}"
            )
        if not 0 <= self.final_share <= 1 or (self.kind == "exponential" and not self.final_share):
            raise ConfigError(
                f"final_share must be 0 to 1, and above 0 when exponential, not {self.final_share}"
            )
        if bool(self.milestones) != (self.kind == "steps"):
            raise ConfigError("milestones belong to kind steps, which needs them")
        if not all(0 < place < 1 for place in self.milestones):
            raise ConfigError(f"milestones must be inside 0..1, not {list(self.milestones)}")

    def factor(self, progress: float) -> float:
        """The learning rate at ``progress``, as a share of its start."""
        if self.kind == "cosine":
            wave = 0.5 * (1 + math.cos(math.pi * progress))
            return self.final_share + (1 - self.final_share) * wave
        if self.kind == "exponential":
            return self.final_share**progress
        return FALL ** sum(progress >= place for place in self.milestones)


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """(1 - weight) * cross entropy + weight * T^2 * KL(teacher || student), both softened by the
    temperature T (Hinton et al., arXiv 1503.02531). weight 0: no teacher."""

    weight: float = 0.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ConfigError(f"weight must be 0 to 1, not {self.weight}")
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"temperature must be positive, not {self.temperature}")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train.

    step_size_factor: learning rate of what quantizers learn, relative to the weights'.
    frozen_norm_epochs: the last epochs run with batch norm as inference will, on fixed statistics.
    threads: of torch; part of the recipe, because sums depend on it.
    """

    epochs: int
    learning_rate: float
    schedule: Schedule = field(default_factory=Schedule)
    batch_size: int = 64
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 1e-4
    step_size_factor: float = 1.0
    frozen_norm_epochs: int = 0
    distillation: Distillation = field(default_factory=Distillation)
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


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What of a recipe is different; None: as it was."""

    epochs: int | None = None
    learning_rate: float | None = None
    schedule: Schedule | None = None
    batch_size: int | None = None
    weight_decay: float | None = None
    frozen_norm_epochs: int | None = None
    distillation: Distillation | None = None

    def apply(self, recipe: Recipe) -> Recipe:
        """The recipe with the changes; no more epochs with fixed batch norm than there are."""
        given = {item.name: getattr(self, item.name) for item in fields(self)}
        found = replace(recipe, **{k: value for k, value in given.items() if value is not None})
        return replace(found, frozen_norm_epochs=min(found.frozen_norm_epochs, found.epochs))


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A recipe by name. description: a line for `bitwright list recipes`.

    up_to: {width: changes}; at b bits those of every width >= b apply, the widest first.
    """

    description: str
    recipe: Recipe
    up_to: dict[int, Changes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for width in self.up_to:
            check_width(width, "up_to")
        for bits in range(1, MAX_OPERAND_BITS + 1):
            self.at(bits)

    def at(self, bits: int) -> Recipe:
        """The recipe for a network of ``bits`` bits."""
        recipe = self.recipe
        for width in sorted(self.up_to, reverse=True):
            if width >= bits:
                recipe = self.up_to[width].apply(recipe)
        return recipe


def load_preset(name: str) -> Preset:
    """The preset of that name; UnknownPluginError lists what there is."""
    return load_config(Preset, plugins.path(FOLDER, name, ".yaml"))


def preset_names() -> list[str]:
    """Every preset, sorted."""
    return plugins.names(FOLDER, ".yaml")


def narrowest_weights(plan: PrecisionPlan) -> int:
    """Bits of the plan's narrowest weights, pruned channels aside: what has lost most decides how
    long it is trained."""
    return min(
        width
        for bits in plan.layers.values()
        for width in (bits.w_bits if isinstance(bits.w_bits, tuple) else (bits.w_bits,))
        if width
    )
