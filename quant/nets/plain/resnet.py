"""ResNet-18 and ResNet-20 (He et al., arXiv:1512.03385), shortcuts of 1x1 where sizes change."""

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else _projection(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        y = self.relu(self.norm1(self.conv1(x)))
        return self.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    """stages: (channels, blocks) each, all but the first of which halve the image.

    stem: (kernel, stride) of the first convolution; pooled: whether a 3x3 maximum of stride 2
    follows it.
    """

    def __init__(
        self,
        *,
        stages: tuple[tuple[int, int], ...],
        stem: tuple[int, int],
        pooled: bool,
        classes: int,
    ) -> None:
        super().__init__()
        kernel, stride = stem
        width = stages[0][0]
        self.conv1 = nn.Conv2d(3, width, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(3, stride=2, padding=1) if pooled else nn.Identity()
        blocks: list[nn.Module] = []
        for stage, (channels, count) in enumerate(stages):
            for index in range(count):
                halves = stage > 0 and index == 0
                blocks.append(BasicBlock(width, channels, 2 if halves else 1))
                width = channels
        self.blocks = nn.Sequential(*blocks)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, 3, H, W) -> (N, classes)."""
        x = self.pool(self.relu(self.norm1(self.conv1(x))))
        return self.fc(self.average(self.blocks(x)).flatten(1))


def resnet18(classes: int = 1000) -> ResNet:
    """For images of 224 x 224."""
    stages = ((64, 2), (128, 2), (256, 2), (512, 2))
    return ResNet(stages=stages, stem=(7, 2), pooled=True, classes=classes)


def resnet20(classes: int = 10) -> ResNet:
    """For images of 32 x 32."""
    stages = ((16, 3), (32, 3), (64, 3))
    return ResNet(stages=stages, stem=(3, 1), pooled=False, classes=classes)


def _projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
    )
