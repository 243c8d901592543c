"""A project's config: one YAML file, one frozen dataclass, everything that decides a result.

    name: digits
    network: {name: d4, width: 4}

What is not written has a default. The resolved config lands in the run's folder, and its hash
names that folder.
"""

import hashlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from boards.loader import Board, load_board
from codegen.board_top import check_board_top
from codegen.styles import Style, find_styles
from ir import plugins
from ir.config import load_config, plain
from ir.errors import ConfigError, shorten
from ir.files import to_json
from ir.plan import PrecisionPlan, check_width
from ir.precision import MAX_OPERAND_BITS
from quant.allocator import FOLDER as ALLOCATORS
from quant.data import DataConfig
from quant.net import FOLDER as NETS
from quant.net import NetConfig
from quant.prepare import Granularity, QuantizerConfig
from quant.quantizer import FOLDER as QUANTIZERS
from quant.recipe import Changes, Distillation, Recipe, load_preset, narrowest_weights

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
DIGITS = re.compile(r"([0-9]{1,2})x([0-9]{1,2})")
OVERLAYS = "hw/overlays"
ALL_WIDTHS = tuple(range(2, 9))
MOST_ROUNDS = 100
SHARE_WIDTHS = (2, 4)
REFERENCE_WIDTHS = (*SHARE_WIDTHS, 8)


@dataclass(frozen=True, kw_only=True)
class Network:
    """name: a file of `quant/nets/`. width: channels of its first layer. checkpoint: weights that
    are trained already (a torch file with its state dict); none: it is trained here."""

    name: str = "d4"
    width: int = 8
    checkpoint: Path | None = None

    def __post_init__(self) -> None:
        plugins.path(NETS, self.name)
        NetConfig(name=self.name, width=self.width)

    def setup(self, seed: int) -> NetConfig:
        """What builds it, with weights from `seed`."""
        return NetConfig(name=self.name, width=self.width, seed=seed)


