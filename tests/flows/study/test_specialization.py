"""Plans for one overlay on another: the committed config, and a small study as a whole."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from flows.studies import specialization
from flows.studies.specialization import QUICK, Specialization, describe
from flows.study.verb import ONE_CELL
from ir.config import load_config
from ir.errors import ConfigError, UnknownPluginError
from tests.flows.study.modelled import TINY, modelled, predicted, run_small

CONFIG = Path(specialization.__file__).with_suffix(".yaml")
NAMES = ["digits of 1x1", "digits of 2x2", "digits of 4x4"]


def config_of(*overrides: str) -> Specialization:
    return load_config(Specialization, CONFIG, overrides)


def test_the_overlays_differ_in_their_digits_alone() -> None:
    config = config_of()
    assert list(config.overlays) == NAMES
    sizes = [dict(overlay.sizes) for overlay in config.overlays.values()]
    assert [(s.pop("p", 1), s.pop("q", 1)) for s in sizes] == [(1, 1), (2, 2), (4, 4)]
    assert sizes[0] == sizes[1] == sizes[2]
    cycles = {name: predicted(config.on(name)).uniform for name in NAMES}
    assert cycles[NAMES[0]][3] < cycles[NAMES[0]][4]
    assert cycles[NAMES[1]][2] < cycles[NAMES[1]][3] == cycles[NAMES[1]][4]
    assert cycles[NAMES[2]][2] == cycles[NAMES[2]][4] < cycles[NAMES[2]][5] == cycles[NAMES[2]][8]


@pytest.mark.parametrize("shares", ["[0.1, 1]", "[0, 0.9]", "[0, 0.5, 0.5, 1]", "[]"])
def test_fronts_reach_equally_far(shares: str) -> None:
    with pytest.raises(ConfigError, match="shares must rise from 0 to 1"):
        config_of(f"shares={shares}")


def test_configs_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="overlays must be two or more"):
        config_of("overlays={one: {style: bit_serial}}")
    with pytest.raises(ConfigError, match="digits must be 1, 2 or 4 bits each"):
        config_of("overlays.digits of 2x2.sizes.p=3")
    with pytest.raises(UnknownPluginError, match="unknown allocator 'eagle'"):
        config_of("allocator=eagle")


@pytest.mark.slow
def test_a_small_study_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(specialization, "simulate_plans", modelled)
    config = config_of(*ONE_CELL, *QUICK, *TINY)
    prices = {name: predicted(config.on(name)) for name in config.overlays}
    result = run_small(specialization, config, (config, prices))
    chosen = result["cells"][0]["choices"]
    assert len(chosen) == len(config.shares) * len(NAMES)
    for place, name in enumerate(NAMES):
        own = [c for c in chosen if c["method"] == name]
        assert all(c["within"] and c[f"of the budget on {name}"] <= 1 for c in own)
        # The widest plan is the same one for all: every front ends at the same cycles and loss.
        assert own[-1]["plan"] == chosen[-1]["plan"]
        assert own[-1][f"cycles on {name}"] == prices[name].uniform[8]
        assert result["budgets"][0][name] == prices[name].uniform[2], place
    serial = [c for c in chosen if c["method"] == NAMES[0]]
    broken = sum(c[f"cycles on {NAMES[1]}"] > c["budget"] for c in own_budgets(serial, result))
    assert result["of_the_budget"][NAMES[0]][NAMES[1]]["broken"] == broken
    told = describe(result)
    assert "digits of 4x4: bit_dependent_share 0.00" in told
    assert told.splitlines()[-1] == "0 of 3 hypotheses held, 3 not tested"


def own_budgets(chosen: Sequence[dict], result: dict) -> list[dict]:
    """The choices with the budgets of the second overlay in place of their own."""
    pairs = zip(chosen, result["budgets"], strict=True)
    return [choice | {"budget": budget[NAMES[1]]} for choice, budget in pairs]
