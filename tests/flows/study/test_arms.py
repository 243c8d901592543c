"""Studies of training: their arms, how hypotheses are judged, and one small study as a whole."""

import json
from pathlib import Path

import pytest
import torch

from flows.studies import faq
from flows.studies.faq import CONSTANT, NARROW, WIDE, Faq
from flows.studies.quantizers import Quantizers
from flows.study.arms import (
    FLOAT,
    ArmsStudy,
    Hypothesis,
    cell_of,
    describe,
    gather,
    similarity,
)
from flows.study.cell import Cell
from flows.study.runner import Row
from flows.study.verb import ONE_CELL, run_module
from ir.config import load_config
from ir.errors import ConfigError, UnknownPluginError
from ir.plan import uniform_plan
from quant.data import DataConfig, load_data
from quant.layers import QuantLayer
from quant.net import NetConfig, build_net
from quant.prepare import QuantizerConfig, layer_names, prepare
from quant.train import inputs_of

FOLDER = Path(faq.__file__).parent


def faq_config(*overrides: str) -> Faq:
    return load_config(Faq, FOLDER / "faq.yaml", overrides)


def quantizers_config(*overrides: str) -> Quantizers:
    return load_config(Quantizers, FOLDER / "quantizers.yaml", overrides)


def test_arms_of_the_committed_faq() -> None:
    arms = {arm.name: arm for arm in faq_config().arms}
    assert (arms[WIDE].bits, arms[WIDE].recipe.epochs) == (8, 1)
    narrow, constant = arms[NARROW].recipe, arms[CONSTANT].recipe
    assert (narrow.epochs, narrow.schedule.final_share) == (110, 1e-3)
    assert [constant.schedule.factor(p) for p in (0, 0.5, 1)] == [1, 1, 1]
    quarter = arms["4 bits, batch x 0.25"].recipe
    assert quarter.batch_size == narrow.batch_size / 4
    assert {arm.quantizer for arm in arms.values()} == {"faq"}
    said = {(h.first, h.second, h.kind) for h in faq_config().hypotheses}
    assert (WIDE, FLOAT, "reaches") in said and (NARROW, CONSTANT, "below") in said
    assert (NARROW, "4 bits, batch x 0.25", "below") in said
    assert len(faq_config("batch_shares=[2]").hypotheses) == 3


def test_arms_of_the_committed_quantizers() -> None:
    config = quantizers_config()
    arms = {arm.name: arm for arm in config.arms}
    assert len(arms) == 6 * 2 * 2
    shared = {arm.recipe for arm in arms.values() if "shared" in arm.name}
    assert len(shared) == 1 and shared.pop().optimizer == "adamw"
    assert arms["lsq, own recipe at 2 bits"].recipe.weight_decay == 0.25e-4
    assert [(h.first[:4], h.second[:6]) for h in config.hypotheses] == [
        ("lsq,", "pact, "),
        ("pact", "dorefa"),
    ]
    short = quantizers_config("most_epochs=3", "widths=[4]")
    assert max(arm.recipe.epochs for arm in short.arms if "own" in arm.name) == 3
    assert short.hypotheses == ()


def test_configs_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="batch_shares must be positive and not 1"):
        faq_config("batch_shares=[1]")
    with pytest.raises(ConfigError, match="widths must be 1 to 8 bits, not 9"):
        quantizers_config("widths=[9]")
    with pytest.raises(UnknownPluginError, match="unknown quantizer 'lsk'"):
        quantizers_config("recipes={lsk: lsq}")
    with pytest.raises(UnknownPluginError, match="unknown recipe 'lsk'"):
        quantizers_config("recipes={lsq: lsk}")


def rows(values: dict[str, list[float]]) -> list[Row]:
    """Repetitions in which each arm has these losses, and accuracies of 1 minus a tenth of them."""
    count = len(next(iter(values.values())))
    return [
        {
            "fold": 0,
            "seed": seed,
            "arms": {
                name: {"nll": losses[seed], "accuracy": 1 - losses[seed] / 10}
                for name, losses in values.items()
            },
        }
        for seed in range(count)
    ]


def judged(values: dict[str, list[float]], *hypotheses: Hypothesis) -> list[str]:
    config = faq_config()
    study = ArmsStudy(config=config, arms=config.arms, hypotheses=hypotheses)
    filled = {arm.name: values[FLOAT] for arm in config.arms} | values
    found = gather(study, rows(filled))
    assert len(found.table) == len(config.arms) * len(values[FLOAT])
    assert found.picture.startswith("<svg")
    return [one["verdict"] for one in found.results["hypotheses"]]


def test_hypotheses_are_judged() -> None:
    steady = [1.0, 1.1, 0.9, 1.0, 1.05, 0.95]
    better = [value - 0.5 + place / 100 for place, value in enumerate(steady)]
    values = {FLOAT: steady, NARROW: better, WIDE: steady}
    below = Hypothesis(first=NARROW, second=FLOAT)
    assert judged(values, below) == ["held"]
    assert judged(values, Hypothesis(first=FLOAT, second=NARROW)) == [
        "did not hold: the opposite did"
    ]
    reaches = [Hypothesis(first=WIDE, second=f, kind="reaches") for f in (FLOAT, NARROW)]
    assert judged(values, *reaches) == ["held", "did not hold"]
    once = {name: losses[:1] for name, losses in values.items()}
    assert set(judged(once, below, *reaches)) == {"not tested: a single repetition"}


def test_similarity_is_the_cosine_of_weights() -> None:
    task = load_data(DataConfig()).task
    net = build_net(NetConfig(name="mlp", width=4), task)
    x = inputs_of(load_data(DataConfig()).search.train)[:16]
    found = []
    for bits in (8, 2):
        plan = uniform_plan(layer_names(net), bits, first_a_bits=5)
        quantized = prepare(net, plan, task=task, calibration=x, quantizer=QuantizerConfig())
        found.append(similarity(net, quantized))
        assert found[-1] == pytest.approx(sum(map(cosine, quantized.chain)) / 2)
    assert 1 > found[0] > found[1] > 0.5


@torch.no_grad()
def cosine(layer: QuantLayer) -> float:
    a, b = layer.linear.weight.flatten(), layer.weights(layer.linear.weight).flatten()
    return float(a @ b / (a.norm() * b.norm()))


@pytest.mark.slow
def test_a_small_study_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = ("epochs=1", "batch_shares=[0.5]", "setting.training.float_epochs=2")
    config = faq_config(*ONE_CELL, *faq.QUICK, *small, "setting.network={name: mlp, width: 8}")
    result = run_module(faq, config, "bitwright study faq")
    folder = tmp_path / "build/study/faq/latest"
    assert json.loads((folder / "results.json").read_text())["arms"] == result["arms"]
    assert list(result["arms"]) == [FLOAT, WIDE, NARROW, CONSTANT, "4 bits, batch x 0.5"]
    assert result["arms"][WIDE]["similarity"]["mean"] > 0.99
    assert "4 bits, the recipe" in describe(result)
    monkeypatch.setattr("flows.study.arms.fine_tune", None)  # a second run trains nothing
    assert run_module(faq, config, "bitwright study faq")["arms"] == result["arms"]


def test_a_wider_arm_starts_from_a_network_of_its_own(tmp_path: Path) -> None:
    config = faq_config()
    cell = Cell(config.setting, 0, 1, tmp_path)
    assert cell_of(cell, None, tmp_path) is cell_of(cell, 4, tmp_path) is cell
    wide = cell_of(cell, 9, tmp_path)
    assert wide.setting.network.width == 9 and (wide.fold, wide.seed) == (0, 1)
