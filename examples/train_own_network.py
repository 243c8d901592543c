"""A residual network of one's own, trained with quantizers in it, exact on the simulated overlay.
Run it from the repository's folder:

.venv/bin/python examples/train_own_network.py
"""

import torch
from torch import Tensor, nn

from flows.module_run import accelerate
from ir.plan import uniform_plan
from quant.data import DataConfig, load_data
from quant.integerize import snap
from quant.prepare import QuantizerConfig, layer_names
from quant.recipe import Recipe
from quant.train import evaluate, fine_tune, fit, inputs_of


class Residual(nn.Module):
    """A depthwise branch beside a shortcut, two ways to look at it, joined."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.deep = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8))
        self.wide = nn.Conv2d(8, 8, 1)
        self.peak, self.mean = nn.MaxPool2d(2), nn.AvgPool2d(2)
        self.fc = nn.Linear(16 * 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, 1, 8, 8) -> (N, 10) logits."""
        x = self.stem(x)
        x = torch.relu(x + self.wide(self.deep(x).relu()))
        return self.fc(torch.cat([self.peak(x), self.mean(x)], 1).flatten(1))


torch.manual_seed(0)
data, net = load_data(DataConfig()), Residual()
fit(net, data.search, Recipe(epochs=3, learning_rate=0.01))
plan = uniform_plan(layer_names(net), 3, first_a_bits=data.task.precision.bits)
recipe = Recipe(epochs=3, learning_rate=0.003)
tuned = fine_tune(net, plan, data.search, recipe, quantizer=QuantizerConfig())
integers = snap(tuned)
accuracy = [evaluate(model, data.test)["accuracy"] for model in (net, tuned, integers)]
few = ("overlay.luts=9000",)
report = accelerate(integers, inputs_of(data.test), name="residual", inputs=4, overrides=few)
print("accuracy float {:.3f}, quantized {:.3f}, integer {:.3f}".format(*accuracy))
print(f"{report['measured']} cycles an image, bit-exact: {report['rtl_bit_exact']}")
