"""The result stage: accumulators in, requantized tensors at their place, in the promised cycles."""

from dataclasses import replace

import numpy as np
import pytest

from codegen.device_timing import tile_order
from codegen.tiling import Order
from hw.config import OverlayConfig
from hw.emit import READY_TO_STEP
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from hw.result import SELECT_TO_CODE, Result
from ir.isa import ENTRY_BITS, PARAM, Stage, pack
from tests.hw.layers import Case, grid, instruction
from tests.hw.results import RingImage, expected_bytes
from tests.hw.streams import gap, idle, pulse, put, simulate, when

CONFIGS = [
    BitSerial(dm=2, dk=8, dn=2, memory_bits=32, ring_depth=64, acc_bits=16),
    BitSerial(dm=6, dk=8, dn=3, requant_lanes=3, ring_depth=32, acc_bits=20),
    BitSlice(dm=4, dk=8, dn=3, p=1, q=2, requant_lanes=2, ring_depth=32, acc_bits=20),
]
CASES = [
    Case(channels=2, height=3, width=4, rows=5, out_bits=3),
    Case(channels=2, height=4, width=3, rows=7, out_bits=2, stride=2, w_bits=1),  # bipolar
    Case(channels=2, height=3, width=3, rows=4, out_bits=32, kernel=2, padding=0),
]

ORDERS = [Order(), Order(block_first=3, block=2)]


class Driver:
    """The drain chain, the execute stage's reservations and the writer, around a Result."""

    def __init__(self, tiling, rng) -> None:
        self.tiling, self.config, self.rng = tiling, tiling.config, rng
        self.dut = Result(config=self.config)
        self.pace = 2  # cycles that the writer takes a word, on average
        shape, bits = tiling.shape, tiling.config.acc_bits - 2
        self.data = np.random.default_rng(rng.getrandbits(32))
        size = (shape.rows, shape.out_height, shape.out_width)
        low, high = -(1 << bits), 1 << bits
        self.acc = self.data.integers(low, high, size)
        self.sums = self.data.integers(low, high, size[1:])
        elements = shape.elements
        self.multiplier = self.data.integers(1, 2 if elements else 99, shape.rows)
        self.offset = self.data.integers(-500, 500, shape.rows)
        self.settings = {"shift": 0 if elements else 14}
        self.fields = instruction(tiling, Stage.RESULT, **self.settings)
        self.bipolar = tiling.shape.weights.bipolar

    def codes(self) -> np.ndarray:
        """What the tensor must hold: (M, H, W)."""
        acc = 2 * self.acc - self.sums if self.bipolar else self.acc
        scaled = acc * self.multiplier[:, None, None] + self.offset[:, None, None]
        return np.clip(scaled >> self.fields["shift"], self.fields["lo"], self.fields["hi"])

    async def parameters(self, ctx) -> None:
        lanes, piece_lanes = self.config.requant_lanes, self.config.param_lanes
        entries = [
            pack(PARAM, {"multiplier": int(m), "offset": int(b)})
            for m, b in zip(self.multiplier, self.offset, strict=True)
        ]
        for row in range(0, len(entries), lanes):
            address = self.fields["param_base"] + row // lanes
            for bank, first in enumerate(range(row, row + lanes, piece_lanes)):
                last = min(first + piece_lanes, row + lanes)
                piece = sum(e << ENTRY_BITS * i for i, e in enumerate(entries[first:last]))
                write = {"params": 1 << bank, "address": address, "piece": piece}
                await pulse(ctx, self.dut.write, write)

    def show(self, ctx, row_tile: int, column: int) -> None:
        """The chain's end: the accumulators of one column of a tile."""
        rows, (y, x, real) = self.tiling.shape.rows, grid(self.tiling)[column]
        for lane in range(self.config.dm):
            m = row_tile * self.config.dm + lane
            ctx.set(self.dut.acc[lane], int(self.acc[m, y, x]) if real and m < rows else 7)
        ctx.set(self.dut.column_sum, int(self.sums[y, x]) if real else 5)

    async def tiles(self, ctx) -> None:
        """Let tiles go as execute does: when there is room, and one at a time."""
        dut, tiling = self.dut, self.tiling
        ctx.set(dut.bipolar, self.bipolar)
        for tile, row, _, _ in tile_order(self.fields):
            if row == 0:
                while not ctx.get(dut.ring_room):
                    await ctx.tick()
                await pulse(ctx, dut.ring_take)
            await pulse(ctx, dut.load)
            for n in range(tiling.columns):
                self.show(ctx, row, tile * self.config.dn + n)
                await ctx.tick().until(dut.advance)
            await idle(ctx, gap(self.rng))

    async def drive(self, ctx) -> None:
        await self.parameters(ctx)
        ctx.set(self.dut.ring_words, self.tiling.ring_words)
        await put(ctx, self.dut.instructions, self.fields)
        await self.tiles(ctx)
        await ctx.tick().until(self.dut.done)
        await ctx.tick().repeat(2)

    async def writer(self, ctx) -> None:
        """Takes a ring word now and then; idle when none is left."""
        dut, depth = self.dut, self.config.ring_depth
        ctx.set(dut.writer_idle, 1)
        async for _ in ctx.tick():
            position, limit = ctx.get(dut.position), ctx.get(dut.limit)
            if position != limit and self.rng.randrange(self.pace) == 0:
                ctx.set(dut.position, (position + 1) % depth)
            ctx.set(dut.writer_idle, ctx.get(dut.position) == limit)

    def run(self) -> list[dict]:
        names = "ring limit position load advance done finished ring_room ring_take writer_idle"
        trace = {name: getattr(self.dut, name) for name in names.split()}
        return simulate(self.dut, self.drive, background=[self.writer], trace=trace)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"dm{c.dm}r{c.requant_lanes}")
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("order", ORDERS, ids=lambda o: f"{o.block_first}-{o.block}")
def test_a_layer_is_requantized_and_merged(rng, config, case: Case, order: Order) -> None:
    tiling = replace(case.tiling(config), order=order)
    driver = Driver(tiling, rng)
    cycles = driver.run()
    image = RingImage(config)
    for cycle in cycles:
        image.write(cycle["ring"])
    assert image.bytes(0, tiling.output_bytes) == expected_bytes(driver.codes(), tiling)
    assert when(cycles, "done") == when(cycles, "finished")
    assert len(when(cycles, "done")) == 1
    assert cycles[when(cycles, "done")[0]]["writer_idle"]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"dm{c.dm}r{c.requant_lanes}")
