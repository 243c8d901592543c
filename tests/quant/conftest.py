"""Small networks trained once for all tests of quant/."""

import pytest
from torch import nn

from ir.plan import uniform_plan
from quant.data import DataConfig, Dataset, load_data
from quant.layers import QuantNet
from quant.net import NetConfig
from quant.prepare import QuantizerConfig, layer_names
from quant.recipe import Recipe
from quant.train import fine_tune, train_float

SHORT = Recipe(epochs=4, learning_rate=0.01)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_data(DataConfig())


@pytest.fixture(scope="session")
def float_net(digits: Dataset) -> nn.Module:
    """d4 with 4 channels, four epochs."""
    return train_float(NetConfig(width=4), digits.search, SHORT)


@pytest.fixture(scope="session")
def quant_net(digits: Dataset, float_net: nn.Module) -> QuantNet:
    """The same at 8 bits, two epochs."""
    plan = uniform_plan(layer_names(float_net), 8, first_a_bits=5)
    recipe = Recipe(epochs=2, learning_rate=0.003)
    return fine_tune(float_net, plan, digits.search, recipe, quantizer=QuantizerConfig())
