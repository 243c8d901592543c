"""One bitwidth for all weights: how many channels, which arms, what is told."""

from pathlib import Path

import pytest

from flows.studies import one_bitwidth
from flows.studies.one_bitwidth import Graphs, OneBitwidth, Sized, describe, gather, widest
from flows.study.runner import Row
from ir.config import load_config
from ir.errors import ConfigError
from ir.plan import LayerBits

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
    graphs = Graphs(config_of())
    for takes in (graphs.weight_bytes, graphs.cycles):
        assert takes(1, 4) < takes(2, 4) < takes(8, 4) < takes(8, 5)
    # conv1 1x3x3, conv2 4x3x3, conv3 8x3x3, fc 8x4x4 in: rows of at least so many bits.
    assert graphs.weight_bytes(8, 4) >= 4 * 9 + 8 * 36 + 8 * 72 + 10 * 128


def test_configs_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match=r"widths must hold 8, the measure: \(4, 2\)"):
        config_of("widths=[4, 2]")
    with pytest.raises(ConfigError, match="most_channels must be at least the network's width"):
        config_of("most_channels=3")
    with pytest.raises(ConfigError, match="widths must be 1 to 8 bits, not 0"):
        config_of("a_bits=0")


def test_what_each_network_takes_stands_beside_its_loss() -> None:
    config = config_of("widths=[8, 4]")
    arms = [
        config.arm(protocol, bits, channels)
        for protocol in ("equal bytes", "equal cycles")
        for bits, channels in ((8, 4), (4, 6))
    ]
    sizes = {
        arm.name: {"channels": arm.width or 0, "weight_bytes": 100 * arm.bits, "cycles": 5000}
        for arm in arms
    }
    study = Sized(config=config, arms=tuple(arms), hypotheses=(), sizes=sizes)
    outcome = {"nll": 0.5, "accuracy": 0.9, "integer_accuracy": 0.9, "similarity": 1.0}
    rows: list[Row] = [
        {"fold": 0, "seed": s, "arms": {"float": outcome} | {a.name: outcome for a in arms}}
        for s in range(2)
    ]
    found = gather(study, rows)
    assert found.table[1]["weight_bytes"] == 400 and len(found.table) == 8
    text = describe({**found.results, "files": []})
    assert "equal bytes at 4 bits" in text and "0.50" in text and "5000" in text
