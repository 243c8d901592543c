"""The networks that `bitwright bench network` knows: one entry of NETWORKS each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from codegen.random_network import Convolution, FullyConnected, RandomNetwork, Step
from ir.errors import ConfigError, did_you_mean
from ir.precision import Precision


@dataclass(frozen=True, kw_only=True)
class ReferenceNetwork:
    """Layers without weights. image: (C, H, W). about: one line for `--help` and docs."""

    image: tuple[int, int, int]
    steps: Callable[[], Sequence[Step]]
    about: str


def _convolutions(stages: Sequence[tuple[int, int, int]]) -> list[Step]:
    """stages: (output channels, stride of the first convolution, convolutions of 3x3)."""
    steps: list[Step] = []
    for rows, stride, count in stages:
        for index in range(count):
            name = f"conv{len(steps) + 1}"
            steps.append(Convolution(name=name, rows=rows, stride=1 if index else stride))
    return steps


def _small_cnn() -> list[Step]:
    return [*_convolutions([(16, 1, 1), (24, 2, 2)]), FullyConnected(name="linear", rows=10)]


def _mlp() -> list[Step]:
    return [FullyConnected(name=f"linear{i + 1}", rows=rows) for i, rows in enumerate((96, 64, 10))]


NETWORKS: dict[str, ReferenceNetwork] = {
    "small_cnn": ReferenceNetwork(
        image=(3, 12, 12), steps=_small_cnn, about="3 convolutions on 12x12 pixels, linear to 10"
    ),
    "mlp": ReferenceNetwork(
        image=(1, 16, 16), steps=_mlp, about="3 linear layers, 256 inputs to 10"
    ),
}


def reference_network(
    name: str, *, weights: Precision, activations: Precision, seed: int = 0
) -> RandomNetwork:
    """The network `name` with random weights. ConfigError when there is none of that name."""
    if name not in NETWORKS:
        known = ", ".join(NETWORKS)
        raise ConfigError(
            f"unknown network {name!r}{did_you_mean(name, NETWORKS)}; there is: {known}"
        )
    network = NETWORKS[name]
    return RandomNetwork(
        name=name,
        image=network.image,
        steps=network.steps(),
        weights=weights,
        activations=activations,
        seed=seed,
    )
