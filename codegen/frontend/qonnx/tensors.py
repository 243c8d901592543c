"""Constants of an ONNX file as arrays; data in other files only from below the model's folder."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ir.errors import ConfigError, shorten
from ir.files import read_bytes

MOST_VALUES = 1 << 28
KINDS = "iufb"
"""Numbers alone: no text, no complex values."""


def tensor_values(tensor: onnx.TensorProto, folder: Path) -> np.ndarray:
    """The values of a tensor; ConfigError when it is empty, too large, or not what it says.

    folder: where the model lies.
    """
    what = f"tensor {shorten(tensor.name)}"
    shape = tuple(tensor.dims)
    count = math.prod(shape)
    if any(size < 1 for size in shape):
        raise ConfigError(f"{what}: shape {shorten(shape)} holds no values")
    if count > MOST_VALUES:
        raise ConfigError(f"{what}: {count} values, at most {MOST_VALUES} are taken")
    try:
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except KeyError as cause:
        raise ConfigError(f"{what}: unknown type of data {tensor.data_type}") from cause
    if dtype.kind not in KINDS:
        raise ConfigError(f"{what}: numbers expected, not {dtype}")
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return _external(tensor, folder, dtype, count).reshape(shape)
    if tensor.HasField("raw_data") and len(tensor.raw_data) != count * dtype.itemsize:
        raise ConfigError(
            f"{what}: {len(tensor.raw_data)} bytes are not {count} values of {dtype}; the file is "
            "damaged or cut short"
        )
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as cause:
        raise ConfigError(f"{what}: its data is not {count} values of {dtype}") from cause


def _external(tensor: onnx.TensorProto, folder: Path, dtype: np.dtype, count: int) -> np.ndarray:
    """count values from another file. Whatever leads out of `folder` is refused."""
    what = f"tensor {shorten(tensor.name)}"
    entries = {entry.key: entry.value for entry in tensor.external_data}
    place = _below(folder, entries.get("location", ""), what)
    try:
        start = int(entries.get("offset", "0"))
        length = int(entries.get("length", str(count * dtype.itemsize)))
    except ValueError as cause:
        raise ConfigError(f"{what}: offset or length of its external data is no number") from cause
    data = read_bytes(place)
    if start < 0 or length != count * dtype.itemsize or start + length > len(data):
        raise ConfigError(
            f"{what}: {count} values of {dtype} are not the {shorten(length)} bytes at "
            f"{shorten(start)} of {place.name}, which has {len(data)}"
        )
    little = dtype.newbyteorder("<")
    return np.frombuffer(data, dtype=little, offset=start, count=count).astype(dtype)


def _below(folder: Path, location: str, what: str) -> Path:
    """A regular file below the model's folder, links followed."""
    refusal = ConfigError(
        f"{what}: external data {shorten(location)} must be a file below the model's own folder"
    )
    if not location or "\0" in location or Path(location).is_absolute():
        raise refusal
    root = folder.resolve()
    place = (root / location).resolve()
    if not place.is_relative_to(root) or not place.is_file():
        raise refusal
    return place
