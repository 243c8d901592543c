"""Networks of our own by name: a file in `quant/nets/` with one public subclass of `Net`."""

from dataclasses import dataclass

import torch
from torch import nn

from ir import plugins
from ir.errors import ConfigError, shorten
from quant.data import Task

FOLDER = "quant/nets"


@dataclass(frozen=True, kw_only=True)
class NetConfig:
    """name: a file of `quant/nets/`; width: channels of the first layer; seed: of the weights."""

    name: str = "d4"
    width: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.width, bool) or not isinstance(self.width, int) or self.width < 1:
            raise ConfigError(f"width must be a positive integer, not {shorten(self.width)}")


@dataclass(frozen=True, kw_only=True)
class NetSetup:
    """What a network is built from. shape: (C, H, W) of an image."""

    shape: tuple[int, int, int]
    classes: int
    width: int


class Net(nn.Module):
    """A float network, built from a `NetSetup` alone."""

    def __init__(self, setup: NetSetup) -> None:
        super().__init__()
        self.setup = setup


def build_net(config: NetConfig, task: Task) -> Net:
    """A fresh float network with seeded weights; UnknownPluginError lists what there is."""
    kind = plugins.load(FOLDER, config.name, Net)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return kind(NetSetup(shape=task.shape, classes=task.classes, width=config.width))
