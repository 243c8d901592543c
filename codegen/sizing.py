"""Sizing: the overlay that runs a network in the fewest predicted cycles within a budget.

The answer is a point on the exact front of LUTs against cycles (search.py): the last one within the
budget; the one behind it says what the next faster size needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codegen.resources import BLOCK_BITS, counted_blocks
from codegen.search import Point, Search
from hw.config import OverlayConfig
from hw.overlays.bit_serial import BitSerial
from ir.errors import CapacityError, ConfigError
from ir.graph import IntegerGraph


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """The chosen overlay.

    cycles      of one image, START to irq, predicted
    resources   {luts, ff, bram, dsp} predicted, by which model, and the budget
    clock       {mhz} predicted, by which model, and what is needed; None: no model for the family
    limit       what keeps it from being faster, with figures
    pareto      no point has both fewer LUTs and fewer cycles; the next size beyond the budget
                is the last one, where there is one
    """

    config: OverlayConfig
    cycles: int
    resources: Mapping[str, Any]
    clock: Mapping[str, Any] | None
    limit: str
    pareto: tuple[Point, ...] = field(repr=False)


def size(
    graph: IntegerGraph,
    *,
    luts: int,
    bram_blocks: int,
    family: str,
    memory_bits: int,
    latency: int,
    bram_block_bits: int = BLOCK_BITS,
    must_run: Sequence[IntegerGraph] = (),
    style: type[OverlayConfig] = BitSerial,
    clock_mhz: float = 0.0,
    most: int | None = None,
) -> Sizing:
    """The overlay with the fewest predicted cycles for `graph` within `luts` and `bram_blocks`.

    family: whose resource model counts. latency: of the memory, in cycles. must_run: graphs that
    have to run on it as well, however long that takes. The accumulator holds any weights of the
    graphs' precisions, so that training does not change it. most: not the whole front, but so many
    overlays of the least bounds are looked at, in a fraction of the time. clock_mhz: overlays that
    would not reach it are left out, where the family has a clock model (codegen/clock_model.py).

    Where an array's buffers exceed `bram_blocks`, layers may run in bands of rows and in parts of
    their sums: with shorter banks and more cycles, which the exact model counts.

    Raises CapacityError when not even the smallest overlay fits, ConfigError for a family without a
    model or a budget that is not positive.
    """
    for name, value in (("luts", luts), ("bram_blocks", bram_blocks)):
        if value < 1:
            raise ConfigError(f"{name} must be positive, not {value}")
    search = Search(
        graph=graph,
        must_run=must_run,
        style=style,
        family=family,
        memory_bits=memory_bits,
        latency=latency,
        luts=luts,
        bram=counted_blocks(bram_blocks, bram_block_bits),
        clock_mhz=clock_mhz,
    )
    if most is not None:
        return _quick(search, most)
    front = search.front()
    inside = [point for point in front if point.luts <= luts]
    if not inside:
        raise CapacityError(search.too_small())
    best = inside[-1]
    return Sizing(
        config=best.config,
        cycles=best.cycles,
        resources=search.describe(best.config),
        clock=search.clock(best.config),
        limit=search.limit(best, front),
        pareto=tuple(front),
    )


def _quick(search: Search, most: int) -> Sizing:
    best = search.best(most)
    if best is None:
        raise CapacityError(search.too_small())
    return Sizing(
        config=best.config,
        cycles=best.cycles,
        resources=search.describe(best.config),
        clock=search.clock(best.config),
        limit=f"the fastest of the {most} overlays that could be fastest; `size` looks at all",
        pareto=(best,),
    )
