"""What bitlengths are charged for: metrics worked out by hand, and a small study as a whole."""

from pathlib import Path

import pytest
import torch

from flows.studies import penalties
from flows.studies.penalties import PENALTIES, QUICK, Penalties, describe, metrics_of
from flows.study.verb import ONE_CELL
from ir.config import load_config
from ir.errors import ConfigError
from ir.plan import LayerBits, PrecisionPlan, uniform_plan
from quant.data import DataConfig, load_data
from quant.net import NetConfig, build_net
from quant.prepare import QuantizerConfig, layer_names, prepare
from tests.flows.study.modelled import TINY, modelled, predicted, run_small

CONFIG = Path(penalties.__file__).with_suffix(".yaml")


def config_of(*overrides: str) -> Penalties:
    return load_config(Penalties, CONFIG, overrides)


def test_configs_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match=r"gammas must be positive, not \[0\.0, 1\.0\]"):
        config_of("gammas=[0, 1]")
    with pytest.raises(ConfigError, match="choices must reach from 1 to 8 bits"):
        config_of("setting.choices=[2, 8]")


def test_metrics_by_hand() -> None:
    setting = config_of().setting
    task = load_data(DataConfig()).task
    net = build_net(NetConfig(name="d4", width=4), task)
    names = layer_names(net)
    quantized = prepare(
        net,
        uniform_plan(names, 8, first_a_bits=5),
        task=task,
        calibration=torch.zeros(4, 1, 8, 8),
        quantizer=QuantizerConfig(),
    )
    prices = predicted(setting)
    metrics = metrics_of(quantized, prices)
    pairs = zip(names, [(1, 5), (2, 3), (4, 4), (8, 2)], strict=True)
    plan = PrecisionPlan({name: LayerBits(w_bits=w, a_bits=a) for name, (w, a) in pairs})
    assert metrics["bits"](plan) == (1 + 2 + 4 + 8 + 3 + 4 + 2) / 7
    # conv1 64 x 4x9, conv2 16 x 8x36, conv3 16 x 8x72, fc 10x128; the input's 5 bits are given
    macs = [64 * 36, 16 * 288, 16 * 576, 1280]
    assert metrics["ops"](plan) == macs[0] + 5 * macs[1] + 8 * macs[2] + 10 * macs[3]
    packed = prices.cost.plan_bytes
    assert packed is not None
    assert metrics["memory"](plan) == packed(plan) + (256 * 3 + 128 * 4 + 128 * 2) / 8


@pytest.mark.slow
def test_a_small_study_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(penalties, "simulate_plans", modelled)
    config = config_of(*ONE_CELL, *QUICK, *TINY, "learning_epochs=2")
    result = run_small(penalties, config, (config, predicted(config.setting)))
    (row,) = result["cells"]
    assert [c["method"] for c in row["choices"]] == list(PENALTIES) == list(result["penalties"])
    narrow, wide = row["ends"]
    assert (narrow["bits"], wide["bits"]) == (1, 8)
    for choice in row["choices"]:
        assert all(narrow[m] <= choice[m] <= wide[m] for m in PENALTIES)
        assert 0 < choice["learned_accuracy"] <= 1
    scores = result["hypervolume"]["table"]
    assert all(0 <= scores[a][b]["mean"] <= 1 for a in PENALTIES for b in PENALTIES)
    told = describe(result)
    assert "hypothesis: the penalty on cycles wins on cycles: not tested" in told
    monkeypatch.setattr(penalties, "learn_bitlengths", None)  # a second run learns nothing
    again = run_small(penalties, config, (config, predicted(config.setting)))
    assert again["penalties"] == result["penalties"]
