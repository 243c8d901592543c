"""The emitter: codes in any group width land as the tensor that codegen packs."""

import random
from itertools import product

import pytest

from codegen.device_timing import tile_order
from hw.emit import READY_TO_STEP, Emitter
from hw.overlays.bit_serial import BitSerial
from ir.isa import Stage
from tests.hw.layers import Case, grid, instruction, random_codes
from tests.hw.results import RingImage, expected_bytes
from tests.hw.streams import idle, pulse, simulate, when

CONFIGS = [
    BitSerial(dm=2, dk=8, dn=2, requant_lanes=1, memory_bits=32, ring_depth=64),
    BitSerial(dm=6, dk=8, dn=3, requant_lanes=2, memory_bits=64, ring_depth=32),
    BitSerial(dm=3, dk=8, dn=4, requant_lanes=3, memory_bits=64, ring_depth=32),
    BitSerial(dm=4, dk=8, dn=1, requant_lanes=4, memory_bits=32, ring_depth=64),
]
CASES = [
    Case(channels=2, height=3, width=4, rows=5, out_bits=3),
    Case(channels=2, height=5, width=3, rows=12, out_bits=1, stride=2),
    Case(channels=2, height=3, width=3, rows=7, out_bits=32, kernel=2, padding=0),
    Case(channels=2, height=4, width=4, rows=8, out_bits=8, kernel=3, padding=0),
    Case(channels=5, height=4, width=4, rows=5, kernel=2, padding=0, out_bits=1, largest=True),
    Case(channels=7, height=3, width=4, rows=7, kernel=2, padding=0, largest=True),
]


class Driver:
    """Feeds codes as the requantizer lanes do: (turns, rows, height, width) of a layer."""

    def __init__(self, tiling, rng) -> None:
        self.tiling, self.config, self.rng = tiling, tiling.config, rng
        self.dut = Emitter(config=self.config)

    async def column(self, ctx, values: list[int], last_column: bool) -> None:
        """One column's codes, group after group; then at least until its period is over."""
        dut, lanes = self.dut, self.config.requant_lanes
        stalls = 0
        for group in range(self.config.row_groups):
            if self.rng:
                stalls += (pause := self.rng.randrange(3))
                await idle(ctx, pause)
            for lane in range(lanes):
                ctx.set(dut.codes[lane], values[group * lanes + lane])
            ctx.set(dut.group, group)
            ctx.set(dut.code_valid, 1)
            ctx.set(dut.column_ready, group == self.config.row_groups - 1)
            ctx.set(dut.last_column, last_column)
            await ctx.tick()
            ctx.set(dut.code_valid, 0)
            ctx.set(dut.column_ready, 0)
        await idle(ctx, max(0, self.tiling.period - self.config.row_groups))

    async def layer(self, ctx, codes) -> None:
        """Every column tile, its row tiles, their turns, their columns."""
        tiling, config, shape = self.tiling, self.config, self.tiling.shape
        fields = instruction(tiling, Stage.RESULT)
        ctx.set(self.dut.now, fields)
        await pulse(ctx, self.dut.restart)
        await pulse(ctx, self.dut.begin)
        places = grid(tiling)
        for tile, row, _, _ in tile_order(fields):
            for turn, n in product(range(tiling.turns), range(tiling.columns)):
                y, x, real = places[tile * config.dn + n]
                rows = range(row * config.dm, (row + 1) * config.dm)
                values = [int(codes[turn, m, y, x]) if real and m < shape.rows else 0 for m in rows]
                await self.column(ctx, values, n == tiling.columns - 1)
        await ctx.tick().repeat(tiling.steps + READY_TO_STEP + 2)

    def run(self, layers: list) -> list[dict]:
        async def drive(ctx) -> None:
            for codes in layers:
                await self.layer(ctx, codes)

        names = ("ring", "limit", "merged", "complete", "column_ready")
        return simulate(self.dut, drive, trace={name: getattr(self.dut, name) for name in names})


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"dm{c.dm}r{c.requant_lanes}")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_two_layers_land_as_packed(rng, config: BitSerial, case: Case) -> None:
    tiling = case.tiling(config)
    shape = tiling.shape
    size = (tiling.turns, shape.rows, shape.out_height, shape.out_width)
    layers = [random_codes(rng, shape.output, size) for _ in range(2)]
    cycles = Driver(tiling, rng).run(layers)
    image, words = RingImage(config), tiling.output_bytes // config.bus_bytes
    for cycle in cycles:
        image.write(cycle["ring"])
    for number, codes in enumerate(layers):
        got = image.bytes(number * words, tiling.output_bytes)
        assert got == expected_bytes(codes.max(axis=0), tiling)
    assert cycles[-1]["complete"]
    assert cycles[-1]["limit"] == 2 * words % config.ring_depth


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"dm{c.dm}r{c.requant_lanes}")
@pytest.mark.parametrize("case", CASES[:3], ids=str)
def test_words_below_the_limit_are_complete(rng, config: BitSerial, case: Case) -> None:
    """`limit` moves with each column tile's merge, to the last whole word of its pixels."""
    tiling = case.tiling(config)
    shape = tiling.shape
    codes = random_codes(rng, shape.output, (1, shape.rows, shape.out_height, shape.out_width))
    cycles = Driver(tiling, None).run([codes])
    merges = when(cycles, "merged")
    assert len(merges) == tiling.col_tiles
    places, pixels = grid(tiling), 0
    for tile, merge in enumerate(merges[:-1]):
        begin = tile * config.dn
        pixels += sum(real for *_, real in places[begin : begin + config.dn])
        words = pixels * tiling.pixel_bits // config.memory_bits
        assert cycles[merge + 1]["limit"] == words % config.ring_depth
        assert not cycles[merge + 1]["complete"]
    assert not cycles[merges[-1] + 2]["complete"] and cycles[merges[-1] + 3]["complete"]


def test_first_write_comes_with_the_first_step() -> None:
    tiling = CASES[0].tiling(CONFIGS[0])
    shape = tiling.shape
    codes = random_codes(
        random.Random(0), shape.output, (1, shape.rows, shape.out_height, shape.out_width)
    )
    cycles = Driver(tiling, None).run([codes])
    ready = when(cycles, "column_ready")[0]
    writes = [number for number, cycle in enumerate(cycles) if cycle["ring"].valid]
    first = ready + READY_TO_STEP
    assert writes[: tiling.steps] == [first + step for step in range(tiling.steps)]
