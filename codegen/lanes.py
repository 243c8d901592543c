"""Which weight meets which lane, for layers of several tensors or groups."""

from __future__ import annotations

import numpy as np

from codegen.memory import lane_map
from codegen.tiling import Tiling


def weight_lanes(tiling: Tiling) -> np.ndarray:
    """(k_words, Dk), or (M, k_words, Dk) when rows differ: the element of a row's filter, or -1.

    A filter is (operands * channels / groups, kh, kw), operand after operand.
    """
    shape = tiling.shape
    if shape.groups == 1 and len(shape.parts) == 1 and not shape.largest:
        return lane_map(tiling)
    maps = [_tile_lanes(tiling, tile) for tile in range(tiling.row_tiles)]
    if shape.groups == 1:
        return maps[0][0]
    return np.concatenate(maps)[: shape.rows]


def _tile_lanes(tiling: Tiling, tile: int) -> np.ndarray:
    """(rows of the tile, k_words, Dk), or one row when all are equal."""
    shape, dm = tiling.shape, tiling.config.dm
    channels = shape.channels // shape.groups
    taps = 1 if shape.largest else shape.kernel[0] * shape.kernel[1]  # a turn's
    rows = np.arange(tile * dm, tile * dm + (dm if shape.groups > 1 else 1))
    firsts = rows // (shape.rows // shape.groups) * channels
    found = []
    for number, operand in enumerate(shape.operands):
        place = _words(operand, tiling, tiling.row_reads[0][tile])  # (span, Dk)
        inside = place[np.newaxis] - firsts[:, np.newaxis, np.newaxis]
        own = (place >= 0) & (inside >= 0) & (inside < channels)
        elements = (number * channels + inside)[:, np.newaxis] * taps
        every = elements + np.arange(taps)[np.newaxis, :, np.newaxis, np.newaxis]
        found.append(np.where(own[:, np.newaxis], every, -1))
    return np.concatenate(found, axis=1).reshape(len(rows), -1, tiling.config.dk)


def _words(operand: tuple[int, ...], tiling: Tiling, first: int) -> np.ndarray:
    """(span, Dk): the channel that each lane of a row tile's words holds, -1 for none."""
    lanes, channel, words = tiling.config.dk, 0, []
    for part in operand:
        filled = np.full(-(-part // lanes) * lanes, -1)
        filled[:part] = np.arange(channel, channel + part)
        words.append(filled)
        channel += part
    span = tiling.row_reads[1]
    read = np.concatenate(words).reshape(-1, lanes)[first : first + span]
    return np.pad(read, ((0, span - len(read)), (0, 0)), constant_values=-1)
