"""What a turn of the array reads: kernel positions, and the parts of a sum that is cut."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from codegen.grid import Grid
from codegen.k_split import KSplit, split_k
from codegen.words import ceil_div


@dataclass(frozen=True, kw_only=True)
class Tap:
    """A kernel position: where its pixels lie relative to a column tile."""

    offset: int
    rotate: int
    dy: int
    dx: int


@dataclass(frozen=True, kw_only=True)
class Turns(Grid):
    """The turns that a tile takes, and the tap table with the kernel positions of all of them."""

    @property
    def turns(self) -> int:
        """Times that a tile is computed, each with further kernel positions.

        A maximum takes one for each kernel position, and shares the weights among them.
        """
        return self._places if self.shape.largest else self.k_split.parts

    @property
    def weight_turns(self) -> int:
        """Turns that take weights of their own."""
        return self.k_split.parts

    @property
    def splittable(self) -> bool:
        """Whether its sums can be taken in parts: rows of a group read few words, and no sums."""
        return self.shape.groups == 1 and not self.shape.largest

    @cached_property
    def k_split(self) -> KSplit:
        """How K is cut where a row tile's weights exceed the banks."""
        config = self.config
        if not (config.k_split and self.splittable):
            return KSplit()
        span = self.row_reads[1]
        return split_k(
            words=span * self._places,
            span=span,
            most=config.lhs_depth // max(self.row_digits),
            entries=config.table_depth // 2,
            exact=any(self.row_bipolar),
            overlap=self.col_tiles == 1 < self.row_tiles,  # weights pass once, in parts or not
        )

    @property
    def k_words(self) -> int:
        """Tk: words of a digit pair in a turn."""
        return self.chunk_words * self.tap_count // self.turns

    @property
    def chunk_words(self) -> int:
        """Words of a plane that an entry of the tap table reads."""
        return self.k_split.chunk_words or self.row_reads[1]

    @property
    def tap_count(self) -> int:
        """Entries of the tap table."""
        entries = self._places * self.row_reads[1] // self.chunk_words
        return ceil_div(entries, self.weight_turns) * self.weight_turns

    @property
    def _places(self) -> int:
        """Kernel positions of all operands."""
        return len(self.operand_words) * self.shape.kernel[0] * self.words_per_row

    @cached_property
    def taps(self) -> list[Tap]:
        """The tap table, in the order of the weights.

        Operands; in each kernel rows, then columns or their groups; in each, where K is split, the
        parts of its words. Zeros meet the entries that fill the last part.
        """
        words = self.chunk_words
        taps = [
            replace(tap, offset=tap.offset + chunk)
            for tap in self._positions
            for chunk in range(0, self.row_reads[1], words)
        ]
        return taps + [taps[0]] * (-len(taps) % self.weight_turns)

    @cached_property
    def _positions(self) -> list[Tap]:
        """The kernel positions of all operands."""
        return [tap for first, _ in self.operand_words for tap in self._taps(first)]

    def _taps(self, first: int) -> list[Tap]:
        """Those of an operand whose words begin at `first`."""
        shape, taps = self.shape, []
        for ky in range(shape.kernel[0]):
            for place in range(self.words_per_row):
                dy = ky * shape.dilation - shape.padding[0]
                dx = place * shape.dilation - shape.padding[1]
                phase = dy % shape.stride * self.phases_per_row
                if self.window:  # the grid begins with the padding, and zeros are in its words
                    pixel, dx = dy // shape.stride * self.virtual_width + place * self.window, 0
                else:
                    pixel = dy // shape.stride * self.virtual_width + dx // shape.stride
                    phase += dx % shape.stride
                tiles, rotate = divmod(pixel, self.config.dn)
                taps.append(
                    Tap(
                        offset=phase * self.phase_words + tiles * self.tile_stride + first,
                        rotate=rotate,
                        dy=dy,
                        dx=dx,
                    )
                )
        return taps
