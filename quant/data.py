"""Data sets as integer codes, split so that a search can never see the test images.

Pixels stay the integers that they are in the file (digits: 0..16, five bits; photographs: 0..255),
and `scale` says what one code is worth when a network is trained in floats.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from ir.errors import ConfigError, shorten
from ir.precision import Precision
from quant.readers import Raw, read_cifar10, read_cifar100, read_image_folder, read_mnist

DataName = Literal["digits", "cifar10", "cifar100", "mnist", "folder"]

# Powers of two: a code times its scale is exact in every float format.
DIGIT_SCALE = 1 / 16
BYTE_SCALE = 1 / 256
CIFAR_SHIFT_PX = 4
FOLDER_SHIFT_SHARE = 8  # of the image's shorter side


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """images: (N, C, H, W) uint8 codes, each worth ``scale``; labels: (N,) int64."""

    images: np.ndarray
    labels: np.ndarray
    scale: float

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.labels.shape != self.images.shape[:1]:
            raise ConfigError(
                f"images {self.images.shape} must be (N, C, H, W), with N labels, "
                f"not {self.labels.shape}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> "Split":
        """The images and labels at ``rows``, in that order."""
        return Split(images=self.images[rows], labels=self.labels[rows], scale=self.scale)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a network is asked: shape of an image, what its codes are and mean, how many classes."""

    name: str
    shape: tuple[int, int, int]
    classes: int
    precision: Precision
    scale: float


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What may happen to a training image each time it is seen: mirrored left to right, moved by up
    to so many pixels in both directions."""

    mirror: bool = False
    shift_px: int = 0

    def __post_init__(self) -> None:
        if self.shift_px < 0:
            raise ConfigError(f"shift_px must not be negative, not {self.shift_px}")


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchData:
    """All that training, allocators and the loop may look at."""

    task: Task
    train: Split
    validation: Split
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Search data and, apart from it, the test images."""

    search: SearchData
    test: Split

    @property
    def task(self) -> Task:
        """The task of both parts."""
        return self.search.task


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which data, from where, and how it is split.

    path: folder of the files; not for digits, which scikit-learn brings along.
    fold: digits only, which fifth is the test set; the next fifth is the validation set.
    validation_share: the other sets, part of their training images kept for validation.
    image_size_px: image folders only, (height, width) to resize to; none: all must be equal.
    augmentation: of training images; none: the usual one of the set. CIFAR and image folders are
    mirrored and moved (CIFAR by 4 pixels, as all papers do since He et al., arXiv 1512.03385,
    folders by an eighth), digits and MNIST stay as they are.
    """

    name: DataName = "digits"
    path: Path | None = None
    fold: int = 0
    folds: int = 5
    validation_share: float = 0.1
    image_size_px: tuple[int, int] | None = None
    augmentation: Augmentation | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        known = get_args(DataName)
        if self.name not in known:
            raise ConfigError(f"no data set {shorten(self.name)}; there is: {', '.join(known)}")
        if (self.path is None) != (self.name == "digits"):
            raise ConfigError(f"data set {self.name}: " + _path_rule(self.name))
        if self.folds < 3:
            raise ConfigError(
                f"folds must be 3 or more (train, validation, test), not {self.folds}"
            )
        if not 0 <= self.fold < self.folds:
            raise ConfigError(f"fold must be 0 to {self.folds - 1}, not {self.fold}")
        if not 0 < self.validation_share < 1:
            raise ConfigError(f"validation_share must be inside 0..1, not {self.validation_share}")


def load_data(config: DataConfig) -> Dataset:
    """Read and split a data set; ConfigError names a file that is missing or wrong."""
    if config.name == "digits":
        return _digits(config)
    train, test = _read(config)
    rows = stratified_parts(train[1], round(1 / config.validation_share), config.seed)
    whole = Split(images=train[0], labels=train[1], scale=BYTE_SCALE)
    task = Task(
        name=config.name,
        shape=(whole.images.shape[1], whole.images.shape[2], whole.images.shape[3]),
        classes=int(max(train[1].max(), test[1].max())) + 1,
        precision=Precision(8, signed=False),
        scale=BYTE_SCALE,
    )
    search = SearchData(
        task=task,
        train=whole.take(np.sort(np.concatenate(rows[1:]))),
        validation=whole.take(rows[0]),
        augmentation=config.augmentation or usual_augmentation(task),
    )
    return Dataset(search=search, test=Split(images=test[0], labels=test[1], scale=BYTE_SCALE))


def _read(config: DataConfig) -> tuple[Raw, Raw]:
    path = Path(str(config.path))
    if config.name == "folder":
        return read_image_folder(path, config.image_size_px)
    readers = {"cifar10": read_cifar10, "cifar100": read_cifar100, "mnist": read_mnist}
    return readers[config.name](path)


def usual_augmentation(task: Task) -> Augmentation:
    """What is usually done to images of the set."""
    if task.name.startswith("cifar"):
        return Augmentation(mirror=True, shift_px=CIFAR_SHIFT_PX)
    if task.name == "folder":
        return Augmentation(mirror=True, shift_px=min(task.shape[1:]) // FOLDER_SHIFT_SHARE)
    return Augmentation()


def _digits(config: DataConfig) -> Dataset:
    from sklearn.datasets import load_digits  # a second to import, and only digits need it

    pixels, targets = load_digits(return_X_y=True)
    images = np.asarray(pixels).astype(np.uint8).reshape(-1, 1, 8, 8)
    labels = np.asarray(targets).astype(np.int64)
    whole = Split(images=images, labels=labels, scale=DIGIT_SCALE)
    rows = stratified_parts(whole.labels, config.folds, config.seed)
    validation = (config.fold + 1) % config.folds
    rest = [rows[i] for i in range(config.folds) if i not in (config.fold, validation)]
    task = Task(
        name="digits",
        shape=(1, 8, 8),
        classes=10,
        precision=Precision(5, signed=False),
        scale=DIGIT_SCALE,
    )
    search = SearchData(
        task=task,
        train=whole.take(np.sort(np.concatenate(rest))),
        validation=whole.take(rows[validation]),
        augmentation=config.augmentation or usual_augmentation(task),
    )
    return Dataset(search=search, test=whole.take(rows[config.fold]))


def stratified_parts(labels: np.ndarray, parts: int, seed: int) -> list[np.ndarray]:
    """Rows dealt into ``parts`` sorted, disjoint sets that hold each class in equal shares.

    labels: (N,) int. A class's rows are shuffled and dealt round; the dealer goes on where the
    class before stopped, so that the sets differ in size by one at most.
    """
    if parts < 2:
        raise ConfigError(f"needs 2 or more parts, not {parts}")
    generator = np.random.default_rng(seed)
    owner = np.empty(len(labels), dtype=np.int64)
    dealt = 0
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        owner[rows] = (dealt + np.arange(len(rows))) % parts
        dealt += len(rows)
    return [np.flatnonzero(owner == part) for part in range(parts)]


def _path_rule(name: str) -> str:
    return "it needs no path" if name == "digits" else "set path to the folder of its files"
