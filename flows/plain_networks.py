"""Networks of papers from `quant/nets/plain/` as integer graphs: random weights, calibrated.

Batch norms have the statistics of random images, steps come from the same images, and rules that no
line gives exactly are the nearest: what counts here is the work, not the answer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from codegen.frontend.qonnx.importer import import_onnx
from codegen.frontend.torch_qonnx import Bits, to_qonnx
from ir.errors import ConfigError
from ir.files import write_bytes
from ir.graph import IntegerGraph
from ir.precision import MAX_OPERAND_BITS
from quant.device import threads
from quant.nets.plain.alexnet import AlexNet
from quant.nets.plain.mobilenet_v2 import MobileNetV2
from quant.nets.plain.resnet import resnet18, resnet20
from quant.prepare import layer_names

IMAGES = 2
IMAGE_BITS = 8


@dataclass(frozen=True, kw_only=True)
class PlainNetwork:
    """make: a float module for RGB images of `side` x `side` pixels."""

    make: Callable[[], nn.Module]
    side: int


PLAIN: Mapping[str, PlainNetwork] = {
    "alexnet": PlainNetwork(make=AlexNet, side=224),
    "mobilenet_v2": PlainNetwork(make=MobileNetV2, side=224),
    "resnet18": PlainNetwork(make=resnet18, side=224),
    "resnet20": PlainNetwork(make=resnet20, side=32),
}


def plain_network(
    name: str, bits: tuple[int, int] | float, *, seed: int = 0
) -> tuple[IntegerGraph, np.ndarray]:
    """(graph, one image (C, H, W) of codes). bits: of weights and activations; or the mean of the
    widths that `spread` deals out to the layers.
    """
    network = PLAIN[name]
    with torch.random.fork_rng(devices=[]), threads(1):
        torch.manual_seed(seed)
        model = network.make()
        images = torch.rand(IMAGES, 3, network.side, network.side)
        settle(model, images)
        if isinstance(bits, tuple):
            asked = Bits(weights=bits[0], activations=bits[1], image=IMAGE_BITS)
        else:
            asked = Bits(image=IMAGE_BITS, layers=spread(layer_names(model), bits))
        proto = to_qonnx(model, images, asked, name)
    with tempfile.TemporaryDirectory() as folder:
        path = write_bytes(Path(folder) / f"{name}.onnx", proto.SerializeToString())
        found = import_onnx(path, inexact=True)
    return found.graph, found.encode(images[:1].numpy())[0]


def spread(layers: Sequence[str], mean: float) -> dict[str, tuple[int, int]]:
    """{layer: (weights, input)}: the two widths around `mean`, in turns that give that mean."""
    if not 1 <= mean <= MAX_OPERAND_BITS:
        raise ConfigError(f"--mean-bits must be 1 to {MAX_OPERAND_BITS}, not {mean}")
    ends = [round(mean * (place + 1)) for place in range(len(layers))]
    widths = np.diff([0, *ends]).tolist()
    return {name: (width, width) for name, width in zip(layers, widths, strict=True)}


def settle(model: nn.Module, images: Tensor) -> None:
    """Batch norms as these images have them: random weights would fade or explode."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean of all batches, of which there is one
    with torch.no_grad():
        model.train()(images)
    model.eval()
