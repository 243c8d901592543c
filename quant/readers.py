"""Readers for the usual image files. Files are hostile until read: sizes and labels are checked,
nothing is unpickled (CIFAR: the "binary version" alone).

Each reader gives ((images, labels), (images, labels)) for train and test: (N, C, H, W) uint8, (N,)
int64.
"""

import gzip
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from ir.errors import ConfigError, shorten
from ir.files import read_bytes

Raw = tuple[np.ndarray, np.ndarray]

CIFAR_PIXELS = 3 * 32 * 32
CIFAR_TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
INFLATED_LIMIT_BYTES = 1 << 28
IMAGES_LIMIT_BYTES = 1 << 33


def read_cifar10(folder: Path) -> tuple[Raw, Raw]:
    """CIFAR-10, binary version: records of one label byte and 3 x 32 x 32 pixels."""
    parts = [_cifar_file(folder / name, classes=10, labels=1) for name in CIFAR_TRAIN]
    images = np.concatenate([part[0] for part in parts])
    labels = np.concatenate([part[1] for part in parts])
    return (images, labels), _cifar_file(folder / "test_batch.bin", classes=10, labels=1)


def read_cifar100(folder: Path) -> tuple[Raw, Raw]:
    """CIFAR-100, binary version: a coarse label (not used), a fine label, 3 x 32 x 32 pixels."""
    train, test = (
        _cifar_file(folder / f"{part}.bin", classes=100, labels=2) for part in ("train", "test")
    )
    return train, test


def _cifar_file(path: Path, *, classes: int, labels: int) -> Raw:
    """labels: label bytes in a record, the last of them counts."""
    size = labels + CIFAR_PIXELS
    data = np.frombuffer(read_bytes(path), dtype=np.uint8)
    if data.size == 0 or data.size % size:
        raise ConfigError(
            f"{path}: {data.size} bytes are no whole number of {size}-byte records; "
            f"get the CIFAR-{classes} binary version"
        )
    records = data.reshape(-1, size)
    found = records[:, labels - 1].astype(np.int64)
    if found.max() >= classes:
        raise ConfigError(f"{path}: label {found.max()} in a set of {classes} classes")
    return records[:, labels:].reshape(-1, 3, 32, 32).copy(), found


def read_mnist(folder: Path) -> tuple[Raw, Raw]:
    """MNIST and its kin: idx files, plain or .gz."""
    return _mnist_pair(folder, "train"), _mnist_pair(folder, "t10k")


def _mnist_pair(folder: Path, part: str) -> Raw:
    images = _idx_file(folder, f"{part}-images-idx3-ubyte", dimensions=3)
    labels = _idx_file(folder, f"{part}-labels-idx1-ubyte", dimensions=1).astype(np.int64)
    if len(images) != len(labels) or len(labels) == 0:
        raise ConfigError(f"{folder}: {len(images)} {part} images but {len(labels)} labels")
    return images[:, np.newaxis], labels


def _idx_file(folder: Path, name: str, dimensions: int) -> np.ndarray:
    path = folder / name
    packed = folder / f"{name}.gz"
    data = _inflate(packed) if packed.exists() and not path.exists() else read_bytes(path)
    header = 4 + 4 * dimensions
    if len(data) < header or data[:4] != bytes((0, 0, 8, dimensions)):
        raise ConfigError(f"{path}: not an idx file of {dimensions}-dimensional bytes")
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    # Python integers: a forged shape must not overflow into a plausible product.
    count = 1
    for size in shape:
        count *= size
    if count != len(data) - header:
        raise ConfigError(f"{path}: holds {len(data) - header} values, its header says {count}")
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(shape).copy()


def _inflate(path: Path) -> bytes:
    try:
        with gzip.open(BytesIO(read_bytes(path))) as stream:
            data = stream.read(INFLATED_LIMIT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as cause:
        raise ConfigError(f"{path}: not a gzip file, or cut short") from cause
    if len(data) > INFLATED_LIMIT_BYTES:
        raise ConfigError(f"{path}: inflates to more than {INFLATED_LIMIT_BYTES} bytes")
    return data


def read_image_folder(folder: Path, size_px: tuple[int, int] | None) -> tuple[Raw, Raw]:
    """train/<class>/*.png and test/<class>/*.png (jpg and bmp too); classes in sorted order."""
    classes = _class_names(folder / "train")
    unknown = sorted(set(_class_names(folder / "test")) - set(classes))
    if unknown:
        raise ConfigError(f"{folder}: class {shorten(unknown[0])} is in test but not in train")
    train = _read_part(folder / "train", classes, size_px)
    test = _read_part(folder / "test", classes, size_px)
    if train[0].shape[1:] != test[0].shape[1:]:
        raise ConfigError(f"{folder}: train and test images differ in size; set image_size_px")
    return train, test


def _class_names(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; expected train/<class>/ and test/<class>/")
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    if not names:
        raise ConfigError(f"{folder}: no class folders in it")
    return names


def _read_part(folder: Path, classes: list[str], size_px: tuple[int, int] | None) -> Raw:
    images: list[np.ndarray] = []
    labels: list[int] = []
    size = 0
    for label, name in enumerate(classes):
        place = folder / name
        files = sorted(place.iterdir()) if place.is_dir() else []
        for file in files:
            if file.suffix.lower() in IMAGE_SUFFIXES:
                images.append(_read_image(file, size_px))
                labels.append(label)
                size += images[-1].nbytes
                if size > IMAGES_LIMIT_BYTES:
                    raise ConfigError(
                        f"{folder}: its images need more than {IMAGES_LIMIT_BYTES} bytes of "
                        "memory; set a smaller image_size_px"
                    )
                if images[0].shape != images[-1].shape:
                    raise ConfigError(
                        f"{file}: {images[-1].shape} unlike the {images[0].shape} before; "
                        "set image_size_px"
                    )
    if not images:
        raise ConfigError(f"{folder}: no images ({', '.join(IMAGE_SUFFIXES)}) in it")
    return np.stack(images), np.array(labels, dtype=np.int64)


def _read_image(path: Path, size_px: tuple[int, int] | None) -> np.ndarray:
    """(C, H, W) uint8; grey images have one channel, all others become RGB."""
    data = read_bytes(path)
    try:
        with Image.open(BytesIO(data)) as image:
            image = image.convert("L" if image.mode in ("1", "L") else "RGB")
            if size_px is not None:
                image = image.resize((size_px[1], size_px[0]), Image.Resampling.BILINEAR)
            pixels = np.asarray(image, dtype=np.uint8)
    except Exception as cause:  # Pillow's decoders throw whatever their codec throws
        raise ConfigError(f"{path}: not an image that can be read") from cause
    return pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
