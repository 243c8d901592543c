"""What a study is made on: network, data, a fixed overlay, folds and seeds, one recipe for all."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from flows.project import OVERLAYS, Network, Training
from hw.config import OverlayConfig
from ir import plugins
from ir.config import plain
from ir.errors import ConfigError
from ir.files import to_json
from ir.plan import check_width
from quant.data import DataConfig
from quant.prepare import QuantizerConfig


@dataclass(frozen=True, kw_only=True)
class FixedOverlay:
    """style: a file of hw/overlays/. sizes: fields of its config, by name. latency: of the memory,
    cycles."""

    style: Literal["bit_serial", "bit_slice"] = "bit_serial"
    sizes: dict[str, int] = field(default_factory=lambda: {"dm": 2, "dk": 16, "dn": 2})
    latency: int = 20

    def build(self) -> OverlayConfig:
        """The overlay's config; ConfigError names a size that is wrong."""
        kind = plugins.load(OVERLAYS, self.style, OverlayConfig)
        try:
            return kind(**self.sizes)
        except TypeError as error:
            raise ConfigError(f"overlay.sizes: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One experiment's ground, repeated for ``folds`` test folds and ``seeds`` seeds.

    overlay: where plans are priced; studies of training simulate nothing and leave it.
    """

    network: Network
    data: DataConfig
    overlay: FixedOverlay = field(default_factory=FixedOverlay)
    choices: tuple[int, ...] = (2, 4)
    folds: int = 5
    seeds: int = 5
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        for width in self.choices:
            check_width(width, "choices")
        if len(self.choices) < 2 or sorted(set(self.choices)) != list(self.choices):
            raise ConfigError(f"choices must be two or more widths, ascending: {self.choices}")
        if not 1 <= self.folds <= self.data.folds:
            raise ConfigError(f"folds must be 1 to {self.data.folds}, not {self.folds}")
        if self.seeds < 1:
            raise ConfigError(f"seeds must be at least 1, not {self.seeds}")
        self.overlay.build()

    @property
    def cells(self) -> list[tuple[int, int]]:
        """(fold, seed) of every repetition."""
        return [(fold, seed) for fold in range(self.folds) for seed in range(self.seeds)]

    @property
    def quantizer(self) -> QuantizerConfig:
        """LSQ, at the recipe's granularity."""
        return QuantizerConfig(granularity=self.training.granularity)

    def of_fold(self, fold: int) -> DataConfig:
        """The data with this test fold."""
        return replace(self.data, fold=fold)


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """The part of a study's config that every study has. seed: of what is random outside cells."""

    name: str
    setting: Setting
    seed: int = 0

    @property
    def hash(self) -> str:
        """Eight hexadecimal digits that name the folder of this study's run."""
        return hashlib.sha256(to_json(plain(self)).encode()).hexdigest()[:8]


def wider(setting: Setting, width: int) -> Setting:
    """The setting with a network of another width."""
    return replace(setting, network=replace(setting.network, width=width))


def check_shares(shares: Sequence[float]) -> None:
    """ConfigError unless all lie between the narrowest (0) and the widest (1) uniform plan."""
    if not shares or not all(0 < share < 1 for share in shares):
        raise ConfigError(f"shares must lie inside 0..1, not {list(shares)}")
