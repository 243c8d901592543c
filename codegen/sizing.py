"""Sizing: the overlay that runs a network in the fewest predicted cycles within a budget.

The answer is a point on the exact front of LUTs against cycles (search.py): the last one within the
budget; the one behind it says what the next faster size needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codegen.budget import Budget
from codegen.search import Point, Search
from codegen.styles import Style
from hw.config import OverlayConfig
from hw.overlays.bit_serial import BitSerial
from ir.errors import CapacityError
from ir.graph import IntegerGraph


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """The chosen overlay.

    cycles      of one image, START to irq, predicted
    resources   {luts, ff, bram, dsp} predicted, by which model, and the budget of each
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
    budget: Budget,
    family: str,
    memory_bits: int,
    latency: int,
    must_run: Sequence[IntegerGraph] = (),
    styles: Sequence[Style] = (BitSerial,),
    clock_mhz: float = 0.0,
    most: int | None = None,
) -> Sizing:
    """The overlay with the fewest predicted cycles for `graph` within the budget.

    family: whose resource model counts. latency: of the memory, in cycles. must_run: graphs that
    have to run on it as well, however long that takes. The accumulator holds any weights of the
    graphs' precisions, so that training does not change it. styles: what is chosen from
    (codegen/styles.py). most: not the whole front, but so many overlays of the least bounds are
    looked at, in a fraction of the time. clock_mhz: overlays that would not reach it are left out,
    where the family has a clock model (codegen/clock_model.py).

    Where an array's buffers exceed the block RAMs, layers may run in bands of rows and in parts of
    their sums: with shorter banks and more cycles, which the exact model counts.

    Raises CapacityError when not even the smallest overlay fits, ConfigError for a family without a
    model.
    """
    search = Search(
        graph=graph,
        must_run=must_run,
        styles=styles,
        family=family,
        memory_bits=memory_bits,
        latency=latency,
        budget=budget,
        clock_mhz=clock_mhz,
    )
    if most is not None:
        return _quick(search, most)
    front = search.front()
    inside = [point for point in front if point.luts <= budget.luts]
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
