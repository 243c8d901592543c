"""When the gearbox gives the pieces of a fetch: how many after each bus word, and which end places.

Mirrors the counters of hw/unpack.py and hw/raster.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ir.isa import Kind


def pieces_before(bits: np.ndarray, values: Mapping[str, int]) -> np.ndarray:
    """How many pieces of the string end at or before bit position `bits` of a unit or tensor."""
    group_bits = (values["chunks"] - 1) * values["piece_bits"] + values["tail_bits"]
    groups, rest = np.divmod(bits, group_bits)
    if values["chunks"] == 1:
        return groups
    return groups * values["chunks"] + np.minimum(
        rest // values["piece_bits"], values["chunks"] - 1
    )


@dataclass(frozen=True, kw_only=True)
class Walk:
    """Where a fetch with `keep` left the walk: positions passed, places since the last token."""

    position: int = 0
    places: int = 0


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """A fetch's pieces against its bus words. begin: where its walk goes on (rhs)."""

    values: Mapping[str, int]
    memory_bits: int
    begin: Walk = Walk()

    @cached_property
    def total(self) -> int:
        """Pieces of all."""
        return self.values["units"] * self.values["groups"] * self.values["chunks"]

    @cached_property
    def lead(self) -> int:
        """Pieces ahead of the first word: the zeros of a row whose pixels came before."""
        return int(self.before(np.zeros(1, np.int64))[0])

    def before(self, words: np.ndarray) -> np.ndarray:
        """Pieces that have left when `words` words are used up."""
        values, width = self.values, self.memory_bits
        if values["kind"] == Kind.LHS:
            per_unit = values["groups"] * values["chunks"]
            units, rest = np.divmod(words, values["segment_beats"])
            return units * per_unit + np.minimum(pieces_before(rest * width, values), per_unit)
        if values["kind"] == Kind.RHS and values["window"]:
            return np.minimum(self._packed(words * width), self.total)
        return np.minimum(pieces_before(words * width, values), self.total)

    def _packed(self, bits: np.ndarray) -> np.ndarray:
        """With a window: the zeros at a row's end follow its last pixel and take no bits."""
        values = self.values
        planes = values["groups"]
        row_bits = values["width"] * planes * values["tail_bits"]
        row, x = divmod(self.begin.position, values["pushes"])
        begin = row * row_bits + min(x, values["width"]) * planes * values["tail_bits"]
        rows, rest = np.divmod(begin + bits, row_bits)
        pieces = rows * values["pushes"] * planes + rest // values["tail_bits"]
        return pieces - self.begin.position * planes

    def places(self) -> np.ndarray:
        """(units,) or less: the positions of this fetch, from 0 on, that are places of the grid."""
        values = self.values
        positions = np.arange(values["units"])
        if not values["window"]:
            return positions
        x = (self.begin.position + positions) % values["pushes"] - values["window_first"]
        return positions[(x >= 0) & (x % values["stride"] == 0)]

    def token_pieces(self, columns: int) -> np.ndarray:
        """Number of the piece that gives each rhs token: every `columns` places, and the rest."""
        values, places = self.values, self.places()
        ends = places[columns - 1 - self.begin.places :: columns]
        if not values["keep"] and (self.begin.places + len(places)) % columns:
            ends = np.append(ends, values["units"] - 1)
        return (ends + 1) * values["groups"] * values["chunks"] - 1

    def end(self, columns: int) -> Walk:
        """Where the next fetch goes on."""
        if not self.values["keep"]:
            return Walk()
        places = (self.begin.places + len(self.places())) % columns
        return Walk(position=self.begin.position + self.values["units"], places=places)
