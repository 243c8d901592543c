"""A module of the user's own, with branches, is trained with quantizers in it and stays exact."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ir.errors import ConfigError
from ir.golden import execute
from ir.graph import Add, AveragePool, Concat, Conv, GlobalAveragePool, MaxPool
from ir.plan import LayerBits, PrecisionPlan, uniform_plan
from ir.precision import Precision
from quant.body import float_net
from quant.data import Dataset
from quant.integerize import snap
from quant.layers import QuantLayer, QuantNet
from quant.macs import layer_macs
from quant.prepare import QuantizerConfig, layer_names, prepare
from quant.quantizers.lsq import Lsq
from quant.recipe import Recipe
from quant.train import evaluate, fine_tune, fit, inputs_of

NAMES = ["stem.0", "depthwise", "point", "grouped", "conv2d", "down", "fc"]
PLAN = uniform_plan(NAMES, 4, first_a_bits=5)


class Residual(nn.Module):
    """Every kind of layer, as modules, functions and methods."""

    def __init__(self) -> None:
        super().__init__()
        stem = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(8), nn.ReLU())
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.point = nn.Conv2d(8, 8, 1)
        self.grouped = nn.Conv2d(8, 8, (3, 1), padding="same", groups=2)
        self.side = nn.Parameter(torch.randn(4, 8, 1, 1) * 0.3)
        self.down = nn.Conv2d(12, 12, 3, stride=2, padding=1)
        self.norm2 = nn.BatchNorm2d(12)
        self.fc = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = functional.relu6(self.norm(self.depthwise(x)))
        x = functional.relu(x + self.point(y))
        x = torch.relu(self.grouped(x)) + x
        side = functional.conv2d(x, self.side).relu()
        x = torch.cat([functional.max_pool2d(x, 2), functional.avg_pool2d(side, 2)], 1)
        x = self.norm2(self.down(functional.pad(x, (0, 1, 0, 1)))).clamp(0, 4)
        x = torch.cat([functional.adaptive_avg_pool2d(x, 1), functional.max_pool2d(x, 2)], 1)
        return self.fc(x.flatten(1))


@pytest.fixture(scope="module")
def trained(digits: Dataset) -> nn.Module:
    torch.manual_seed(0)
    model = Residual()
    fit(model, digits.search, Recipe(epochs=4, learning_rate=0.01))
    return model


@pytest.fixture(scope="module")
def tuned(trained: nn.Module, digits: Dataset) -> QuantNet:
    recipe = Recipe(epochs=3, learning_rate=0.003)
    return fine_tune(trained, PLAN, digits.search, recipe, quantizer=QuantizerConfig())


def prepared(model: nn.Module, plan: PrecisionPlan, digits: Dataset) -> QuantNet:
    sample = inputs_of(digits.search.train)[:64]
    return prepare(model, plan, task=digits.task, calibration=sample, quantizer=QuantizerConfig())


def test_it_learns_with_quantizers_in_it(
    trained: nn.Module, tuned: QuantNet, digits: Dataset
) -> None:
    untrained = evaluate(prepared(trained, PLAN, digits), digits.test)
    after = evaluate(tuned, digits.test)
    assert after["nll"] < untrained["nll"]
    assert after["accuracy"] >= evaluate(trained, digits.test)["accuracy"] - 0.02


def test_torch_equals_golden_in_every_tensor(tuned: QuantNet, digits: Dataset) -> None:
    net = snap(tuned)
    wanted = execute(net.graph, digits.test.images.astype(np.int64))
    found = net.activations(inputs_of(digits.test))
    assert list(found) == list(wanted) == list(net.graph.tensors)
    for name, value in wanted.items():
        assert np.array_equal(found[name], value), name
    before, after = evaluate(tuned, digits.test), evaluate(net, digits.test)
    assert after["nll"] == pytest.approx(before["nll"], abs=0.01)


def test_codes_equal_the_trained_network_almost_everywhere(
    tuned: QuantNet, digits: Dataset
) -> None:
    """What a layer reads, in floats and in integers: only rounding of M and B may move a code."""
    seen: dict[str, Tensor] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        assert isinstance(layer, QuantLayer)
        seen[layer.block_name] = layer.inputs.codes(inputs[0])

    hooks = [layer.register_forward_hook(note) for layer in tuned.chain]
    tuned(inputs_of(digits.test))
    for hook in hooks:
        hook.remove()
    net = snap(tuned)
    found = net.activations(inputs_of(digits.test))
    for layer in net.graph.layers():
        if layer.name in seen and layer.name != "down":  # its input lies in a frame of zeros
            codes = found[layer.input].reshape(seen[layer.name].shape)
            unlike = codes != seen[layer.name].numpy()
            assert unlike.mean() < 0.005, layer.name


def test_nodes_of_the_device(tuned: QuantNet) -> None:
    graph = snap(tuned).graph
    kinds = {node.name: node for node in graph.nodes}
    depthwise, grouped, down = (kinds[name] for name in ("depthwise", "grouped", "down"))
    assert isinstance(depthwise, Conv) and depthwise.groups == 8 and depthwise.padding == 1
    assert isinstance(grouped, Conv) and grouped.padding == (1, 0, 1, 0)
    assert isinstance(down, Conv) and down.padding == (1, 1, 2, 2) and down.stride == 2
    found = [type(node) for node in graph.nodes if not isinstance(node, Conv)]
    assert [found.count(kind) for kind in (Add, Concat, MaxPool)] == [2, 2, 2]
    assert found.count(AveragePool) == found.count(GlobalAveragePool) == 1


def test_partners_of_an_addition_share_a_step(tuned: QuantNet, digits: Dataset) -> None:
    assert tuned.links == [(n,) for n in NAMES[:4]] + [("conv2d", "down"), ("fc",)]
    stem = tuned.layer("depthwise").inputs
    assert isinstance(stem, Lsq) and stem.precision == Precision(4, signed=True)  # point may fall
    split = PrecisionPlan({**PLAN.layers, "down": LayerBits(w_bits=4, a_bits=2)})
    with pytest.raises(ConfigError, match="one a_bits: 'conv2d' 4, 'down' 2"):
        prepared(tuned, split, digits)


def test_what_no_layer_reads_has_eight_bits(tuned: QuantNet) -> None:
    graph = snap(tuned).graph
    pooled = next(node for node in graph.nodes if isinstance(node, AveragePool))
    assert graph.tensors[pooled.input].precision == Precision(8, signed=False)


def test_prepared_again_from_its_float_network(tuned: QuantNet, digits: Dataset) -> None:
    narrow = uniform_plan(NAMES, 2, first_a_bits=5)
    again = prepared(tuned, narrow, digits)
    assert layer_names(again) == layer_names(tuned) == NAMES and again.plan == narrow
    assert torch.equal(again.layer("conv2d").linear.weight, tuned.layer("conv2d").linear.weight)
    x = inputs_of(digits.test)[:4]
    assert torch.equal(float_net(again).eval()(x), float_net(tuned).eval()(x))
    assert layer_macs(tuned)["depthwise"] == 8 * 9 * 64


def test_channels_of_their_own_width(trained: nn.Module, digits: Dataset) -> None:
    widths = (1, 2, 3, 4, 5, 6, 7, 0)
    plan = PrecisionPlan({**PLAN.layers, "point": LayerBits(w_bits=widths, a_bits=4)})
    net = snap(prepared(trained, plan, digits).eval())
    wanted = execute(net.graph, digits.test.images.astype(np.int64))
    found = net.activations(inputs_of(digits.test))
    assert all(np.array_equal(found[name], value) for name, value in wanted.items())
