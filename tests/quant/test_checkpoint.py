"""Checkpoints: whole, checked, and never trusted."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ir.errors import ConfigError
from quant.checkpoint import load_checkpoint, load_weights, save_checkpoint

PAYLOAD = {"epoch": 3, "weights": {"w": torch.arange(600.0), "n": torch.tensor(4)}, "s": "text"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "checkpoint.pt", PAYLOAD)
    return tmp_path / "checkpoint.pt"


def test_comes_back(path: Path) -> None:
    found = load_checkpoint(path)
    assert (found["epoch"], found["s"]) == (3, "text")
    assert torch.equal(found["weights"]["w"], torch.arange(600.0))


def test_same_payload_same_bytes(path: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "again.pt", PAYLOAD)
    assert (tmp_path / "again.pt").read_bytes() == path.read_bytes()


def test_a_flipped_bit_is_never_a_different_network(path: Path) -> None:
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.integers(0, len(good), 300).tolist():
        bad = bytearray(good)
        bad[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bad)
        try:
            found = load_checkpoint(path)
        except ConfigError as error:
            refused += 1
            assert "corrupt" in str(error) and "weights_only" not in str(error)
        else:
            assert torch.equal(found["weights"]["w"], torch.arange(600.0))
    assert refused > 150


@pytest.mark.parametrize("length", [0, 1, 100, 2000])
def test_cut_short(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ConfigError, match="checkpoint.pt is corrupt: .*delete it to start over"):
        load_checkpoint(path)


class Payload:
    def __reduce__(self):
        return (Path.touch, (Path("owned"),))


def test_code_is_refused_and_never_run(path: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"epoch": Payload()}, path)
    with pytest.raises(ConfigError, match="holds more than tensors and numbers") as caught:
        load_checkpoint(path)
    assert not (tmp_path / "owned").exists()
    assert "weights_only" not in str(caught.value) and caught.value.__cause__ is None


def test_a_bare_pickle_is_refused(path: Path) -> None:
    path.write_bytes(pickle.dumps({"epoch": 1}))
    with pytest.raises(ConfigError, match="it is no whole torch file"):
        load_checkpoint(path)


def test_compressed_members_are_refused(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(ConfigError, match="it has compressed members"):
        load_checkpoint(path)


def test_another_zip_file(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(ConfigError, match="it cannot be decoded"):
        load_checkpoint(path)


def test_a_list_is_no_checkpoint(path: Path) -> None:
    torch.save([1, 2], path)
    with pytest.raises(ConfigError, match="it is no dictionary"):
        load_checkpoint(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing.pt does not exist"):
        load_checkpoint(tmp_path / "nothing.pt")


def test_weights_of_another_network() -> None:
    model, other = nn.Linear(3, 2), nn.Linear(3, 2, bias=False)
    path = Path("c.pt")
    load_weights(model, nn.Linear(3, 2).state_dict(), path)
    for state in (other.state_dict(), None, [1]):
        with pytest.raises(ConfigError, match="c.pt: its weights belong to another network"):
            load_weights(model, state, path)
    for wrong in (torch.zeros(3, 2), torch.zeros(2, 3).double(), "text"):
        with pytest.raises(ConfigError, match="c.pt: 'weight' has another shape or type"):
            load_weights(model, model.state_dict() | {"weight": wrong}, path)
