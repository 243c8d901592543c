"""Rules made from sums: codes that are neither all zero nor all saturated, without training.

Channel by channel where a channel has more than one pixel, else over all channels, the codes span
SPREAD standard deviations around the mean. Signs say which channels fall where their sums grow.
"""

from __future__ import annotations

import numpy as np

from ir.nodes import INT32, MAX_SHIFT, MULTIPLIER, Requantize, Rule, Threshold
from ir.precision import Precision

SPREAD = 4.0
"""Standard deviations of the sums that the output's codes span."""


def rule_names(layer: str) -> tuple[str, str, str]:
    """(rule, tensor of sums, tensor of codes) of a layer."""
    return f"{layer}_rule", f"{layer}_sums", f"{layer}_codes"


def fitted_rule(
    sums: np.ndarray,
    output: Precision,
    *,
    layer: str,
    signs: np.ndarray | None = None,
    thresholds: bool = False,
) -> Rule:
    """The rule of `layer`, fitted to its `sums` (C, H, W): INT32 takes them as they are.

    signs: (C,) of -1 and +1, default all +1. thresholds: a staircase instead of a requantizer;
    bipolar codes need one.
    """
    channels = sums.shape[0]
    if output == INT32:
        return _as_they_are(channels, layer)
    directions = np.ones(channels, np.int64) if signs is None else signs.astype(np.int64)
    axes = (1, 2) if sums[0].size > 1 else (0, 1, 2)
    mean = np.broadcast_to(sums.mean(axes), channels)
    deviation = np.maximum(np.broadcast_to(sums.std(axes), channels), 1.0)
    if thresholds or output.bipolar:
        return _staircase(mean, deviation, directions, output, layer)
    return _requantizer(mean, deviation, directions, output, layer)


def _as_they_are(channels: int, layer: str) -> Requantize:
    ones, zeros = np.ones(channels, np.int64), np.zeros(channels, np.int64)
    return Requantize(*rule_names(layer), ones, zeros, 0, INT32.min, INT32.max)


def _requantizer(
    mean: np.ndarray, deviation: np.ndarray, signs: np.ndarray, output: Precision, layer: str
) -> Requantize:
    scale = (output.max - output.min + 1) / (SPREAD * deviation)
    shift = min(MAX_SHIFT, int(np.floor(np.log2(MULTIPLIER.max / scale.max()))))
    middle = (output.max + output.min) / 2
    multiplier = signs * np.round(scale * (1 << shift)).astype(np.int64)
    offset = np.round(middle * (1 << shift) - mean * multiplier).astype(np.int64)
    offset += (1 << shift) >> 1
    limits = (output.min, output.max)
    return Requantize(*rule_names(layer), multiplier, offset, shift, *limits)


def _staircase(
    mean: np.ndarray, deviation: np.ndarray, signs: np.ndarray, output: Precision, layer: str
) -> Threshold:
    step = 2 if output.bipolar else 1
    base = -1 if output.bipolar else output.min
    steps = (output.max - base) // step
    places = (np.arange(1, steps + 1) / (steps + 1) - 0.5) * SPREAD
    levels = (signs * mean)[:, np.newaxis] + deviation[:, np.newaxis] * places
    thresholds = np.ceil(levels).astype(np.int64)
    return Threshold(*rule_names(layer), thresholds, signs, base, step)