@dataclass(frozen=True, kw_only=True)
class OverlayBudget:
    """style: a file of `hw/overlays/`, or `auto`: whichever is fastest. digits: "PxQ", bits of a
    digit of weights and of activations; none: whichever of the style's are fastest. luts,
    bram_blocks: what the overlay may take; none: all that the board has.

    The loop needs a style whose cycles follow the bits, which is bit_serial."""

    style: str = "bit_serial"
    digits: str | None = None
    luts: int | None = None
    bram_blocks: int | None = None

    def __post_init__(self) -> None:
        self.styles()
        for name in ("luts", "bram_blocks"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, not {shorten(value)}")

    def styles(self) -> list[Style]:
        """What sizing chooses from."""
        if self.digits is None:
            return find_styles(self.style)
        found = DIGITS.fullmatch(self.digits)
        if found is None:
            raise ConfigError(f"digits must have the form PxQ, as 2x2, not {shorten(self.digits)}")
        return find_styles(self.style, (int(found[1]), int(found[2])))


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the float network is trained, and how it is fine-tuned at a plan.

    recipe: a preset of `quant/recipes/` for the fine-tuning; tune_epochs, tune_learning_rate and
    frozen_norm_epochs replace what it says, batch_size and weight_decay also what the float network
    takes. distillation: the float network as teacher.
    """

    float_epochs: int = 40
    float_learning_rate: float = 0.01
    recipe: str = "short"
    tune_epochs: int | None = None
    tune_learning_rate: float | None = None
    frozen_norm_epochs: int | None = None
    batch_size: int | None = None
    weight_decay: float | None = None
    distillation: Distillation | None = None
    granularity: Granularity = "per_channel"

    def __post_init__(self) -> None:
        self.of_float(0)
        for bits in range(1, MAX_OPERAND_BITS + 1):
            self.at(bits)

    def of_float(self, seed: int) -> Recipe:
        """The recipe of the float network."""
        recipe = Recipe(epochs=self.float_epochs, learning_rate=self.float_learning_rate, seed=seed)
        changes = Changes(batch_size=self.batch_size, weight_decay=self.weight_decay)
        return changes.apply(recipe)

    def of_plan(self, plan: PrecisionPlan, seed: int) -> Recipe:
        """The recipe of fine-tuning at a plan: its narrowest weights decide."""
        return replace(self.at(narrowest_weights(plan)), seed=seed)

    def at(self, bits: int) -> Recipe:
        """The recipe of fine-tuning at so many bits, with seed 0."""
        changes = Changes(
            epochs=self.tune_epochs,
            learning_rate=self.tune_learning_rate,
            frozen_norm_epochs=self.frozen_norm_epochs,
            batch_size=self.batch_size,
            weight_decay=self.weight_decay,
            distillation=self.distillation,
        )
        return changes.apply(load_preset(self.recipe).at(bits))


@dataclass(frozen=True, kw_only=True)
class Project:
    """choices: the widths that a layer may have. cycle_budget: cycles for one image, or, as a
    fraction f with a decimal point, c2 + f (c8 - c2), where c_b are the measured cycles of all
    layers at b bits on the first overlay. byte_budget: bytes of packed weights beside it, none: no
    limit. rounds: at most so many of the loop."""

    name: str
    seed: int = 0
    board: str = "sim"
    network: Network = field(default_factory=Network)
    data: DataConfig = field(default_factory=DataConfig)
    quantizer: str = "lsq"
    allocator: str = "eagl"
    choices: tuple[int, ...] = ALL_WIDTHS
    cycle_budget: int | float = 0.3
    byte_budget: int | None = None
    overlay: OverlayBudget = field(default_factory=OverlayBudget)
    rounds: int = 4
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ConfigError(
                f"name must be letters, digits, '_', '-' and '.', not {shorten(self.name)}"
            )
        if not 0 <= self.seed < 1 << 31:
            raise ConfigError(f"seed must be 0 to 2^31 - 1, not {self.seed}")
        plugins.path("boards", self.board, ".yaml")
        plugins.path(QUANTIZERS, self.quantizer)
        plugins.path(ALLOCATORS, self.allocator)
        self._check_search()

    def _check_search(self) -> None:
        for width in self.choices:
            check_width(width, "choices")
        if not self.choices or sorted(set(self.choices)) != list(self.choices):
            raise ConfigError(
                f"choices must be different widths in ascending order, not {list(self.choices)}"
            )
        if isinstance(self.cycle_budget, float) and not 0 <= self.cycle_budget <= 1:
            raise ConfigError(
                "cycle_budget as a fraction must be 0 to 1, not "
                f"{self.cycle_budget}; write a number of cycles without a decimal point"
            )
        if isinstance(self.cycle_budget, int) and self.cycle_budget < 1:
            raise ConfigError(f"cycle_budget must be at least 1 cycle, not {self.cycle_budget}")
        if self.byte_budget is not None and self.byte_budget < 1:
            raise ConfigError(f"byte_budget must be at least 1 byte, not {self.byte_budget}")
        if not 1 <= self.rounds <= MOST_ROUNDS:
            raise ConfigError(f"rounds must be 1 to {MOST_ROUNDS}, not {self.rounds}")

    @property
    def hash(self) -> str:
        """Eight hexadecimal digits that name the folder of this project's run."""
        return hash_of(self)

    @property
    def widest(self) -> int:
        """The widest choice: where the loop starts and what gains are read from."""
        return self.choices[-1]

    @property
    def priced(self) -> tuple[int, ...]:
        """The widths at which uniform networks are measured: every choice, and what
        bit_dependent_share and a fraction as budget refer to."""
        reference = REFERENCE_WIDTHS if isinstance(self.cycle_budget, float) else SHARE_WIDTHS
        return tuple(sorted({*self.choices, *reference}))

    @property
    def weights_quantizer(self) -> QuantizerConfig:
        """The quantizer and its granularity."""
        return QuantizerConfig(name=self.quantizer, granularity=self.training.granularity)

    def load_board(self) -> Board:
        """The board."""
        return usable_board(self.board)


def usable_board(name: str) -> Board:
    """The board of that name; ConfigError, before anything slow, when no top can be made of it."""
    board = load_board(name)
    check_board_top(board)
    return board


def hash_of(settings: object) -> str:
    """Eight hexadecimal digits for everything in a dataclass of settings."""
    return hashlib.sha256(to_json(plain(settings)).encode()).hexdigest()[:8]


def load_project(path: Path, overrides: tuple[str, ...] = ()) -> Project:
    """The config at `path` with its `a.b=c` overrides; ConfigError names the key."""
    return load_config(Project, path, overrides)
