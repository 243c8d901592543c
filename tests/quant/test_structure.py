"""What a network may be made of, and how each refusal reads."""

import pytest
import torch
from torch import Tensor, nn

from ir.errors import UnsupportedModelError
from quant.structure import read_blocks


def test_chain_of_modules() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(),
        nn.Sequential(nn.Conv2d(4, 6, (3, 1), stride=2), nn.ReLU()),
        nn.Flatten(),
        nn.Linear(24, 8),
        nn.ReLU(),
        nn.Linear(8, 2),
    )
    blocks = read_blocks(model)
    assert [block.name for block in blocks] == ["0", "4.0", "6", "8"]
    assert [block.relu for block in blocks] == [True, True, True, False]
    assert [block.flatten for block in blocks] == [False, False, True, False]
    assert blocks[0].batch_norm is model[1]


def test_forward_written_by_hand() -> None:
    class ByHand(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)
            self.head = nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.relu(self.conv(x)).flatten(1))

    blocks = read_blocks(ByHand())
    assert [(block.name, block.relu, block.flatten) for block in blocks] == [
        ("conv", True, False),
        ("head", False, True),
    ]


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + x


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.conv(x))


class Dynamic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) if x.sum() > 0 else x


class Tanh(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.conv(x))


def conv(**fields) -> nn.Conv2d:
    return nn.Conv2d(2, 2, 3, **fields)


REFUSED = [
    (nn.Sequential(nn.Flatten(), nn.LSTM(4, 4)), r"layer '1' \(LSTM\): the overlay has no recurr"),
    (nn.LSTM(4, 4), r"layer 'network' \(LSTM\)"),
    (
        nn.Sequential(conv(), nn.MaxPool2d(2), nn.GELU()),
        r"'1' \(MaxPool2d\): use a convolution of stride 2; layer '2' \(GELU\): use ReLU",
    ),
    (nn.Sequential(conv(), nn.Hardtanh()), r"\(Hardtanh\): use Conv2d, Linear, BatchNorm, ReLU"),
    (Residual(), "branches and joins are not supported"),
    (Twice(), "layer 'conv': used twice"),
    (Dynamic(), "Dynamic: its forward depends on the data and cannot be traced"),
    (Tanh(), "operation 'tanh' in forward"),
    (nn.Sequential(conv(groups=2)), "layer '0': groups must be 1, not 2"),
    (nn.Sequential(conv(dilation=2)), r"layer '0': dilation must be \(1, 1\), not \(2, 2\)"),
    (nn.Sequential(conv(padding_mode="reflect", padding=1)), "padding_mode must be zeros"),
    (nn.Sequential(conv(stride=(1, 2))), r"stride must be one number, not \(1, 2\)"),
    (nn.Sequential(conv(padding="same")), "padding must be one number, not same"),
    (nn.Sequential(nn.Linear(4, 4)), "layer '0': a linear layer needs Flatten before it"),
    (nn.Sequential(nn.Flatten(0), nn.Linear(4, 4)), "operation '_0' in forward"),
    (nn.Sequential(nn.Flatten(), conv()), "layer '1': a convolution after Flatten"),
    (nn.Sequential(nn.ReLU(), conv()), "layer '0': nothing may stand before the first"),
    (nn.Sequential(conv(), nn.ReLU(), nn.BatchNorm2d(2)), "batch norm must directly follow"),
    (
        nn.Sequential(conv(), nn.BatchNorm2d(2, track_running_stats=False)),
        "batch norm without running statistics cannot be folded",
    ),
    (nn.Sequential(conv(), nn.ReLU()), "layer '0': the last layer gives raw sums"),
    (nn.Sequential(conv(), nn.BatchNorm2d(2)), "layer '0': the last layer gives raw sums"),
    (nn.Sequential(nn.Flatten()), "no convolution and no linear layer"),
]


@pytest.mark.parametrize(("model", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_refused(model: nn.Module, message: str) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        read_blocks(model)
