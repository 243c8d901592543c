"""How a layer is cut into the overlay's tiles and buffers: pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace

from codegen.turns import Tap, Turns
from codegen.words import ceil_div, device_channels
from ir.errors import CapacityError
from ir.isa import ENTRY_BITS, Stage, most

_WEIGHTS = "lhs_depth (words of a row tile's weights)"


@dataclass(frozen=True, kw_only=True)
class Order:
    """In which order a layer's tiles run: column tiles of the first and of each further block.

    resident: the weights stay on the chip until the last block; else they come for each block.
    """

    block_first: int = 1
    block: int = 1
    resident: bool = True


@dataclass(frozen=True, kw_only=True)
class Tiling(Turns):
    """A layer on an overlay: words, grid and turns, the order of its tiles and what they fill."""

    order: Order = Order()

    # weights

    @property
    def words_per_tile(self) -> int:
        """Cycles the array works on a row tile of the widest weights."""
        return self.k_words * max(self.row_digits) * self.a_digits

    @property
    def lhs_words(self) -> int:
        """Words of the widest row tile in a bank, in a turn."""
        return self.k_words * max(self.row_digits)

    @property
    def lhs_words_total(self) -> int:
        """Words of all weights in a bank."""
        return self.k_words * self.weight_turns * sum(self.row_digits)

    # tables

    @property
    def param_rows(self) -> int:
        """Rows of requant_lanes entries in the requantizer table."""
        return self.row_tiles * self.selects

    @property
    def param_beats(self) -> int:
        """Bus words of the requantizer table."""
        return ceil_div(
            self.param_rows * self.config.requant_lanes * ENTRY_BITS, self.config.memory_bits
        )

    @property
    def tap_table(self) -> bool:
        """Whether the layer needs a tap table: a single tap without offset needs none."""
        return self.taps != [Tap(offset=0, rotate=0, dy=0, dx=0)]

    @property
    def row_table(self) -> bool:
        """Whether row tiles differ, so that the row table says how."""
        return len({*zip(self.row_digits, self.row_bipolar, self.row_reads[0], strict=True)}) > 1

    # results

    @property
    def row_bits(self) -> int:
        """Bits of a pixel's plane in the output, or of a pixel when elements are written."""
        if self.shape.elements:
            return self.shape.rows * 32
        return device_channels(self.shape.rows * self.config.q)

    @property
    def pixel_bits(self) -> int:
        """Bits of a pixel in the output tensor."""
        return self.row_bits * (1 if self.shape.elements else self.out_digits)

    @property
    def steps(self) -> int:
        """Ring writes of a column: planes, or rows as elements."""
        return self.config.dm if self.shape.elements else self.out_digits

    @property
    def period(self) -> int:
        """Cycles that draining a column takes."""
        return max(self.selects, self.steps)

    @property
    def selects(self) -> int:
        """Row groups that are requantized in a column: all of them for each threshold."""
        return self.config.row_groups * self.shape.thresholds

    @property
    def ring_words(self) -> int:
        """Ring words that a column tile may occupy."""
        return ceil_div(self.columns * self.pixel_bits, self.config.memory_bits) + 1

    @property
    def ring_tiles(self) -> int:
        """Column tiles that the result ring holds at a time: the largest block."""
        return (self.config.ring_depth - 1) // self.ring_words

    @property
    def output_bytes(self) -> int:
        """Bytes of the output tensor, to the end of its last bus word."""
        bits = self.shape.pixels * self.pixel_bits
        return ceil_div(bits, self.config.memory_bits) * self.config.bus_bytes

    def check(self) -> Tiling:
        """Itself, or a CapacityError that says which buffer is too small and by how much."""
        config, name = self.config, self.shape.name
        entries = max(self.tap_count, self.row_tiles if self.row_table else 0)
        for what, needs, has in (
            (
                _WEIGHTS,
                self.lhs_words,
                config.lhs_depth,
            ),
            ("rhs_depth (words of the input)", self.rhs_words, config.rhs_depth),
            (
                "ring_depth - 1 (bus words of a column tile's results)",
                self.ring_words,
                config.ring_depth - 1,
            ),
            (
                "cycles a column (row groups * thresholds)",
                self.period,
                most(Stage.RESULT, "period"),
            ),
            ("table_depth / 2 (requantizer rows)", self.param_rows, config.table_depth // 2),
            ("table_depth / 2 (kernel positions)", entries, config.table_depth // 2),
        ):
            if needs > has:
                hint = self._of_a_cut() if what is _WEIGHTS else ""
                raise CapacityError(
                    f"layer {name!r} needs {what} = {needs}, the overlay has {has}{hint}"
                )
        return self

    def _of_a_cut(self) -> str:
        """What to say of weights that are too long: whether they could be cut."""
        if not self.splittable:
            return ""
        if self.config.k_split:
            return "; no cut leaves whole words and entries for the tap table"
        cut = replace(self, config=replace(self.config, k_split=1))
        helps = cut.lhs_words <= self.config.lhs_depth
        return "; k_split would cut them" if helps else "; not even k_split could cut them"
