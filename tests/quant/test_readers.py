"""Files of the usual data sets, good and forged."""

import gzip
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ir.errors import ConfigError
from quant.data import Augmentation, DataConfig, load_data
from quant.readers import CIFAR_TRAIN, read_cifar10, read_cifar100, read_image_folder, read_mnist

RNG = np.random.default_rng(0)


def write_cifar(folder: Path, per_file: int = 20) -> dict[str, np.ndarray]:
    written = {}
    for name in (*CIFAR_TRAIN, "test_batch.bin"):
        records = RNG.integers(0, 256, (per_file, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(per_file) % 10
        (folder / name).write_bytes(records.tobytes())
        written[name] = records
    return written


def idx(array: np.ndarray) -> bytes:
    return (
        bytes((0, 0, 8, array.ndim))
        + struct.pack(f">{array.ndim}I", *array.shape)
        + (array.astype(np.uint8).tobytes())
    )


def write_mnist(folder: Path, *, packed: bool) -> np.ndarray:
    images = RNG.integers(0, 256, (40, 6, 5), dtype=np.uint8)
    labels = np.arange(40, dtype=np.uint8) % 4
    for part in ("train", "t10k"):
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            path = folder / f"{part}-{name}-ubyte"
            if packed:
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(idx(array)))
            else:
                path.write_bytes(idx(array))
    return images


def write_folder(folder: Path, size: tuple[int, int] = (6, 4)) -> None:
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            place = folder / part / name
            place.mkdir(parents=True)
            for index in range(12):
                pixels = np.full((*size, 3), 100 if name == "cat" else 200, dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{index}.png")


def test_cifar_records(tmp_path: Path) -> None:
    written = write_cifar(tmp_path)
    (images, labels), (test_images, _) = read_cifar10(tmp_path)
    assert images.shape == (100, 3, 32, 32) and test_images.shape == (20, 3, 32, 32)
    assert np.array_equal(images[20].ravel(), written["data_batch_2.bin"][0, 1:])
    assert labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_cifar100_takes_the_fine_labels(tmp_path: Path) -> None:
    records = RNG.integers(0, 256, (200, 3074), dtype=np.uint8)
    records[:, 0], records[:, 1] = 7, np.arange(200) % 100
    for name in ("train.bin", "test.bin"):
        (tmp_path / name).write_bytes(records.tobytes())
    (images, labels), _ = read_cifar100(tmp_path)
    assert np.array_equal(images[5].ravel(), records[5, 2:])
    assert labels[98:102].tolist() == [98, 99, 0, 1]
    data = load_data(DataConfig(name="cifar100", path=tmp_path, validation_share=0.5))
    assert data.task.classes == 100
    assert data.search.augmentation == Augmentation(mirror=True, shift_px=4)
    records[3, 1] = 100
    (tmp_path / "train.bin").write_bytes(records.tobytes())
    with pytest.raises(ConfigError, match="train.bin: label 100 in a set of 100 classes"):
        read_cifar100(tmp_path)


def test_cifar10_files_are_no_cifar100(tmp_path: Path) -> None:
    (tmp_path / "train.bin").write_bytes(bytes(3073 * 5))
    with pytest.raises(ConfigError, match="of 3074-byte records; get the CIFAR-100 binary version"):
        read_cifar100(tmp_path)


def test_usual_augmentation_and_another(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    config = DataConfig(name="cifar10", path=tmp_path, validation_share=0.2)
    assert load_data(config).search.augmentation == Augmentation(mirror=True, shift_px=4)
    still = replace(config, augmentation=Augmentation())
    assert load_data(still).search.augmentation == Augmentation()
    assert load_data(DataConfig()).search.augmentation == Augmentation()


def test_cifar_as_a_data_set(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    data = load_data(DataConfig(name="cifar10", path=tmp_path, validation_share=0.2))
    assert (len(data.search.train), len(data.search.validation), len(data.test)) == (80, 20, 20)
    assert data.task.shape == (3, 32, 32)
    assert (data.task.classes, data.task.precision.bits, data.task.scale) == (10, 8, 1 / 256)


def test_cifar_cut_short(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    path = tmp_path / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ConfigError, match="data_batch_3.bin: .* no whole number of 3073-byte"):
        read_cifar10(tmp_path)


def test_cifar_with_an_impossible_label(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    (tmp_path / "test_batch.bin").write_bytes(b"\x0a" + bytes(3072))
    with pytest.raises(ConfigError, match="test_batch.bin: label 10 in a set of 10 classes"):
        read_cifar10(tmp_path)


def test_cifar_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="data_batch_1.bin does not exist"):
        read_cifar10(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_files(tmp_path: Path, packed: bool) -> None:
    images = write_mnist(tmp_path, packed=packed)
    (found, labels), _ = read_mnist(tmp_path)
    assert np.array_equal(found[:, 0], images)
    assert labels.dtype == np.int64 and labels[:5].tolist() == [0, 1, 2, 3, 0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\0\x08\x01" + bytes(20), "not an idx file of 3-dimensional bytes"),
        (b"\0\0", "not an idx file"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 4, 4, 4) + bytes(63), "holds 63 values, .* says 64"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 2**31, 4), "holds 0 values"),
    ],
)
def test_forged_idx(tmp_path: Path, content: bytes, message: str) -> None:
    write_mnist(tmp_path, packed=False)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_mnist(tmp_path)


def test_gzip_cut_short(tmp_path: Path) -> None:
    write_mnist(tmp_path, packed=True)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ConfigError, match="not a gzip file, or cut short"):
        read_mnist(tmp_path)


def test_gzip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path, packed=True)
    monkeypatch.setattr("quant.readers.INFLATED_LIMIT_BYTES", 1000)
    with pytest.raises(ConfigError, match="inflates to more than 1000 bytes"):
        read_mnist(tmp_path)


