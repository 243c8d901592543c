"""The order of tiles: hardware and cycle model walk the same."""

import random

from codegen.device_timing import tile_order
from hw.blocks import BlockLoop
from hw.config import OverlayConfig
from tests.hw.streams import simulate

CONFIG = OverlayConfig(dm=1, dk=8, dn=1)


def loops(rng: random.Random) -> dict[str, int]:
    """Bounds of a layer with few tiles; blocks of all sizes, larger than the layer too."""
    return {
        "row_tiles": rng.randrange(1, 4),
        "col_tiles": rng.randrange(1, 8),
        "block_first": rng.randrange(1, 9),
        "block": rng.randrange(1, 5),
    }


def test_tiles_come_in_the_order_of_the_cycle_model(rng) -> None:
    dut = BlockLoop(config=CONFIG)
    layers = [loops(rng) for _ in range(40)]
    seen = []

    async def drive(ctx) -> None:
        for fields in layers:
            ctx.set(dut.loops, fields)
            ctx.set(dut.begin, 1)
            await ctx.tick()
            ctx.set(dut.begin, 0)
            await ctx.tick()
            for _ in range(fields["row_tiles"] * fields["col_tiles"]):
                await ctx.delay(0.1e-6)
                names = (
                    "first_row first_column first_block row_last column_last row_change layer_end"
                )
                seen.append({name: ctx.get(getattr(dut, name)) for name in names.split()})
                ctx.set(dut.step, 1)
                ctx.set(dut.ends, 1)
                await ctx.tick()
                ctx.set(dut.step, 0)

    simulate(dut, drive)
    expected = []
    for fields in layers:
        tiles = list(tile_order(fields))
        for number, (column, row, first, last) in enumerate(tiles):
            expected.append(
                {
                    "first_row": row == 0,
                    "first_column": first,
                    "first_block": column < fields["block_first"],
                    "row_last": row + 1 == fields["row_tiles"],
                    "column_last": column + 1 == fields["col_tiles"],
                    "row_change": last,
                    "layer_end": number + 1 == len(tiles),
                }
            )
    assert seen == expected


def test_every_tile_comes_once(rng) -> None:
    for _ in range(50):
        fields = loops(rng)
        tiles = [(column, row) for column, row, _, _ in tile_order(fields)]
        assert len(set(tiles)) == len(tiles) == fields["row_tiles"] * fields["col_tiles"]
