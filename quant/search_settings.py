"""What a search may spend, and what it wants beside a low loss."""

from dataclasses import dataclass, field
from typing import Literal

from ir.errors import ConfigError, shorten
from quant.prepare import QuantizerConfig
from quant.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Extrinsic:
    """AutoQ's reward: log(accuracy^a / (latency^l * energy^e * area^r)).

    resources: the budget is a wall and accuracy alone counts, so all exponents but a are zero.
    accuracy: of the plans that lose at most ``tolerance`` (0..1) against the widest plan the one of
    least cost; exponents as given.
    """

    mode: Literal["resources", "accuracy"] = "resources"
    psi_accuracy: float = 1.0
    psi_latency: float = 0.0
    psi_energy: float = 0.0
    psi_area: float = 0.0
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        if self.mode not in ("resources", "accuracy"):
            raise ConfigError(f"mode must be resources or accuracy, not {shorten(self.mode)}")
        for name in ("psi_accuracy", "psi_latency", "psi_energy", "psi_area", "tolerance"):
            if not 0 <= getattr(self, name) < 100:
                raise ConfigError(f"{name} must be 0 to 100, not {getattr(self, name)}")
        costs = (self.psi_latency, self.psi_energy, self.psi_area)
        if self.mode == "resources" and any(costs):
            raise ConfigError("psi_latency, psi_energy and psi_area belong to mode accuracy")


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How a search judges plans.

    epochs: of one evaluation, 0 judges without training. recipe: of its fine-tuning but for epochs,
    seed and distillation. quantizer: what evaluations quantize with. episodes, warmup: of searches
    by reinforcement learning, the first ``warmup`` of which choose at random; defaults are the
    papers'. extrinsic: what AutoQ rewards. granularity: of AutoQ's weight widths, the paper's by
    kernel.
    """

    epochs: int = 1
    recipe: Recipe = field(default_factory=lambda: Recipe(epochs=1, learning_rate=0.005))
    quantizer: QuantizerConfig = field(default_factory=QuantizerConfig)
    episodes: int = 400
    warmup: int = 100
    extrinsic: Extrinsic = field(default_factory=Extrinsic)
    granularity: Literal["kernel", "layer"] = "kernel"

    def __post_init__(self) -> None:
        for name, least in (("epochs", 0), ("episodes", 1), ("warmup", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} must be at least {least}, not {shorten(value)}")
        if self.granularity not in ("kernel", "layer"):
            raise ConfigError(
                f"granularity must be kernel or layer, not {shorten(self.granularity)}"
            )
