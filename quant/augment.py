"""Training images as another shot might have taken them: mirrored, moved by some pixels."""

import torch
from torch import Tensor
from torch.nn import functional

from quant.data import Augmentation


def augment(x: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """x: (N, C, H, W) -> same shape and type, each image mirrored and moved on its own.

    What moves in from outside is 0, black: the papers pad images whose mean was subtracted with 0,
    which is their mean. The generator lives on the processor.
    """
    if how.mirror:
        mirrored = torch.rand(len(x), generator=generator) < 0.5
        x = torch.where(mirrored.to(x.device).reshape(-1, 1, 1, 1), x.flip(3), x)
    if how.shift_px:
        x = _shifted(x, how.shift_px, generator)
    return x


def _shifted(x: Tensor, most_px: int, generator: torch.Generator) -> Tensor:
    """Each image moved by -most_px..most_px in both directions."""
    images, channels, height, width = x.shape
    starts = torch.randint(0, 2 * most_px + 1, (2, images, 1), generator=generator).to(x.device)
    rows = starts[0] + torch.arange(height, device=x.device)
    columns = starts[1] + torch.arange(width, device=x.device)
    padded = functional.pad(x, [most_px] * 4)
    return padded[
        torch.arange(images, device=x.device).reshape(-1, 1, 1, 1),
        torch.arange(channels, device=x.device).reshape(1, -1, 1, 1),
        rows.reshape(images, 1, height, 1),
        columns.reshape(images, 1, 1, width),
    ]