def test_no_word_is_overwritten_before_it_left(rng, config: OverlayConfig) -> None:
    """A slow writer and a tensor of several rings: every write stays within one ring of it."""
    case = Case(channels=2, height=6, width=6, rows=config.dm, out_bits=8)
    config = replace(config, ring_depth=config.ring_depth // 2)
    tiling = case.tiling(config)
    assert tiling.output_bytes > config.ring_depth * config.bus_bytes
    driver = Driver(tiling, rng)
    driver.pace = 20
    cycles = driver.run()
    image, left, position = RingImage(config), 0, 0
    for cycle in cycles:
        left += (cycle["position"] - position) % config.ring_depth
        position = cycle["position"]
        image.write(cycle["ring"])
        assert max(image.bits, default=0) // config.memory_bits < left + config.ring_depth
        assert cycle["ring_room"] or not cycle["ring_take"]
    assert image.bytes(0, tiling.output_bytes) == expected_bytes(driver.codes(), tiling)
    assert len(when(cycles, "ring_take")) == tiling.col_tiles


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"dm{c.dm}r{c.requant_lanes}")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_cycles_of_a_tile(rng, config: OverlayConfig, case: Case) -> None:
    """After `load` in c: column n leaves at c + (n + 1) * period."""
    tiling = case.tiling(config)
    cycles = Driver(tiling, rng).run()
    load = when(cycles, "load")[0]
    period = tiling.period
    expected = [load + (n + 1) * period for n in range(tiling.columns)]
    assert when(cycles, "advance")[: tiling.columns] == expected
    last_group = load + 1 + config.row_groups - 1
    first_write = last_group + SELECT_TO_CODE + READY_TO_STEP
    writes = [number for number, cycle in enumerate(cycles) if cycle["ring"].valid]
    count = min(tiling.steps, case.rows)  # as elements, rows that pad the tile are not written
    assert writes[:count] == [first_write + step for step in range(count)]


def test_a_layer_that_is_not_the_last_raises_no_irq(rng) -> None:
    driver = Driver(CASES[0].tiling(CONFIGS[0]), rng)
    driver.fields["last"] = 0
    cycles = driver.run()
    assert len(when(cycles, "done")) == 1 and not when(cycles, "finished")
