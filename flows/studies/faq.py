"""faq: eight bits after one epoch, four bits after long training (McKinstry et al., 1809.04191).

Hypotheses, fixed before the first run: at 8 bits one epoch reaches the float network's accuracy
(its mean is not below the interval's lower end), at 4 bits the recipe does; its loss at 4 bits is
below that of the same training at a quarter of the batch, and below that at a constant learning
rate. The cosine between float and quantized weights is printed beside them.
"""

from dataclasses import dataclass, replace

from flows.study.arms import (
    FLOAT,
    Arm,
    ArmsConfig,
    Hypothesis,
    describe,
    gather,
    one_cell,
    prepared,
)
from ir.errors import ConfigError
from quant.recipe import Changes, Recipe, Schedule, load_preset

__all__ = ["CONFIG", "NIGHTLY", "QUICK", "describe", "gather", "one_cell", "prepared"]

WIDE, NARROW = "8 bits, one epoch", "4 bits, the recipe"
CONSTANT = "4 bits, constant learning rate"
STEADY = Schedule(kind="exponential", final_share=1.0)


@dataclass(frozen=True, kw_only=True)
class Faq(ArmsConfig):
    """batch_shares: of the recipe's batch, the ablation's arms. epochs: at 4 bits, none: the
    recipe's. Learning rates stay as they are with the batch, as in the paper."""

    batch_shares: tuple[float, ...] = (0.25, 0.5, 2.0)
    epochs: int | None = None

    def __post_init__(self) -> None:
        if any(share <= 0 or share == 1 for share in self.batch_shares):
            raise ConfigError(f"batch_shares must be positive and not 1: {self.batch_shares}")

    @property
    def arms(self) -> tuple[Arm, ...]:
        """8 bits, 4 bits, and 4 bits with one thing different."""
        narrow = Changes(epochs=self.epochs).apply(load_preset("faq").at(4))
        others = {
            batch_arm(share): replace(narrow, batch_size=max(1, round(share * narrow.batch_size)))
            for share in self.batch_shares
        }
        recipes: dict[str, Recipe] = {NARROW: narrow, CONSTANT: replace(narrow, schedule=STEADY)}
        wide = Arm(name=WIDE, bits=8, quantizer="faq", recipe=load_preset("faq").at(8))
        return wide, *(
            Arm(name=name, bits=4, quantizer="faq", recipe=recipe)
            for name, recipe in (recipes | others).items()
        )

    @property
    def hypotheses(self) -> tuple[Hypothesis, ...]:
        """See the top of the file."""
        found = [
            Hypothesis(first=WIDE, second=FLOAT, kind="reaches"),
            Hypothesis(first=NARROW, second=FLOAT, kind="reaches"),
            Hypothesis(first=NARROW, second=CONSTANT),
        ]
        smaller = [share for share in self.batch_shares if share < 1]
        if smaller:
            found.append(Hypothesis(first=NARROW, second=batch_arm(min(smaller))))
        return tuple(found)


def batch_arm(share: float) -> str:
    """The arm at a share of the recipe's batch."""
    return f"4 bits, batch x {share:g}"


CONFIG = Faq
QUICK = ("setting.training.float_epochs=6", "epochs=2")
NIGHTLY = ("setting.seeds=1",)
