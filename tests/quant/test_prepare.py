"""Quantized copies of float networks."""

import pytest
import torch
from torch import Tensor, nn

from ir.errors import ConfigError, UnsupportedModelError
from ir.plan import LayerBits, PrecisionPlan, uniform_plan
from ir.precision import Precision, weight_precision
from quant.data import Dataset, Task
from quant.layers import InputGrid, QuantNet
from quant.mixed import MixedWeights
from quant.prepare import Granularity, QuantizerConfig, layer_names, layers_at_input, prepare
from quant.quantizer import Quantizer
from quant.train import inputs_of

NAMES = ["conv1", "conv2", "conv3", "fc"]


def prepared(
    model: nn.Module, plan: PrecisionPlan, data: Dataset, granularity: Granularity = "per_channel"
) -> QuantNet:
    sample = inputs_of(data.search.train)[:64]
    config = QuantizerConfig(granularity=granularity)
    return prepare(model, plan, task=data.task, calibration=sample, quantizer=config)


def test_plan_and_precisions(digits: Dataset, float_net: nn.Module) -> None:
    plan = PrecisionPlan(
        {
            "conv1": LayerBits(w_bits=1, a_bits=5),
            "conv2": LayerBits(w_bits=3, a_bits=2),
            "conv3": LayerBits(w_bits=4, a_bits=6),
            "fc": LayerBits(w_bits=8, a_bits=1),
        }
    )
    net = prepared(float_net, plan, digits)
    assert net.plan == plan
    assert [layer.inputs.precision for layer in net.chain] == [
        Precision(bits, signed=False) for bits in (5, 2, 6, 1)
    ]
    assert [layer.weights.precision for layer in net.chain] == [
        weight_precision(bits) for bits in (1, 3, 4, 8)
    ]
    assert net.links == [("conv1",), ("conv2",), ("conv3",), ("fc",)]


def test_last_layer_has_one_step_whatever_the_granularity(
    digits: Dataset, float_net: nn.Module
) -> None:
    plan = uniform_plan(NAMES, 4, first_a_bits=5)
    channels = [layer.weights.setup.channels for layer in prepared(float_net, plan, digits).chain]
    assert channels == [4, 8, 8, 1]
    one = prepared(float_net, plan, digits, "per_tensor")
    assert [layer.weights.setup.channels for layer in one.chain] == [1, 1, 1, 1]


def test_the_float_network_stays_as_it_is(digits: Dataset, float_net: nn.Module) -> None:
    before = {name: value.clone() for name, value in float_net.state_dict().items()}
    net = prepared(float_net, uniform_plan(NAMES, 2, first_a_bits=5), digits)
    net(inputs_of(digits.search.train)[:8]).sum().backward()
    assert all(torch.equal(before[name], value) for name, value in float_net.state_dict().items())
    assert all(parameter.grad is None for parameter in float_net.parameters())


def test_eight_bits_are_near_the_float_network(digits: Dataset, float_net: nn.Module) -> None:
    x = inputs_of(digits.test)
    net = prepared(float_net, uniform_plan(NAMES, 8, first_a_bits=5), digits).eval()
    float_net.eval()
    with torch.no_grad():
        wanted, found = float_net(x), net(x)
    assert float((wanted - found).abs().mean()) < 0.05 * float(wanted.abs().mean())


def test_a_quantized_network_can_be_prepared_again(digits: Dataset, quant_net) -> None:
    again = prepared(quant_net, uniform_plan(NAMES, 3, first_a_bits=5), digits)
    assert layer_names(quant_net) == layer_names(again) == NAMES
    assert again.plan.widths == {3, 5}
    assert torch.equal(again.chain[1].linear.weight, quant_net.chain[1].linear.weight)


def test_what_keeps_its_bits_keeps_what_it_learned(digits: Dataset, float_net: nn.Module) -> None:
    net = prepared(float_net, uniform_plan(NAMES, 4, first_a_bits=5), digits)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, Quantizer):
                module.get_parameter("step_size").mul_(1.5)
    bits = {name: LayerBits(w_bits=4, a_bits=4) for name in NAMES[1:3]}
    bits |= {"conv1": LayerBits(w_bits=4, a_bits=5), "fc": LayerBits(w_bits=4, a_bits=2)}
    bits["conv2"] = LayerBits(w_bits=(4, 4, 2, 4, 4, 2, 4, 4), a_bits=4)
    again = prepared(net, PrecisionPlan(bits), digits)
    anew = prepared(float_net, PrecisionPlan(bits), digits)

    def kept(name: str, role: str) -> list[bool]:
        """Of each step, whether it is the learned one; the others are set anew."""
        before, now, fresh = (getattr(n.layer(name), role) for n in (net, again, anew))
        w = net.layer(name).linear.weight
        same = now.scale(w) == before.scale(w)
        if role == "weights":  # those of activations follow what stands before them
            assert torch.equal(same, now.scale(w) != fresh.scale(w))
        return same.tolist()

    assert all(kept("conv1", "weights")) and all(kept("conv3", "weights"))
    assert kept("conv2", "weights") == [True, True, False, True, True, False, True, True]
    assert kept("conv2", "inputs") == kept("conv3", "inputs") == kept("fc", "weights") == [True]
    assert kept("fc", "inputs") == [False]


