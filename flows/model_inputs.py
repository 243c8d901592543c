"""Inputs for a model of somebody else's: from a file, or drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from codegen.frontend.qonnx.importer import Imported
from flows.model_run import ModelSpace
from ir.errors import ConfigError, shorten
from ir.files import read_bytes

SPREAD = 1.25
"""Drawn floats go so much beyond the range of the quantizer at the input, which clips them."""


def first_input(space: ModelSpace) -> np.ndarray:
    """(C, H, W) codes of one drawn input."""
    return space.model.encode(drawn_inputs(space.model, 1, seed=space.settings.seed))[0]


def drawn_inputs(model: Imported, count: int, *, seed: int) -> np.ndarray:
    """(count, ...) float32 in the file's shape, so that all codes of the input occur."""
    rng = np.random.default_rng(seed)
    head, shape = model.head, (count, *model.input_shape)
    limits = head.tensor.precision
    if head.quantizer is None:
        step = 2 if limits.bipolar else 1
        return rng.choice(np.arange(limits.min, limits.max + 1, step), shape).astype(np.float32)
    low, high = head.real_range()
    middle, reach = (low + high) / 2, SPREAD * (high - low) / 2
    return rng.uniform(middle - reach, middle + reach, shape).astype(np.float32)


def read_inputs(path: Path, model: Imported) -> np.ndarray:
    """(N, ...) float32 from a .npy file; ConfigError: another shape, or no numbers."""
    read_bytes(path)  # missing, unreadable, too large: our messages
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as cause:
        raise ConfigError(f"{path} is no .npy file of numbers") from cause
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "iufb":
        raise ConfigError(f"{path} must hold one array of numbers")
    if found.shape == model.input_shape:
        found = found[np.newaxis]
    if found.shape[1:] != model.input_shape or not len(found):
        raise ConfigError(
            f"{path} holds {shorten(found.shape)}, the model takes (N, "
            f"{', '.join(map(str, model.input_shape))})"
        )
    if not np.isfinite(found.astype(np.float64)).all():
        raise ConfigError(f"{path} holds values that are not finite")
    return found.astype(np.float32)
