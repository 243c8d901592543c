"""Sums over the parts of K: each row group of each column has its own."""

import random

import pytest

from hw.overlays.bit_serial import BitSerial
from hw.partial import PartialSums
from tests.hw.streams import simulate


@pytest.mark.parametrize(("dm", "lanes", "dn"), [(2, 2, 1), (4, 1, 3), (6, 3, 2)])
def test_parts_add_up(dm: int, lanes: int, dn: int) -> None:
    config = BitSerial(dm=dm, dk=8, dn=dn, requant_lanes=lanes, acc_bits=12, k_split=1)
    dut, rng = PartialSums(config=config), random.Random(dm)
    places = [(column, group) for column in range(dn) for group in range(config.row_groups)]

    async def bench(ctx) -> None:
        for parts in (3, 1, 2):  # a tile of one part must not see the tile before
            totals = {place: [0] * (lanes + 1) for place in places}
            for part in range(parts):
                for column, group in places:
                    new = [rng.randint(-300, 300) for _ in range(lanes + 1)]
                    ctx.set(dut.column, column)
                    ctx.set(dut.group, group)
                    ctx.set(dut.adds, int(part > 0))
                    ctx.set(dut.keeps, int(part + 1 < parts))
                    ctx.set(dut.sums, {"rows": new[:-1], "column": new[-1]})
                    old = totals[column, group]
                    totals[column, group] = total = [a + b for a, b in zip(old, new, strict=True)]
                    found = [ctx.get(dut.total.rows[i]) for i in range(lanes)]
                    assert [*found, ctx.get(dut.total.column)] == total
                    await ctx.tick()

    simulate(dut, bench)
