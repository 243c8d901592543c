"""d4: three 3x3 convolutions (batch norm, ReLU), the second of stride 2, then a linear layer."""

from torch import Tensor, nn

from quant.net import Net, NetSetup


class D4(Net):
    """Channels width, 2 width, 2 width; the image is halved once.

    Every layer is one job of the overlay: conv1, conv2, conv3, fc.
    """

    def __init__(self, setup: NetSetup) -> None:
        super().__init__(setup)
        channels, height, width_px = setup.shape
        first, later = setup.width, 2 * setup.width
        self.conv1 = nn.Conv2d(channels, first, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(first)
        self.conv2 = nn.Conv2d(first, later, 3, stride=2, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(later)
        self.conv3 = nn.Conv2d(later, later, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(later)
        self.relu = nn.ReLU()
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(later * -(-height // 2) * -(-width_px // 2), setup.classes)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) float -> (N, classes) logits."""
        x = self.relu(self.norm1(self.conv1(x)))
        x = self.relu(self.norm2(self.conv2(x)))
        x = self.relu(self.norm3(self.conv3(x)))
        return self.fc(self.flatten(x))
