"""What a network may be made of, what it is on the device, and how each refusal reads."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ir.errors import UnsupportedModelError
from quant.structure import Structure, read_structure
from quant.trace import trace


def structure(model: nn.Module, *shape: int) -> Structure:
    return read_structure(trace(model, torch.zeros(1, *(shape or (2, 8, 8)))))


def stages(model: nn.Module, *shape: int) -> list[tuple[str, list[str]]]:
    """(layer, what folds into its rule)."""
    found = structure(model, *shape).stages
    return [(stage.operation.name, [fold.op for fold in stage.folds]) for stage in found]


class Forward(nn.Module):
    """A forward of one's own around a few layers."""

    def __init__(self, forward: Callable[["Forward", Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.two = (nn.Conv2d(2, 2, 3, padding=1) for _ in range(2))
        self.norm = nn.BatchNorm2d(2)
        self.how = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.how(self, x)


def test_chain_of_modules() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(),
        nn.Sequential(nn.Conv2d(4, 6, (3, 1), stride=2), nn.ReLU()),
        nn.Flatten(),
        nn.Linear(24, 8),
        nn.Linear(8, 2),
    )
    norm, relu = "BatchNormalization", "Relu"
    assert stages(model, 1, 5, 4) == [("0", [norm, relu]), ("4.0", [relu]), ("6", []), ("7", [])]
    assert structure(model, 1, 5, 4).unsigned == {"input_1", "_2", "_4_1"}


def test_what_meets_shares_a_step_and_its_sign() -> None:
    def forward(m: Forward, x: Tensor) -> Tensor:
        x = m.conv(x).relu()
        return functional.avg_pool2d(functional.max_pool2d(torch.cat([x, x], 1), 2), 2)

    found = structure(Forward(forward))
    assert found.groups["relu"] == found.groups["cat"] == found.groups["max_pool2d"]
    assert found.groups["avg_pool2d"] != found.groups["relu"] in found.unsigned

    def residual(m: Forward, x: Tensor) -> Tensor:
        x = m.conv(x).relu()
        return x + m.norm(m.two(x))

    found = structure(Forward(residual))
    assert found.groups["relu"] == found.groups["norm"] not in found.unsigned
    assert [stage.operation.name for stage in found.stages] == ["conv", "two", "add"]


def test_maxima_wait_for_codes() -> None:
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)
    )
    assert stages(model) == [("0", ["MaxPool", "Relu"]), ("4", [])]


class Dynamic(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def conv(**fields) -> nn.Conv2d:
    return nn.Conv2d(2, 2, 3, **fields)


def chain(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers)


LAST = nn.Conv2d(2, 2, 1)
REFUSED = [
    (chain(nn.Flatten(2), nn.LSTM(64, 4)), r"layer '1' \(LSTM\): the overlay has no recurrence"),
    (
        chain(conv(), nn.Tanh(), nn.GELU()),
        r"'1' \(Tanh\): use convolutions.*; layer '2' \(GELU\): use ReLU",
    ),
    (Forward(lambda m, x: m.conv(m.conv(x))), "layer 'conv': used twice"),
    (Dynamic(), "Dynamic: its forward depends on the data and cannot be traced"),
    (Forward(lambda m, x: torch.tanh(m.conv(x))), "operation 'tanh'"),
    (Forward(lambda m, x: (m.conv(x), x)), "must return one tensor"),  # pyright: ignore
    (chain(conv(padding_mode="reflect", padding=1)), "'0' as it is called here"),
    (chain(conv(stride=(1, 2))), r"layer '0': stride must be one number, not \(1, 2\)"),
    (chain(conv(dilation=(1, 2))), r"layer '0': dilation must be one number"),
    (chain(conv(), nn.MaxPool2d(4, ceil_mode=True), LAST), "layer '1': ceil_mode adds a window"),
    (
        chain(conv(), nn.AvgPool2d(2, padding=1, count_include_pad=False), LAST),
        "layer '1': averages must count padding",
    ),
    (chain(nn.Linear(8, 4)), "'0' as it is called here"),
    (chain(nn.Flatten(), conv()), r"cannot be run on images \(1, 2, 8, 8\)"),
    (chain(nn.ReLU(), conv()), "layer '0': nothing may stand before the first"),
    (chain(conv(), nn.ReLU(), nn.BatchNorm2d(2), LAST), "'2': batch norm must directly follow"),
    (chain(conv(), nn.MaxPool2d(2), nn.BatchNorm2d(2), LAST), "'2': batch norm must directly"),
    (chain(conv(), nn.BatchNorm2d(2, track_running_stats=False)), "'1' as it is called here"),
    (chain(conv(), nn.ReLU()), "layer '1': the last layer gives raw sums"),
    (chain(conv(), nn.BatchNorm2d(2)), "layer '1': the last layer gives raw sums"),
    (chain(nn.Flatten()), "no convolution and no linear layer"),
    (
        Forward(lambda m, x: functional.max_pool2d(functional.pad(m.conv(x), (1, 1, 1, 1)), 2)),
        "layer 'max_pool2d': zeros are put around the input of convolutions and average pools",
    ),
    (Forward(lambda m, x: m.two(m.conv(x)[:, :, 1:])), "'getitem' as it is called here"),
    (
        Forward(lambda m, x: m.two(functional.relu(torch.cat([m.conv(x)], 1)))),
        "'relu': batch norm and ReLU follow a layer that computes sums, not Concat",
    ),
    (
        Forward(lambda m, x: (y := m.conv(x)).relu() + m.two(y)),
        "layer 'conv': its sums are quantized twice, as conv and as relu",
    ),
    (Forward(lambda m, x: m.two(m.conv(x) + x)), "layer 'conv': added to .* the network's input"),
]


@pytest.mark.parametrize(("model", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_refused(model: nn.Module, message: str) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        structure(model)
