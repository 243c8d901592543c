"""Ordinary torch modules as QONNX models: the integers stay near the floats, and equal qonnx."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from codegen.frontend.qonnx.importer import Imported, import_onnx
from codegen.frontend.torch_qonnx import Bits, best_steps, to_qonnx
from ir.errors import ConfigError, UnsupportedModelError
from ir.golden import execute
from quant.nets.plain.alexnet import AlexNet
from quant.nets.plain.mobilenet_v2 import MobileNetV2
from quant.nets.plain.resnet import resnet18, resnet20
from tests.codegen.frontend.models import differences


class Functional(nn.Module):
    """Everything that needs no module of its own, in functions and methods."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 3, 3, 3) * 0.2)
        self.bias = nn.Parameter(torch.randn(6))
        self.grouped = nn.Conv2d(6, 6, 3, padding="same", groups=3, dilation=2)
        self.norm = nn.BatchNorm2d(6)
        self.linear = nn.Parameter(torch.randn(5, 12) * 0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, (1, 1, 1, 1))
        x = functional.relu6(functional.conv2d(x, self.weight, self.bias))
        y = torch.clamp(self.norm(self.grouped(x)), -2.0, 2.0)
        x = functional.max_pool2d(torch.add(x, y), 2)
        z = functional.hardtanh(functional.avg_pool2d(x, 3, stride=1, padding=1))
        x = torch.cat([x, z], 1)
        x = functional.dropout(x, 0.5, self.training).mean((2, 3)).view(x.size(0), -1)
        return functional.linear(x, self.linear)


class Modules(nn.Module):
    """The same in modules, with a shortcut over two ways."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.rest = nn.Sequential(nn.ReLU6(), nn.Dropout(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.last = nn.Sequential(nn.Linear(32, 16), nn.BatchNorm1d(16), nn.Hardtanh())
        self.out = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).relu()
        x = self.rest(x + self.norm(self.depthwise(x)))
        return self.out(self.last(x))


def settle(model: nn.Module, images: Tensor) -> nn.Module:
    """Batch norms as these images have them: random weights would fade or explode."""
    with torch.no_grad():
        for _ in range(20):
            model.train()(images)
    return model.eval()


def taken(model: nn.Module, images: Tensor, bits: Bits, path: Path) -> Imported:
    path.write_bytes(to_qonnx(model, images, bits).SerializeToString())
    return import_onnx(path, inexact=True)


def outputs(model: Imported, images: Tensor) -> np.ndarray:
    return model.decode(execute(model.graph, model.encode(images.numpy()))[model.graph.output])


@pytest.mark.parametrize("make", [Functional, Modules])
def test_every_form_of_every_operation(make: Callable[[], nn.Module], tmp_path: Path) -> None:
    torch.manual_seed(1)
    images = torch.rand(20, 3, 8, 8)
    model = settle(make(), images)
    found = taken(model, images, Bits(), tmp_path / "m.onnx")
    assert not any(differences(tmp_path / "m.onnx", found, images.numpy()).values())
    wide = taken(model, images, Bits(weights=8, activations=8), tmp_path / "wide.onnx")
    with torch.no_grad():
        wanted = model(images).numpy()
    errors = [
        np.abs(outputs(m, images) - wanted).max() / np.abs(wanted).max() for m in (wide, found)
    ]
    assert errors[0] < 0.08
    assert errors[0] < errors[1] < 0.5


def test_resnet20_keeps_its_logits(tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 3, 32, 32)
    model = settle(resnet20(), images)
    found = taken(model, images, Bits(), tmp_path / "m.onnx")
    assert found.notes == ()
    assert len(found.graph.layers()) == 32  # 19 and 2 convolutions, 9 sums, an average, linear
    with torch.no_grad():
        wanted = model(images).numpy()
    assert np.corrcoef(outputs(found, images).ravel(), wanted.ravel())[0, 1] > 0.98


@pytest.mark.parametrize(
    ("make", "parameters"),
    [(resnet18, 11_689_512), (AlexNet, 61_100_840), (MobileNetV2, 3_504_872)],
)
def test_networks_of_papers_have_their_size(make: Callable[[], nn.Module], parameters: int) -> None:
    """As torchvision documents them."""
    with torch.device("meta"):
        assert sum(p.numel() for p in make().parameters()) == parameters


def test_bits_of_layers(tmp_path: Path) -> None:
    torch.manual_seed(2)
    images = torch.rand(8, 3, 8, 8)
    model = settle(Modules(), images)
    bits = Bits(weights=3, image=5, layers={"depthwise": (2, 6), "out": (1, 2)})
    graph = taken(model, images, bits, tmp_path / "m.onnx").graph
    found = {n: (w.bits, a.bits) for n, (w, a) in graph.layer_precisions().items()}
    assert found == {"conv": (3, 5), "depthwise": (2, 6), "last.0": (3, 4), "out": (1, 2)}
    with pytest.raises(ConfigError, match="bits name 'conv9', which is no layer; there is: conv"):
        to_qonnx(model, images, Bits(layers={"conv9": (4, 4)}))
    with pytest.raises(ConfigError, match="bits"):
        Bits(weights=9)


def test_operations_in_the_way_are_all_named() -> None:
    class Bad(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.curve, self.conv = nn.GELU(), nn.Conv1d(3, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(self.conv(self.curve(x)))

    with pytest.raises(UnsupportedModelError, match="'curve'.*'conv'.*sigmoid"):
        to_qonnx(Bad(), torch.rand(2, 3, 8))

    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(UnsupportedModelError, match="Branching: its forward depends on the data"):
        to_qonnx(Branching(), torch.rand(2, 3))
    with pytest.raises(ConfigError, match=r"images must be \(N, ...\)"):
        to_qonnx(nn.ReLU(), torch.rand(0, 3))


def test_steps_of_weights_are_the_best_of_their_kind() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, 200)).astype(np.float32)
    steps = best_steps(values, 3)
    plain = np.abs(values).max(axis=1) / 3

    def error(step: np.ndarray) -> np.ndarray:
        codes = np.clip(np.rint(values / step[:, None]), -3, 3)
        return ((codes * step[:, None] - values) ** 2).sum(axis=1)

    assert (error(steps) < error(plain)).all()
    exact = np.array([[-3.0, 1.0, 2.0]])
    assert best_steps(exact, 3) == 1.0
