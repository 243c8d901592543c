"""Snapped networks: integers that stay near the floats they came from."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from ir.errors import UnsupportedModelError
from ir.graph import Requantize
from ir.nodes import INT32, MULTIPLIER, OFFSET, Linear
from ir.plan import uniform_plan
from ir.precision import Precision
from quant.data import Dataset
from quant.integerize import codes_name, snap
from quant.layers import QuantNet
from quant.prepare import QuantizerConfig, prepare
from quant.snapped import SnappedNet
from quant.train import evaluate, inputs_of


@pytest.fixture(scope="module")
def snapped(quant_net: QuantNet) -> SnappedNet:
    return snap(quant_net)


def rule(snapped: SnappedNet, layer: int) -> Requantize:
    found = snapped.graph.layers()[layer].requantize
    assert isinstance(found, Requantize)
    return found


def test_snapped_accuracy_is_within_a_point(
    quant_net: QuantNet, snapped: SnappedNet, digits: Dataset
) -> None:
    before, after = evaluate(quant_net, digits.test), evaluate(snapped, digits.test)
    assert abs(before["accuracy"] - after["accuracy"]) <= 0.01
    assert after["nll"] == pytest.approx(before["nll"], abs=0.02)
    assert snapped.plan == quant_net.plan


def test_logits_are_near_the_unsnapped(
    quant_net: QuantNet, snapped: SnappedNet, digits: Dataset
) -> None:
    x = inputs_of(digits.test)
    with torch.no_grad():
        wanted, found = quant_net(x).double(), snapped(x)
    assert float((wanted - found).abs().mean()) < 0.02 * float(wanted.abs().mean())


def test_activation_codes_equal_the_float_path_almost_everywhere(
    quant_net: QuantNet, snapped: SnappedNet, digits: Dataset
) -> None:
    """Only the rounding of M and B may move a code, and by one."""
    x = inputs_of(digits.test)
    with torch.no_grad():
        norm = quant_net.body.get_submodule("norm1")
        wanted = quant_net.chain[1].inputs.codes(norm(quant_net.chain[0](x)).relu()).numpy()
    found = snapped.activations(x)[codes_name("conv1")]
    assert np.abs(wanted - found).max() <= 1
    assert (wanted != found).mean() < 0.005


def test_every_value_is_a_code(snapped: SnappedNet, digits: Dataset) -> None:
    found = snapped.activations(inputs_of(digits.test))
    for tensor in snapped.graph.tensors.values():
        assert tensor.precision.contains(found[tensor.name]).all()
    for layer in snapped.graph.layers():
        assert isinstance(layer.linear, Linear) and isinstance(layer.requantize, Requantize)
        assert layer.linear.precision.contains(layer.linear.weight).all()
        assert MULTIPLIER.contains(layer.requantize.multiplier).all()
        assert OFFSET.contains(layer.requantize.offset).all()
    assert np.array_equal(found["input"], digits.test.images)


def test_the_last_layer_is_raw_sums_with_an_integer_bias(
    quant_net: QuantNet, snapped: SnappedNet
) -> None:
    last, source = rule(snapped, -1), quant_net.chain[-1]
    assert snapped.graph.tensors[last.output].precision == INT32
    assert (last.shift, set(last.multiplier.tolist())) == (0, {1})
    assert source.linear.bias is not None
    bias = source.linear.bias.detach().double().numpy() / snapped.output_scale
    assert np.abs(last.offset - bias).max() <= 0.5


def test_snapping_leaves_the_network_alone(quant_net: QuantNet) -> None:
    before = copy.deepcopy(quant_net.state_dict())
    first, second = snap(quant_net), snap(quant_net)
    assert all(torch.equal(before[k], v) for k, v in quant_net.state_dict().items())
    for layer in range(4):
        assert np.array_equal(rule(first, layer).offset, rule(second, layer).offset)


def test_negative_batch_norm_gain(digits: Dataset) -> None:
    """A falling channel: more input, less output."""
    conv, norm = nn.Conv2d(1, 2, 1, bias=False), nn.BatchNorm2d(2)
    model = nn.Sequential(conv, norm, nn.ReLU(), nn.Flatten(), nn.Linear(128, 10)).eval()
    with torch.no_grad():
        conv.weight.fill_(1.0)
        norm.weight.copy_(torch.tensor([1.0, -1.0]))
        norm.bias.fill_(1.0)
    x = inputs_of(digits.search.train)[:64]
    net = prepare(
        model,
        uniform_plan(["0", "4"], 4, first_a_bits=5),
        task=digits.task,
        calibration=x,
        quantizer=QuantizerConfig(),
    )
    found = snap(net)
    assert rule(found, 0).multiplier[0] > 0 > rule(found, 0).multiplier[1]
    ramp = torch.arange(17).reshape(-1, 1, 1, 1).expand(-1, 1, 8, 8) * digits.task.scale
    codes = torch.from_numpy(found.activations(ramp)["0.codes"])[:, :, 0, 0]
    assert bool((codes[:, 0].diff() >= 0).all()) and bool((codes[:, 1].diff() <= 0).all())


def test_layer_without_relu_clips_to_the_signed_range(digits: Dataset) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.Linear(6, 10)).eval()
    net = prepare(
        model,
        uniform_plan(["1", "2"], 3, first_a_bits=5),
        task=digits.task,
        calibration=inputs_of(digits.search.train)[:64],
        quantizer=QuantizerConfig(),
    )
    hidden = snap(net)
    assert hidden.graph.tensors["1.codes"].precision == Precision(3, signed=True)
    assert (rule(hidden, 0).lo, rule(hidden, 0).hi) == (-4, 3)


def test_networks_that_have_diverged(quant_net: QuantNet) -> None:
    broken = copy.deepcopy(quant_net)
    with torch.no_grad():
        broken.body.get_parameter("norm1.weight").fill_(float("nan"))
    with pytest.raises(UnsupportedModelError, match="layer 'conv1': .* not finite"):
        snap(broken)
    broken = copy.deepcopy(quant_net)
    with torch.no_grad():
        broken.chain[-1].linear.bias = nn.Parameter(torch.full((10,), 1e12))
    with pytest.raises(UnsupportedModelError, match="layer 'fc': its sums and bias do not fit 32"):
        snap(broken)
