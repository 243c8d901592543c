"""Digits: five folds that never share an image."""

import numpy as np
import pytest

from ir.errors import ConfigError
from quant.data import DataConfig, Split, load_data, stratified_parts


@pytest.mark.parametrize("fold", range(5))
def test_digit_folds_are_disjoint_and_complete(fold: int) -> None:
    data = load_data(DataConfig(fold=fold))
    parts = (data.search.train, data.search.validation, data.test)
    assert sum(len(part) for part in parts) == 1797
    assert 359 <= len(data.test) <= 360
    for part in parts:
        assert part.images.shape[1:] == data.task.shape == (1, 8, 8)
        assert set(part.labels.tolist()) == set(range(10))
        assert data.task.precision.contains(part.images).all()
    assert max(int(part.images.max()) for part in parts) == 16


def test_every_digit_is_a_test_image_once() -> None:
    seen = np.concatenate([load_data(DataConfig(fold=f)).test.images for f in range(5)])
    everything = load_data(DataConfig())
    parts = (everything.search.train, everything.search.validation, everything.test)
    whole = np.concatenate([part.images for part in parts])
    assert sorted(image.tobytes() for image in seen) == sorted(i.tobytes() for i in whole)


def test_validation_of_one_fold_is_the_test_of_the_next() -> None:
    first, second = load_data(DataConfig(fold=0)), load_data(DataConfig(fold=1))
    assert np.array_equal(first.search.validation.images, second.test.images)


def test_classes_are_shared_out_evenly() -> None:
    labels = np.random.default_rng(0).integers(0, 7, 300)
    parts = stratified_parts(labels, 5, seed=1)
    assert sorted(np.concatenate(parts).tolist()) == list(range(300))
    assert {len(part) for part in parts} == {60}
    for label in range(7):
        counts = [int((labels[part] == label).sum()) for part in parts]
        assert max(counts) - min(counts) <= 1


def test_split_depends_on_the_seed_alone() -> None:
    labels = np.arange(100) % 4
    same = [stratified_parts(labels, 5, seed=3) for _ in range(2)]
    assert all(np.array_equal(a, b) for a, b in zip(*same, strict=True))
    other = stratified_parts(labels, 5, seed=4)
    assert not all(np.array_equal(a, b) for a, b in zip(same[0], other, strict=True))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"name": "imagenet"},
            "no data set 'imagenet'; there is: digits, cifar10, cifar100, mnist, folder",
        ),
        ({"name": "cifar10"}, "data set cifar10: set path to the folder of its files"),
        ({"path": "x"}, "data set digits: it needs no path"),
        ({"fold": 5}, "fold must be 0 to 4, not 5"),
        ({"folds": 2}, "folds must be 3 or more"),
        ({"validation_share": 1.0}, "validation_share must be inside 0..1, not 1.0"),
    ],
)
def test_wrong_config(fields: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DataConfig(**fields)


def test_split_with_labels_missing() -> None:
    with pytest.raises(ConfigError, match=r"must be \(N, C, H, W\), with N labels, not \(2,\)"):
        Split(images=np.zeros((3, 1, 2, 2), np.uint8), labels=np.zeros(2, np.int64), scale=1.0)


def test_too_few_parts() -> None:
    with pytest.raises(ConfigError, match="needs 2 or more parts, not 1"):
        stratified_parts(np.zeros(4), 1, seed=0)
