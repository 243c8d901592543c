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
from codegen.tiling import Order, Tiling
from codegen.words import ceil_div
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
                tried.append((cycles_alone([(ordered, plan)]), len(tried), ordered, plan))
    _, _, ordered, plan = min(tried)
    return ordered, plan


def cycles_alone(jobs: Sequence[tuple[Tiling, Plan]]) -> int:
    """Jobs as a program of their own, the data of the largest one after the other in memory.

    All of them find their data in the same place: only the cycles are theirs.
    """
    places, place = {}, 0
    for name, length in _sizes([tiling for tiling, _ in jobs]).items():
        places[name] = place
        place += ceil_div(length, 64) * 64
    parts = [
        layer_instructions(
            tiling,
            Addresses(**places, others=(places["input"],) * (len(tiling.shape.parts) - 1)),
            index=index,
            requantize={"shift": 0, "lo": 0, "hi": 0},
            last=index + 1 == len(jobs),
            plan=plan,
        )
        for index, (tiling, plan) in enumerate(jobs)
    ]
    config = jobs[0][0].config
    program, words = assemble(parts, address=place, config=config)
    segments = {place: program, places["rows"]: pack_rows(jobs[0][0])}
    return Device(config, MemoryTiming(), segments).run(place, words).done_cycles[-1]


def _sizes(tilings: Sequence[Tiling]) -> dict[str, int]:
    """Bytes of each kind of data, at most."""
    config = tilings[0].config
    size, word_bits = config.memory_bits, config.dm * config.lhs_word_bits
    return {
        "weights": max(t.lhs_words_total * word_bits // 8 + t.row_tiles * size for t in tilings),
        "params": max(t.param_beats for t in tilings) * size,
        "taps": max(len(t.taps) for t in tilings) * ENTRY_BITS,
        "rows": max(t.row_tiles for t in tilings) * ENTRY_BITS,
        "input": max(t.input_beats for t in tilings) * size,
        "output": max(t.output_bytes for t in tilings),
    }


def cycles_in_turn(tilings: Sequence[Tiling]) -> int:
    """Bands of one layer as a program of their own, without a search for the first one's order."""
    jobs = [_later(tilings[0], tilings[0], Plan(ahead=0))]
    for tiling in tilings[1:]:
        jobs.append(_later(tiling, *jobs[-1]))
    return cycles_alone(jobs)


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
