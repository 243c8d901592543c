"""quantizers: every quantizer under one recipe, and under its own paper's, at several widths.

Hypothesis, fixed before the first run (Esser et al., arXiv 1902.08153): at 2 bits under one recipe
LSQ's loss is below PACT's, and PACT's below DoReFa's.
"""

from dataclasses import dataclass

from flows.study.arms import Arm, ArmsConfig, Hypothesis, describe, gather, one_cell, prepared
from ir import plugins
from ir.plan import check_width
from quant.quantizer import FOLDER as QUANTIZERS
from quant.recipe import Changes, Recipe, load_preset

__all__ = ["CONFIG", "NIGHTLY", "QUICK", "describe", "gather", "one_cell", "prepared"]

ORDER = ("lsq", "pact", "dorefa")


@dataclass(frozen=True, kw_only=True)
class Quantizers(ArmsConfig):
    """recipes: {quantizer: its own preset}. The shared one is that of setting.training.

    most_epochs: own presets are cut to so many; none: their own lengths.
    """

    recipes: dict[str, str]
    widths: tuple[int, ...] = (2, 4)
    most_epochs: int | None = None

    def __post_init__(self) -> None:
        for width in self.widths:
            check_width(width, "widths")
        for quantizer, recipe in self.recipes.items():
            plugins.path(QUANTIZERS, quantizer)
            load_preset(recipe)

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Shared recipe first, then each its own."""
        training = self.setting.training
        return tuple(
            Arm(
                name=f"{quantizer}, {label} recipe at {bits} bits",
                bits=bits,
                quantizer=quantizer,
                recipe=training.at(bits) if label == "shared" else self._own(recipe, bits),
            )
            for label in ("shared", "own")
            for quantizer, recipe in self.recipes.items()
            for bits in self.widths
        )

    def _own(self, name: str, bits: int) -> Recipe:
        recipe = load_preset(name).at(bits)
        if self.most_epochs is None:
            return recipe
        return Changes(epochs=min(recipe.epochs, self.most_epochs)).apply(recipe)

    @property
    def hypotheses(self) -> tuple[Hypothesis, ...]:
        """At 2 bits, where both arms are there."""
        names = [f"{quantizer}, shared recipe at 2 bits" for quantizer in ORDER]
        known = {arm.name for arm in self.arms}
        pairs = zip(names, names[1:], strict=False)
        return tuple(Hypothesis(first=a, second=b) for a, b in pairs if {a, b} <= known)


CONFIG = Quantizers
QUICK = (
    "setting.training.float_epochs=6",
    "setting.training.tune_epochs=2",
    "setting.training.frozen_norm_epochs=1",
    "most_epochs=2",
)
NIGHTLY = ("setting.seeds=1",)
