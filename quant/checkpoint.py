"""Checkpoints: written whole or not at all, read without trusting them.

A checkpoint is an ordinary uncompressed torch zip file. Reading checks every member's checksum, so
a flipped bit is an error and never a slightly different network; pickled code is refused.
"""

import pickle
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ir.errors import ConfigError, shorten
from ir.files import read_bytes, write_bytes

LIMIT_BYTES = 1 << 31


def save_checkpoint(path: Path, payload: dict[str, Any]) -> None:
    """Write tensors, numbers, strings, lists and dicts."""
    buffer = BytesIO()
    torch.save(payload, buffer)
    write_bytes(path, buffer.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote; ConfigError when it is anything else.

    Torch's own message is never shown: it tells how to switch its safety check off.
    """
    data = read_bytes(path, LIMIT_BYTES)
    _check_archive(path, data)
    try:
        payload = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise _corrupt(path, "it holds more than tensors and numbers") from None
    except Exception:  # a hostile file may make the reader throw anything
        raise _corrupt(path, "it cannot be decoded") from None
    if not isinstance(payload, dict):
        raise _corrupt(path, "it is no dictionary")
    return payload


def load_weights(model: nn.Module, state: object, path: Path) -> None:
    """Load a state dict after checking names, shapes and types against the model's own."""
    own = model.state_dict()
    if not isinstance(state, dict) or state.keys() != own.keys():
        raise ConfigError(f"checkpoint {path}: its weights belong to another network")
    for name, tensor in own.items():
        found = state[name]
        if not isinstance(found, torch.Tensor) or (found.shape, found.dtype) != (
            tensor.shape,
            tensor.dtype,
        ):
            raise ConfigError(f"checkpoint {path}: {shorten(name)} has another shape or type")
    model.load_state_dict(state)


def _check_archive(path: Path, data: bytes) -> None:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise _corrupt(path, "it has compressed members")
            if sum(member.file_size for member in members) > len(data):
                raise _corrupt(path, "its members overlap")
            damaged = archive.testzip()
    except ConfigError:
        raise
    except Exception:  # zipfile throws a dozen kinds on forged headers
        raise _corrupt(path, "it is no whole torch file") from None
    if damaged is not None:
        raise _corrupt(path, f"checksum of {shorten(damaged)} is wrong")


def _corrupt(path: Path, why: str) -> ConfigError:
    return ConfigError(f"checkpoint {path} is corrupt: {why}; delete it to start over")
