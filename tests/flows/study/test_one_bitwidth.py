"""One bitwidth for all weights: how many channels, which arms, what is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from flows.studies import one_bitwidth
from flows.studies.one_bitwidth import OneBitwidth, Sized, describe, gather
from flows.study import mixture
from flows.study.cell import Cell
from flows.study.channels import Graphs, widest
from flows.study.mixture import Mixture
from flows.study.runner import Row
from flows.study.setting import wider
from ir.config import load_config
from ir.errors import ConfigError
from ir.plan import LayerBits
from quant.budget import Budget
from tests.flows.study.modelled import TINY, modelled, predicted

CONFIG = Path(one_bitwidth.__file__).with_suffix(".yaml")


def config_of(*overrides: str) -> OneBitwidth:
    return load_config(OneBitwidth, CONFIG, overrides)


@pytest.mark.parametrize(("most", "channels"), [(0, 1), (9, 3), (10, 3), (16, 4), (10_000, 20)])
def test_the_most_channels_within_a_limit(most: int, channels: int) -> None:
    assert widest(lambda n: n * n, most, 20) == channels


def test_weights_and_activations_of_an_arm() -> None:
    arm = config_of().arm("equal bytes", 2, 9)
    assert (arm.name, arm.width, arm.quantizer) == ("equal bytes at 2 bits", 9, "lsq")
    plan = arm.plan(["a", "b", "c"], 5)
    assert plan["a"] == LayerBits(w_bits=2, a_bits=5)
    assert plan["b"] == plan["c"] == LayerBits(w_bits=2, a_bits=4)


def test_fewer_bits_take_fewer_bytes_and_cycles_and_more_channels_more() -> None:
    graphs = Graphs(config_of().setting, 4)
    for takes in (graphs.weight_bytes, graphs.cycles):
        assert takes(1, 4) < takes(2, 4) < takes(8, 4) < takes(8, 5)
    # conv1 1x3x3, conv2 4x3x3, conv3 8x3x3, fc 8x4x4 in: rows of at least so many bits.
    assert graphs.weight_bytes(8, 4) >= 4 * 9 + 8 * 36 + 8 * 72 + 10 * 128


def test_configs_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match=r"widths must hold 8, the measure: \(4, 2\)"):
        config_of("widths=[4, 2]")
    with pytest.raises(ConfigError, match=r"widths must hold 4 and 2, .*: \(8, 4\)"):
        config_of("widths=[8, 4]")
    with pytest.raises(ConfigError, match="most_channels must be at least the network's width"):
        config_of("most_channels=3")
    with pytest.raises(ConfigError, match="widths must be 1 to 8 bits, not 0"):
        config_of("a_bits=0")


def mixture_of(config: OneBitwidth, budget: Budget, channels: int = 6) -> Mixture:
    setting = replace(wider(config.setting, channels), choices=(1, 2, 4, 8))
    return Mixture(
        name="equal bytes, mixed",
        channels=channels,
        widths=setting.choices,
        a_bits=4,
        budget=budget,
        prices=predicted(setting, a_bits=4),
    )


@pytest.mark.slow
def test_a_mixture_keeps_its_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture, "simulate_plans", modelled)
    config = config_of(*TINY)
    graphs = Graphs(config.setting, 4)
    most = (graphs.weight_bytes(2, 6) + graphs.weight_bytes(4, 6)) // 2
    cell = Cell(config.setting, 0, 0, tmp_path)
    found = mixture_of(config, Budget(weight_bytes=most)).outcome(cell, tmp_path)
    assert graphs.weight_bytes(2, 6) < found["weight_bytes"] <= most
    assert found["channels"] == 6 and found["nll"] > 0
    assert all(name in found["plan"] for name in ("conv1", "conv2", "conv3", "fc"))
    most = graphs.cycles(2, 6) + 1000
    fast = mixture_of(config, Budget(cycles=most)).outcome(cell, tmp_path)
    assert graphs.cycles(1, 6) < fast["cycles"] <= most


def test_what_each_network_takes_stands_beside_its_loss() -> None:
    config = config_of("widths=[8, 4, 2]")
    arms = [
        config.arm(protocol, bits, channels)
        for protocol in ("equal bytes", "equal cycles")
        for bits, channels in ((8, 4), (4, 6), (2, 9))
    ]
    sizes = {
        arm.name: {"channels": arm.width or 0, "weight_bytes": 100 * arm.bits, "cycles": 5000}
        for arm in arms
    }
    sizes["equal bytes at 4 bits"]["cycles"] = 2600  # a byte costs 1.04 of what it does at 8 bits
    sizes["equal bytes at 2 bits"]["cycles"] = 1400  # 1.12
    mixed = mixture_of(config, Budget(weight_bytes=900))
    study = Sized(config=config, arms=tuple(arms), hypotheses=(), sizes=sizes, mixtures=(mixed,))
    outcome = {"nll": 0.5, "accuracy": 0.9, "integer_accuracy": 0.9, "similarity": 1.0}
    rows: list[Row] = [
        {
            "fold": 0,
            "seed": s,
            "arms": {
                "float": outcome,
                **{a.name: outcome for a in arms},
                mixed.name: outcome
                | {"plan": "p", "channels": 6, "weight_bytes": 700 + 2 * s, "cycles": 4000},
            },
        }
        for s in range(2)
    ]
    found = gather(study, rows)
    assert found.table[1]["weight_bytes"] == 400 and len(found.table) == 2 * 7
    assert [row["weight_bytes"] for row in found.table if row["plan"]] == [700, 702]
    assert found.results["sizes"][mixed.name]["weight_bytes"] == 701
    (rounding,) = found.results["hypotheses"]
    assert rounding["verdict"] == "did not hold"
    assert rounding["note"].endswith("1.00 at 8, 1.04 at 4, 1.12 at 2")
    text = describe({**found.results, "files": []})
    assert "equal bytes at 4 bits" in text and "0.50" in text and "5000" in text
