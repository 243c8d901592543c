"""How a sum is cut when its weights exceed the banks."""

import random

import numpy as np
import pytest

from codegen.k_split import KSplit, split_k
from codegen.lower import lower
from codegen.overlap import choose
from codegen.tiling import Tiling
from codegen.workload import Workload
from hw.overlays.bit_serial import BitSerial
from ir.errors import CapacityError
from ir.graph import IntegerGraph
from ir.isa import Stage
from ir.isa import most as most_of
from ir.precision import Precision

WHOLE = KSplit()


def linear(*, channels: int, rows: int, bits: int) -> IntegerGraph:
    """A linear layer on one pixel."""
    graph, _ = Workload(
        channels=channels,
        height=1,
        width=1,
        rows=rows,
        weights=Precision(bits, signed=True),
        activations=Precision(bits, signed=False),
        output=Precision(bits, signed=False),
    ).build()
    return graph


def test_a_sum_that_fits_stays_whole() -> None:
    fits = {"span": 4, "most": 36, "entries": 128, "exact": False}
    assert split_k(words=36, **fits) == split_k(words=18, overlap=True, **fits) == WHOLE
    assert split_k(words=20, overlap=True, **fits).parts == 2


@pytest.mark.parametrize(
    ("words", "span", "most", "exact", "parts", "length"),
    [
        (40, 4, 20, False, 4, 2),  # ten words a part: half a kernel position's at a time
        (48, 8, 16, False, 6, 8),  # one kernel position each
        (37, 37, 20, False, 4, 1),  # a prime: three words are left over
        (37, 37, 20, True, 37, 1),  # and may not be: one word each
        (5, 1, 1, False, 5, 1),
    ],
)
def test_parts_leave_room_for_the_next_one(
    words: int, span: int, most: int, exact: bool, parts: int, length: int
) -> None:
    found = split_k(words=words, span=span, most=most, entries=128, exact=exact)
    assert found == KSplit(parts=parts, chunk_words=length)


def test_every_cut_is_legal() -> None:
    rng = random.Random(5)
    for _ in range(500):
        span, positions = rng.randint(1, 40), rng.randint(1, 25)
        words, most = span * positions, rng.randint(1, 64)
        exact, entries = rng.random() < 0.3, rng.choice((16, 128))
        cut = split_k(words=words, span=span, most=most, entries=entries, exact=exact)
        if cut == WHOLE:
            continue
        part = -(-words // cut.parts)
        assert span % cut.chunk_words == 0 == part % cut.chunk_words
        assert part <= max(most // 2, 1) and cut.parts <= most_of(Stage.EXECUTE, "turns")
        assert cut.parts * part // cut.chunk_words <= entries
        assert not exact or words % cut.parts == 0


def test_no_cut_is_a_refusal() -> None:
    assert split_k(words=4096, span=1, most=16, entries=128, exact=False) == WHOLE
    config = BitSerial(dm=2, dk=8, dn=2, lhs_depth=4, table_depth=16, rhs_depth=4096, k_split=1)
    with pytest.raises(CapacityError, match=r"lhs_depth \(words of a row tile's weights\) = 512"):
        lower(linear(channels=2048, rows=2, bits=2), config)


def test_parts_come_anew_for_every_tile_and_never_ahead() -> None:
    config = BitSerial(dm=2, dk=8, dn=2, lhs_depth=16, rhs_depth=256, k_split=1)
    network = lower(linear(channels=200, rows=6, bits=3), config)
    (layer,) = network.layers
    tiling = layer.tiling
    assert (tiling.turns, tiling.k_words, tiling.lhs_words) == (13, 2, 6)
    assert len(tiling.taps) == tiling.tap_count == 26 and {
        tap.offset for tap in tiling.taps
    } == set(range(25))
    assert not tiling.order.resident and tiling.order.block == 1
    ((_, plan),) = choose([Tiling(shape=tiling.shape, config=config, from_host=True)])
    assert plan.ahead == 0
    filters = np.frombuffer(network.segments[layer.addresses.weights], np.uint8)
    assert len(filters) == 3 * 13 * 16  # row tiles, parts, and 3 planes of 2 words of 2 rows