def test_labels_of_another_number(tmp_path: Path) -> None:
    write_mnist(tmp_path, packed=False)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(39)))
    with pytest.raises(ConfigError, match="40 train images but 39 labels"):
        read_mnist(tmp_path)


def test_image_folder(tmp_path: Path) -> None:
    write_folder(tmp_path)
    data = load_data(DataConfig(name="folder", path=tmp_path, validation_share=0.25))
    assert data.task.shape == (3, 6, 4) and data.task.classes == 2
    assert (len(data.search.train), len(data.search.validation), len(data.test)) == (18, 6, 24)
    assert set(data.test.images[data.test.labels == 1].ravel().tolist()) == {200}


def test_image_folder_resized(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (images, _), _ = read_image_folder(tmp_path, (8, 10))
    assert images.shape == (24, 3, 8, 10)


def test_images_of_two_sizes(tmp_path: Path) -> None:
    write_folder(tmp_path)
    Image.new("RGB", (9, 9)).save(tmp_path / "train" / "dog" / "x.png")
    with pytest.raises(ConfigError, match=r"x.png: \(3, 9, 9\) unlike .* set image_size_px"):
        read_image_folder(tmp_path, None)


def test_image_folder_beyond_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path)
    monkeypatch.setattr("quant.readers.IMAGES_LIMIT_BYTES", 1000)
    with pytest.raises(ConfigError, match="more than 1000 bytes of memory; set a smaller image_s"):
        read_image_folder(tmp_path, None)


def test_a_file_that_is_no_image(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "train" / "cat" / "0.png").write_bytes(b"MZ")
    with pytest.raises(ConfigError, match="0.png: not an image that can be read"):
        read_image_folder(tmp_path, None)


def test_class_that_was_never_trained(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "test" / "horse").mkdir()
    with pytest.raises(ConfigError, match="class 'horse' is in test but not in train"):
        read_image_folder(tmp_path, None)


def test_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="train: no such folder; expected train/<class>/"):
        read_image_folder(tmp_path, None)
    (tmp_path / "train").mkdir()
    with pytest.raises(ConfigError, match="train: no class folders in it"):
        read_image_folder(tmp_path, None)
    for part in ("train", "test"):
        (tmp_path / part / "cat").mkdir(parents=True)
    with pytest.raises(ConfigError, match="train: no images"):
        read_image_folder(tmp_path, None)
