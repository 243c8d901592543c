"""Mirrored and moved images: each one is one of those that the rule allows, and all occur."""

import pytest
import torch

from ir.errors import ConfigError
from quant.augment import augment
from quant.data import Augmentation


def image() -> torch.Tensor:
    return torch.arange(1, 2 * 4 * 5 + 1, dtype=torch.uint8).reshape(1, 2, 4, 5)


def many(how: Augmentation, count: int = 400) -> torch.Tensor:
    x = image().expand(count, -1, -1, -1)
    return augment(x, how, torch.Generator().manual_seed(3))


def test_nothing_asked_nothing_done() -> None:
    x = image()
    assert augment(x, Augmentation(), torch.Generator()) is x


def test_half_of_the_images_are_mirrored() -> None:
    found = many(Augmentation(mirror=True))
    mirrored = (found == image().flip(3)).all(dim=(1, 2, 3))
    same = (found == image()).all(dim=(1, 2, 3))
    assert bool((mirrored | same).all()) and 150 < int(mirrored.sum()) < 250


def test_images_move_by_whole_pixels_and_black_moves_in() -> None:
    found = many(Augmentation(shift_px=1))
    assert found.dtype == torch.uint8 and found.shape == (400, 2, 4, 5)
    framed = torch.nn.functional.pad(image(), [1, 1, 1, 1])
    allowed = {
        tuple(framed[0, :, y : y + 4, x : x + 5].flatten().tolist())
        for y in range(3)
        for x in range(3)
    }
    assert {tuple(one.flatten().tolist()) for one in found} == allowed


def test_the_generator_decides() -> None:
    how = Augmentation(mirror=True, shift_px=2)
    assert torch.equal(many(how), many(how))


def test_negative_shift() -> None:
    with pytest.raises(ConfigError, match="shift_px must not be negative, not -1"):
        Augmentation(shift_px=-1)
