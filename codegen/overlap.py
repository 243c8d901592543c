"""Which operands come when: the order of tiles and fetches that keeps the array busy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, takewhile

from codegen.assemble import assemble
from codegen.device_timing import Device
from codegen.memory import pack_rows
from codegen.read_timing import MemoryTiming
from codegen.schedule import Addresses, Plan, layer_instructions, row_tile_beats
from codegen.tiling import Order, Tiling, ceil_div
from ir.isa import ENTRY_BITS

MOST_BLOCK = 16
"""Column tiles of the largest first block that is tried."""


def choose(tilings: Sequence[Tiling]) -> list[tuple[Tiling, Plan]]:
    """Each layer's tiling with its order, and when its operands are fetched.

    The first layer has nothing to hide its fetches behind: every sensible order is put to the cycle
    model (with the reference memory; results do not depend on it), and the fastest is taken. The
    weights of a later layer are fetched while the layer before it runs, as far as they fit.
    """
    chosen = [_first(tilings[0])]
    for tiling in tilings[1:]:
        chosen.append(_later(tiling, *chosen[-1]))
    return chosen


def _orders(tiling: Tiling) -> Iterator[Order]:
    """Orders that the buffers allow. Parts of K come anew for every tile."""
    if tiling.weight_turns > 1:
        yield Order(resident=False)
        return
    most = min(tiling.ring_tiles, tiling.col_tiles)
    resident = tiling.lhs_words_total <= tiling.config.lhs_depth
    firsts = {min(block, most) for block in (*range(1, 9), 12, MOST_BLOCK)}
    if resident:
        for first in sorted(firsts):
            yield Order(block_first=first, block=1)
    if not resident or most == tiling.col_tiles:
        blocks = ceil_div(tiling.col_tiles, most)
        block = ceil_div(tiling.col_tiles, blocks)
        yield Order(block_first=block, block=block, resident=False)


def _first(tiling: Tiling) -> tuple[Tiling, Plan]:
    """The fastest of all orders and cuts, by the cycle model."""
    tried = []
    for order in _orders(tiling):
        ordered = replace(tiling, order=order)
        cuts = {0, ordered.pixels_before(order.block_first)} if order.resident else {0}
        for cut in sorted(cuts):
            for ahead in (0,) if tiling.weight_turns > 1 else (0, 1):
                plan = Plan(ahead=ahead, cut=cut)
                tried.append((cycles_alone(ordered, plan), len(tried), ordered, plan))
    _, _, ordered, plan = min(tried)
    return ordered, plan


def cycles_alone(tiling: Tiling, plan: Plan) -> int:
    """The layer as a program of its own, its data one after the other in memory."""
    size = tiling.config.memory_bits
    weights = tiling.lhs_words_total * tiling.config.dm * tiling.config.lhs_word_bits // 8
    sizes = {
        "weights": weights + tiling.row_tiles * size,
        "params": tiling.param_beats * size,
        "taps": len(tiling.taps) * ENTRY_BITS,
        "rows": tiling.row_tiles * ENTRY_BITS,
        "input": tiling.input_beats * size,
        "output": tiling.output_bytes,
    }
    places, place = {}, 0
    for name, length in sizes.items():
        places[name] = place
        place += ceil_div(length, 64) * 64
    others = (places["input"],) * (len(tiling.shape.parts) - 1)
    part = layer_instructions(
        tiling,
        Addresses(**places, others=others),
        index=0,
        requantize={"shift": 0, "lo": 0, "hi": 0},
        last=True,
        plan=plan,
    )
    program, words = assemble([part], address=place, config=tiling.config)
    segments = {place: program, places["rows"]: pack_rows(tiling)}
    return Device(tiling.config, MemoryTiming(), segments).run(place, words).done_cycles[-1]


def _later(tiling: Tiling, before: Tiling, plan_before: Plan) -> tuple[Tiling, Plan]:
    """Weights stay if they can; what fits beside those of the layer before is fetched ahead.

    Few column tiles run as one block: weights pass once, and free their words as they go. No more
    is fetched ahead than comes in while the layer before runs, since the input waits behind it.
    """
    orders = list(_orders(tiling))
    streams = [order for order in orders if not order.resident]
    few = streams and streams[0].block_first >= tiling.col_tiles <= MOST_BLOCK
    order = streams[0] if few else orders[0]
    if not order.resident and order.block_first < tiling.col_tiles:
        return replace(tiling, order=order), Plan(ahead=0)
    held = before.lhs_words_total if before.order.resident else 2 * before.lhs_words
    room = tiling.config.lhs_depth - min(held, tiling.config.lhs_depth)
    time = _array_cycles(before) - before.input_beats
    waiting = before.row_digits[plan_before.ahead :]
    time -= before.weight_turns * sum(row_tile_beats(before, digits) for digits in waiting)
    turns = tiling.weight_turns
    words = accumulate(turns * digits * tiling.k_words for digits in tiling.row_digits)
    beats = accumulate(turns * row_tile_beats(tiling, digits) for digits in tiling.row_digits)
    fits = (w <= room and b <= time for w, b in zip(words, beats, strict=True))
    ahead = sum(takewhile(bool, fits))
    ordered = replace(tiling, order=order)
    cut = ordered.pixels_before(order.block_first) if ahead < tiling.row_tiles else 0
    return ordered, Plan(ahead=ahead, cut=cut if order.resident else 0)


def _array_cycles(tiling: Tiling) -> int:
    """Cycles that the array works on a layer."""
    words = sum(tiling.row_digits) * tiling.k_words * tiling.a_digits
    return words * tiling.turns * tiling.col_tiles
