"""The networks that `bitwright bench network` knows: one entry of NETWORKS each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from codegen.random_network import IMAGE, RandomNetwork
from ir.errors import ConfigError, did_you_mean
from ir.graph import INT32, IntegerGraph
from ir.precision import Precision

CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class ReferenceNetwork:
    """image: (C, H, W). grow: adds the layers, returns the output's name. about: one line."""

    image: tuple[int, int, int]
    grow: Callable[[RandomNetwork], str]
    about: str


def _convolutions(net: RandomNetwork, source: str, stages: Sequence[tuple[int, int, int]]) -> str:
    """stages: (output channels, stride of the first convolution, convolutions of 3x3)."""
    number = 0
    for rows, stride, count in stages:
        for index in range(count):
            number += 1
            source = net.conv(source, f"conv{number}", rows, stride=1 if index else stride)
    return source


def _classes(net: RandomNetwork, source: str) -> str:
    """Global average and a linear layer, whose sums are the network's output."""
    pooled = net.global_average(source, "average")
    return net.linear(pooled, "linear", CLASSES, output=INT32)


def _resnet18_cifar(net: RandomNetwork) -> str:
    stages = [(64, 1, 5), (128, 2, 4), (256, 2, 4), (512, 2, 4)]
    return _classes(net, _convolutions(net, IMAGE, stages))


def _block(net: RandomNetwork, source: str, name: str, rows: int, stride: int) -> str:
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where sizes change."""
    branch = net.conv(source, f"{name}_conv1", rows, stride=stride)
    branch = net.conv(branch, f"{name}_conv2", rows)
    if net.tensor(source).shape != net.tensor(branch).shape:
        source = net.conv(source, f"{name}_shortcut", rows, kernel=1, stride=stride)
    return net.add((branch, source), f"{name}_add")


def _resnet18_cifar_residual(net: RandomNetwork) -> str:
    source = net.conv(IMAGE, "conv1", 64)
    for stage, rows in enumerate((64, 128, 256, 512)):
        for index in range(2):
            stride = 2 if stage and not index else 1
            source = _block(net, source, f"stage{stage + 1}_block{index + 1}", rows, stride)
    return _classes(net, source)


def _small_cnn(net: RandomNetwork) -> str:
    last = _convolutions(net, IMAGE, [(16, 1, 1), (24, 2, 2)])
    return net.linear(last, "linear", CLASSES, output=INT32)


def _mlp(net: RandomNetwork) -> str:
    hidden = net.linear(net.linear(IMAGE, "linear1", 96), "linear2", 64)
    return net.linear(hidden, "linear3", CLASSES, output=INT32)


NETWORKS: dict[str, ReferenceNetwork] = {
    "resnet18_cifar": ReferenceNetwork(
        image=(3, 32, 32),
        grow=_resnet18_cifar,
        about="17 convolutions of 3x3 from 64 to 512 channels, no shortcuts, average, linear to 10",
    ),
    "resnet18_cifar_residual": ReferenceNetwork(
        image=(3, 32, 32),
        grow=_resnet18_cifar_residual,
        about="the same with 8 additions and 3 shortcuts of 1x1",
    ),
    "small_cnn": ReferenceNetwork(
        image=(3, 12, 12), grow=_small_cnn, about="3 convolutions on 12x12 pixels, linear to 10"
    ),
    "mlp": ReferenceNetwork(
        image=(1, 16, 16), grow=_mlp, about="3 linear layers, 256 inputs to 10"
    ),
}


def reference_network(
    name: str, *, weights: Precision, activations: Precision, seed: int = 0
) -> tuple[IntegerGraph, np.ndarray]:
    """The network `name` with random weights, and one image (C, H, W) of codes.

    ConfigError when there is none of that name.
    """
    if name not in NETWORKS:
        known = ", ".join(NETWORKS)
        raise ConfigError(
            f"unknown network {name!r}{did_you_mean(name, NETWORKS)}; there is: {known}"
        )
    reference = NETWORKS[name]
    net = RandomNetwork(
        name, image=reference.image, weights=weights, activations=activations, seed=seed
    )
    return net.build(reference.grow(net))
