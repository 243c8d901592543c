"""Schedules, presets and what changes at few bits."""

import math
from pathlib import Path

import pytest

from ir.config import bind
from ir.errors import ConfigError, UnknownPluginError
from ir.plan import LayerBits, PrecisionPlan
from quant.recipe import (
    Changes,
    Distillation,
    Preset,
    Recipe,
    Schedule,
    load_preset,
    narrowest_weights,
    preset_names,
)


def test_cosine_and_its_final_share() -> None:
    cosine = Schedule(final_share=0.2)
    assert [cosine.factor(p) for p in (0, 0.5, 1)] == pytest.approx([1, 0.6, 0.2])
    assert Schedule().factor(0.25) == pytest.approx(0.5 * (1 + math.sqrt(0.5)))


def test_exponential_falls_by_equal_factors() -> None:
    schedule = Schedule(kind="exponential", final_share=0.01)
    found = [schedule.factor(p) for p in (0, 0.25, 0.5, 0.75, 1)]
    assert found == pytest.approx([1, 10**-0.5, 0.1, 10**-1.5, 0.01])


def test_steps_fall_to_a_tenth() -> None:
    schedule = Schedule(kind="steps", milestones=(0.3, 0.6))
    found = [schedule.factor(p) for p in (0, 0.29, 0.3, 0.6, 0.99)]
    assert found == pytest.approx([1, 1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_at_every_width(name: str) -> None:
    preset = load_preset(name)
    assert preset.description and len(preset.description) < 90
    for bits in range(1, 9):
        recipe = preset.at(bits)
        assert recipe.frozen_norm_epochs <= recipe.epochs
        assert (recipe.seed, recipe.distillation.weight) == (0, 0)


def test_lsq_changes_with_the_bits() -> None:
    lsq = load_preset("lsq")
    rows = [(lsq.at(b).epochs, lsq.at(b).learning_rate, lsq.at(b).weight_decay) for b in (8, 4)]
    assert rows == [(1, 0.001, 1e-4), (90, 0.01, 1e-4)]
    assert [lsq.at(b).weight_decay for b in (3, 2, 1)] == [0.5e-4, 0.25e-4, 0.25e-4]
    assert {lsq.at(b).optimizer for b in range(1, 9)} == {"sgd"}


def test_faq_below_eight_bits_is_long_with_larger_batches_and_half_the_decay() -> None:
    wide, narrow = load_preset("faq").at(8), load_preset("faq").at(4)
    assert (wide.epochs, narrow.epochs) == (1, 110)
    assert narrow.schedule.kind == "exponential"
    assert narrow.batch_size == 2 * wide.batch_size
    assert narrow.weight_decay == wide.weight_decay / 2


def test_the_narrowest_weights_of_a_plan_decide() -> None:
    plan = PrecisionPlan(
        {"a": LayerBits(w_bits=8, a_bits=1), "b": LayerBits(w_bits=(5, 3, 0), a_bits=8)}
    )
    assert narrowest_weights(plan) == 3


def test_no_more_fixed_norm_epochs_than_epochs() -> None:
    recipe = Recipe(epochs=30, learning_rate=0.1, frozen_norm_epochs=5)
    assert Changes(epochs=2).apply(recipe).frozen_norm_epochs == 2
    assert Changes().apply(recipe) == recipe


def test_unknown_preset() -> None:
    with pytest.raises(UnknownPluginError, match=r"unknown recipe 'lsk' \(did you mean 'lsq'"):
        load_preset("lsk")


def test_a_preset_with_a_wrong_key(tmp_path: Path) -> None:
    document = {"description": "x", "recipe": {"epochs": 1, "learning_rate": 1, "momentum": 1}}
    with pytest.raises(ConfigError, match="unknown key 'recipe.momentum'"):
        bind(Preset, document, "x.yaml")
    document = {"description": "x", "recipe": {"epochs": 1, "learning_rate": 1}, "up_to": {9: {}}}
    with pytest.raises(ConfigError, match="up_to must be 1 to 8 bits, not 9"):
        bind(Preset, document, "x.yaml")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "linear"}, "kind must be cosine, exponential or steps, not 'linear'"),
        ({"kind": "exponential"}, "above 0 when exponential, not 0.0"),
        ({"final_share": 2.0}, "final_share must be 0 to 1"),
        ({"kind": "steps"}, "milestones belong to kind steps, which needs them"),
        ({"milestones": (0.5,)}, "milestones belong to kind steps"),
        ({"kind": "steps", "milestones": (0.5, 1.0)}, r"inside 0..1, not \[0.5, 1.0\]"),
    ],
)
def test_wrong_schedule(fields: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Schedule(**fields)


def test_wrong_distillation() -> None:
    with pytest.raises(ConfigError, match="weight must be 0 to 1, not 1.5"):
        Distillation(weight=1.5)
    with pytest.raises(ConfigError, match="temperature must be positive, not 0"):
        Distillation(temperature=0)
