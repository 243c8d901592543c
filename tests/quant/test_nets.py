"""Conformance of our networks, over the names that are found."""

import pytest
import torch

from ir import plugins
from ir.errors import ConfigError, UnknownPluginError
from ir.precision import Precision
from quant.data import Task
from quant.net import FOLDER, NetConfig, build_net
from quant.prepare import check_supported, layer_names

TASK = Task(name="t", shape=(3, 7, 5), classes=4, precision=Precision(8, False), scale=1 / 256)


@pytest.mark.parametrize("width", [1, 6])
@pytest.mark.parametrize("name", plugins.names(FOLDER))
def test_every_network_maps_to_the_overlay(name: str, width: int) -> None:
    net = build_net(NetConfig(name=name, width=width), TASK)
    assert net.eval()(torch.zeros(2, *TASK.shape)).shape == (2, TASK.classes)
    assert check_supported(net, TASK) == layer_names(net)
    assert len(layer_names(net)) >= 2


@pytest.mark.parametrize("name", plugins.names(FOLDER))
def test_weights_follow_the_seed_alone(name: str) -> None:
    torch.manual_seed(99)
    nets = [build_net(NetConfig(name=name, seed=seed), TASK) for seed in (1, 1, 2)]
    states = [torch.cat([p.flatten() for p in net.parameters()]) for net in nets]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    build_net(NetConfig(), TASK)
    assert torch.equal(torch.rand(3), wanted)


def test_d4_is_four_layers_with_one_of_stride_two() -> None:
    net = build_net(NetConfig(name="d4", width=4), TASK)
    assert layer_names(net) == ["conv1", "conv2", "conv3", "fc"]
    outputs = [net.get_parameter(f"{name}.weight").shape[0] for name in layer_names(net)]
    assert outputs == [4, 8, 8, 4]


def test_unknown_network() -> None:
    with pytest.raises(UnknownPluginError, match="unknown net 'd5'.*there is: d4, mlp"):
        build_net(NetConfig(name="d5"), TASK)


@pytest.mark.parametrize("width", [0, -1, 2.5, True])
def test_width_that_is_none(width: object) -> None:
    with pytest.raises(ConfigError, match="width must be a positive integer, not"):
        NetConfig(width=width)  # pyright: ignore[reportArgumentType]