def test_a_plan_that_stays_is_the_same_network(digits: Dataset, quant_net: QuantNet) -> None:
    again = prepared(quant_net, quant_net.plan, digits).eval()
    x = inputs_of(digits.test)[:32]
    assert torch.equal(again(x), quant_net.eval()(x))


def test_a_channel_that_was_silent_does_not_spoil_the_ranges(digits: Dataset, quant_net) -> None:
    """Its norm has no variance: with new steps its sums would come out 300 times too large."""
    plan = uniform_plan(NAMES, 3, first_a_bits=5)
    silent = prepared(quant_net, quant_net.plan, digits)
    silent.load_state_dict(quant_net.state_dict())
    with torch.no_grad():
        for statistics in ("running_mean", "running_var"):
            silent.get_buffer(f"body.norm2.{statistics}")[0] = 0.0
    before = {name: value.clone() for name, value in silent.state_dict().items()}
    wanted, again = prepared(quant_net, plan, digits), prepared(silent, plan, digits)
    steps = [net.get_parameter("body.conv3.inputs.step_size") for net in (wanted, again)]
    assert torch.allclose(*steps, rtol=1e-5)
    assert all(torch.equal(before[name], value) for name, value in silent.state_dict().items())
    learned = "body.norm2.running_var"  # by nobody
    assert torch.equal(again.get_buffer(learned), silent.get_buffer(learned))


def test_layer_without_relu_feeds_signed_activations(digits: Dataset) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.Linear(6, 10))
    net = prepared(model, uniform_plan(["1", "2"], 4, first_a_bits=5), digits)
    assert net.chain[1].inputs.precision == Precision(4, signed=True)


def test_plans_that_do_not_fit(digits: Dataset, float_net: nn.Module) -> None:
    with pytest.raises(ConfigError, match="the plan has no layer 'fc', only conv1, conv2, conv3"):
        prepared(float_net, uniform_plan(NAMES[:3], 4, first_a_bits=5), digits)
    with pytest.raises(ConfigError, match="the plan's layer 'pool' is not in the network"):
        prepared(float_net, uniform_plan([*NAMES, "pool"], 4, first_a_bits=5), digits)
    with pytest.raises(
        ConfigError, match="'conv1': a_bits must be 5, the input's own width, not 4"
    ):
        prepared(float_net, uniform_plan(NAMES, 4, first_a_bits=4), digits)


class TwoLooks(nn.Module):
    """Its input is read by two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(1, 4, 5, padding=2)
        self.fc = nn.Linear(8 * 64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.cat([self.near(x).relu(), self.far(x).relu()], 1).flatten(1))


def test_layers_at_the_input_take_its_width(digits: Dataset) -> None:
    net = TwoLooks()
    names, at_input = layer_names(net), layers_at_input(net, digits.task)
    assert at_input == ["near", "far"]
    quantized = prepared(net, uniform_plan(names, 3, first_a_bits=5, at_input=at_input), digits)
    assert [layer.inputs.precision.bits for layer in quantized.chain] == [5, 5, 3]
    with pytest.raises(ConfigError, match="'far': a_bits must be 5, the input's own width, not 3"):
        prepared(net, uniform_plan(names, 3, first_a_bits=5), digits)


def test_widths_per_channel(digits: Dataset, float_net: nn.Module) -> None:
    plan = uniform_plan(NAMES, 4, first_a_bits=5)
    widths = (1, 2, 3, 4, 5, 6, 7, 8)
    mixed = PrecisionPlan({**plan.layers, "conv2": LayerBits(w_bits=widths, a_bits=4)})
    net = prepared(float_net, mixed, digits)
    assert net.plan == mixed
    assert isinstance(net.chain[1].weights, MixedWeights)


def test_widths_per_channel_that_do_not_fit(digits: Dataset, float_net: nn.Module) -> None:
    plan = uniform_plan(NAMES, 4, first_a_bits=5)
    short = PrecisionPlan({**plan.layers, "conv2": LayerBits(w_bits=(2, 4), a_bits=4)})
    with pytest.raises(ConfigError, match="'conv2' has 8 output channels, the plan gives .* for 2"):
        prepared(float_net, short, digits)
    last = PrecisionPlan({**plan.layers, "fc": LayerBits(w_bits=(2,) * 10, a_bits=4)})
    with pytest.raises(UnsupportedModelError, match="'fc': the last layer's channels share one"):
        prepared(float_net, last, digits)


def test_unknown_granularity() -> None:
    with pytest.raises(ConfigError, match="per_tensor or per_channel, not 'per_row'"):
        QuantizerConfig(granularity="per_row")  # pyright: ignore[reportArgumentType]


def test_the_input_grid_keeps_codes(digits: Dataset, quant_net) -> None:
    task: Task = digits.task
    grid = quant_net.chain[0].inputs
    assert isinstance(grid, InputGrid)
    x = inputs_of(digits.test)
    assert torch.equal(grid(x), x)
    assert grid.codes(x).max() == 16 and task.precision.max == 31
