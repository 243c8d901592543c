# amaranth: UnusedElaboratable=no
"""The population count: right, and after stages(lanes) cycles."""

import random

import pytest

from hw.popcount import Popcount, levels, stages
from tests.hw.streams import simulate


@pytest.mark.parametrize("lanes", [1, 2, 3, 5, 8, 16, 33, 64])
def test_counts_every_cycle_after_its_stages(lanes: int) -> None:
    rng = random.Random(lanes)
    words = [0, (1 << lanes) - 1, *(rng.getrandbits(lanes) for _ in range(60))]
    dut = Popcount(lanes=lanes)

    async def drive(ctx) -> None:
        for word in [*words, *[0] * stages(lanes)]:
            ctx.set(dut.bits, word)
            await ctx.tick()

    cycles = simulate(dut, drive, trace={"count": dut.count})
    counts = [cycle["count"] for cycle in cycles[stages(lanes) :]]
    assert counts[: len(words)] == [word.bit_count() for word in words]


@pytest.mark.parametrize(("lanes", "depth", "registers"), [(1, 0, 1), (4, 2, 1), (64, 6, 3)])
def test_stages_follow_the_tree(lanes: int, depth: int, registers: int) -> None:
    assert (levels(lanes), stages(lanes)) == (depth, registers)


@pytest.mark.parametrize("lanes", [0, -3, 2.5])
def test_lanes_are_checked(lanes) -> None:
    with pytest.raises(ValueError, match=f"lanes must be a positive integer, not {lanes}"):
        Popcount(lanes=lanes)
