"""Every quantizer: snapped torch == golden on every activation, also with a width per channel."""

import numpy as np
import pytest
import torch
from torch import nn

from codegen.frontend.torch_module import to_graph
from ir import golden, plugins
from ir.nodes import Linear
from ir.plan import LayerBits, PrecisionPlan, uniform_plan
from quant.data import DataConfig, Dataset, load_data
from quant.integerize import codes_name, snap
from quant.net import NetConfig
from quant.prepare import QuantizerConfig
from quant.quantizer import FOLDER
from quant.recipe import Recipe
from quant.train import fine_tune, inputs_of, train_float

MIXED = PrecisionPlan(
    {
        "conv1": LayerBits(w_bits=2, a_bits=5),
        "conv2": LayerBits(w_bits=(1, 2, 4, 8, 3, 3, 1, 6, 5, 2), a_bits=3),
        "conv3": LayerBits(w_bits=(2,) * 5 + (3,) * 5, a_bits=1),
        "fc": LayerBits(w_bits=3, a_bits=4),
    }
)
PLANS = {"mixed": MIXED} | {f"{b}": uniform_plan(MIXED.layers, b, first_a_bits=5) for b in (1, 4)}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_data(DataConfig(fold=1))


@pytest.fixture(scope="module")
def float_net(digits: Dataset) -> nn.Module:
    return train_float(NetConfig(width=5), digits.search, Recipe(epochs=3, learning_rate=0.01))


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", plugins.names(FOLDER))
def test_every_activation_equals_the_golden_models(
    name: str, plan: str, digits: Dataset, float_net: nn.Module
) -> None:
    tuned = fine_tune(
        float_net,
        PLANS[plan],
        digits.search,
        Recipe(epochs=1, learning_rate=0.003),
        quantizer=QuantizerConfig(name=name),
    )
    assert tuned.plan == PLANS[plan]
    snapped = snap(tuned)
    assert snapped.plan == PLANS[plan]
    graph = to_graph(snapped)
    ours = snapped.activations(inputs_of(digits.test))
    wanted = golden.execute(graph, digits.test.images.astype(np.int64))
    assert list(ours) == list(wanted)
    for tensor, value in wanted.items():
        assert np.array_equal(ours[tensor], value), tensor
    for node in (node for node in graph.nodes if isinstance(node, Linear)):
        assert (node.row_bits or node.precision.bits) == PLANS[plan][node.name].w_bits
    second, seen = tuned.chain[1], []
    second.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():  # what was trained: only the rounding of M and B may move a code
        tuned(inputs_of(digits.test))
        trained = second.inputs.codes(seen[0]).numpy()
    assert np.abs(trained - ours[codes_name("conv1")]).max() <= 1
    assert (trained != ours[codes_name("conv1")]).mean() < 0.005
