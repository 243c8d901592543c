"""The memories of an overlay, and what the synthesizer makes each of: block RAM or LUTs.

yosys weighs every way to build a memory and takes the cheapest, so the count of blocks is exact
arithmetic. Source: yosys 0.70, its memory libraries (lutrams_xc5v, brams_xc4v, lutrams_trellis,
brams_16kd) and the cost that its pass memory_libmap compares; checked against a grid of 300
memories a family and against every overlay in resource_coefficients/.
"""

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from hw.config import OverlayConfig
from hw.queue import QUEUE_INSTRUCTIONS
from hw.requantize import PARAM_LAYOUT
from hw.ring import units_per_word
from hw.unpack import PLANE_BITS
from ir.isa import INSTRUCTION_BITS, ROW, TAP, Stage, layout

MUX_COST = Fraction(1, 2)
"""Of a bit of a read multiplexer, and of a decoded write enable, between stacked units."""


@dataclass(frozen=True, kw_only=True)
class MemoryShape:
    """`depth` words of `width` bits, one write and one read port, read synchronously."""

    depth: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A way to build a memory.

    depth, width   of one unit           byte     granularity of its write enable, 0 for all of it
    cost           of one unit           per_bit  the part of the cost that unused bits save
    blocks         18 Kbit blocks of a unit, 0 for LUTs
    luts           LUTs of a unit
    extra          cost of what must be built around it
    """

    depth: int
    width: int
    cost: int
    byte: int = 0
    per_bit: int = 0
    blocks: int = 0
    luts: int = 0
    extra: int = 0


def _halving(bits: int, widths: tuple[int, ...], **shared: int) -> list[Unit]:
    """One block at every width it can take: each doubling of the width halves the depth."""
    return [
        Unit(depth=bits >> index, width=width, byte=9, **shared)
        for index, width in enumerate(widths)
    ]


UNITS = {
    "xc7": (
        Unit(depth=32, width=4, cost=8, per_bit=8, luts=4),
        Unit(depth=64, width=2, cost=8, per_bit=8, luts=4),
        Unit(depth=128, width=1, cost=8, per_bit=8, luts=4),
        Unit(depth=32, width=6, cost=8, per_bit=7, luts=4),
        Unit(depth=64, width=3, cost=8, per_bit=7, luts=4),
        *_halving(1 << 14, (1, 2, 4, 9, 18), cost=129, blocks=1),
        *_halving(1 << 15, (1, 2, 4, 9, 18, 36), cost=257, blocks=2),
        Unit(depth=512, width=36, cost=129, byte=9, blocks=1),
        Unit(depth=512, width=72, cost=257, byte=9, blocks=2),
    ),
    # extra: these blocks must be kept from reading a word in the cycle that writes it
    "ecp5": (
        Unit(depth=16, width=4, cost=4, luts=6),
        *_halving(1 << 14, (1, 2, 4, 9, 18, 36), cost=128, blocks=1, extra=12),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """blocks: 18 Kbit block RAMs. luts: LUTs used as memory. Of a single memory one is 0."""

    blocks: int
    luts: int


@lru_cache(maxsize=4096)
def map_memory(memory: MemoryShape, family: str) -> Mapped:
    """What the cheapest way to build a memory takes."""
    plans = [_plan(memory, unit) for unit in UNITS[family]]
    _, unit, count = min(plans, key=lambda plan: plan[0])
    return Mapped(blocks=unit.blocks * count, luts=unit.luts * count)


def _plan(memory: MemoryShape, unit: Unit) -> tuple[Fraction, Unit, int]:
    """(cost, unit, how many): units side by side for the width, stacked for the depth."""
    grain = unit.byte if 0 < unit.byte <= unit.width else unit.width
    padded = -(-memory.width // grain) * grain
    stacked = -(-memory.depth // unit.depth)
    count = -(-stacked * padded // unit.width)
    cost = Fraction((unit.cost - unit.per_bit) * count + unit.extra)
    cost += Fraction(unit.per_bit * stacked * memory.width, unit.width)
    muxes = (stacked - 1) * memory.width + (stacked if stacked > 1 else 0)
    return cost + MUX_COST * muxes, unit, count


TAP_BITS, ROW_BITS, PARAM_BITS = layout(TAP).size, layout(ROW).size, PARAM_LAYOUT.size


def memories(config: OverlayConfig) -> Counter[MemoryShape]:
    """{memory: how many of it} of an overlay: operand banks, queues, tables, result ring.

    An activation bank is rhs_ways memories. The packer's history is read without a register, which
    only LUTs can do: it is far too small for a block anyway.
    """
    beats = INSTRUCTION_BITS // config.memory_bits
    queue = MemoryShape(depth=QUEUE_INSTRUCTIONS * beats, width=config.memory_bits)
    found: Counter[MemoryShape] = Counter()
    for depth, width, count in (
        (config.lhs_depth, config.lhs_bits, config.dm),
        (config.rhs_depth // config.rhs_ways, config.rhs_bits, config.dn * config.rhs_ways),
        (1 << PLANE_BITS, config.rhs_bits, 1),
        (config.table_depth, TAP_BITS, 1),
        (config.table_depth, ROW_BITS, 1),
        (config.table_depth, PARAM_BITS, config.requant_lanes),
        (config.ring_depth, config.write_unit, units_per_word(config)),
    ):
        found[MemoryShape(depth=depth, width=width)] += count
    found[queue] += len(Stage)
    return found


@lru_cache(maxsize=64)
def map_memories(config: OverlayConfig, family: str) -> Mapped:
    """What all memories of an overlay take."""
    found = [(map_memory(memory, family), n) for memory, n in memories(config).items()]
    return Mapped(
        blocks=sum(mapped.blocks * n for mapped, n in found),
        luts=sum(mapped.luts * n for mapped, n in found),
    )
