"""A two-layer perceptron: flatten, linear + batch norm + ReLU, linear."""

from torch import Tensor, nn

from quant.net import Net, NetSetup


class Mlp(Net):
    """width hidden units. x: (N, C, H, W) float -> (N, classes) logits."""

    def __init__(self, setup: NetSetup) -> None:
        super().__init__(setup)
        channels, height, width_px = setup.shape
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(channels * height * width_px, setup.width, bias=False)
        self.norm1 = nn.BatchNorm1d(setup.width)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(setup.width, setup.classes)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) float -> (N, classes) logits."""
        x = self.relu(self.norm1(self.fc1(self.flatten(x))))
        return self.fc2(x)
