"""The execute stage: the walk over a layer, word for word, and what may hold it."""

from dataclasses import replace
from itertools import product

import pytest

from codegen.device_timing import tile_order
from codegen.tiling import Order, Tiling
from hw.config import OverlayConfig
from hw.execute import ISSUE_TO_READ, TABLE_TO_ISSUE, Execute, taken_to_issue
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from ir.isa import TAP, Stage, pack
from tests.hw.layers import Case, instruction
from tests.hw.streams import gap, idle, pulse, put, simulate, when

SMALL = BitSerial(dm=2, dk=4, dn=3, lhs_depth=128, rhs_depth=128)
STREAMS = BitSerial(dm=1, dk=4, dn=2, lhs_depth=32, rhs_depth=128)
ALONE = Order()
CASES = [
    (SMALL, ALONE, Case(channels=3, height=4, width=5, rows=3)),
    (SMALL, Order(block_first=3, block=2), Case(channels=3, height=4, width=5, rows=5)),
    (
        SMALL,
        ALONE,
        Case(channels=5, height=5, width=4, rows=2, stride=2, kernel=2, w_bits=1, a_bits=3),
    ),
    (SMALL, ALONE, Case(channels=4, height=3, width=2, rows=3, kernel=1, padding=0, signed=False)),
    (STREAMS, Order(resident=False), Case(channels=2, height=3, width=3, rows=2)),
    (
        STREAMS,
        Order(block_first=2, block=3, resident=False),
        Case(channels=6, height=4, width=4, rows=2, stride=3, kernel=2, w_bits=3, a_bits=1),
    ),
    (
        BitSlice(dm=2, dk=4, dn=3, p=1, q=4, lhs_depth=64, rhs_depth=128),
        Order(block_first=2),
        Case(channels=3, height=4, width=3, rows=3, w_bits=6, a_bits=7),
    ),
    (
        BitSlice(dm=2, dk=4, dn=3, p=4, q=2, lhs_depth=64, rhs_depth=128),
        Order(block_first=2),
        Case(channels=3, height=4, width=3, rows=3, w_bits=3, a_bits=5),
    ),
    # tiles of one word: each takes room in the ring right behind another
    (
        BitSerial(dm=1, dk=4, dn=1, lhs_depth=32, rhs_depth=128),
        ALONE,
        Case(
            channels=4,
            height=3,
            width=5,
            rows=1,
            kernel=1,
            padding=0,
            w_bits=1,
            a_bits=1,
            out_bits=1,
        ),
    ),
]
IDS = [
    f"{config.dn}-{config.p}x{config.q}-{order.block_first}-{case}" for config, order, case in CASES
]


def pixels_inside(tiling, column_tile: int, tap) -> int:
    """The mask of the columns whose pixel lies inside the input at a kernel position."""
    config, shape, mask = tiling.config, tiling.shape, 0
    for n in range(config.dn):
        y, x = divmod(column_tile * config.dn + n, tiling.virtual_width)
        in_y, in_x = y * shape.stride + tap.dy, x * shape.stride + tap.dx
        mask |= (0 <= in_y < shape.height and 0 <= in_x < shape.width) << n
    return mask


def weights_of(tiling, column: int, row: int) -> int:
    """How many row tiles of weights arrived before those of this tile."""
    order = tiling.order
    if order.resident:
        return row
    block = 0 if column < order.block_first else 1 + (column - order.block_first) // order.block
    return block * tiling.row_tiles + row


def arrivals(tiling) -> int:
    """Row tiles of weights that are fetched in all."""
    return weights_of(tiling, tiling.col_tiles - 1, tiling.row_tiles - 1) + 1


def walk(tiling, fields: dict[str, int], first_lhs: int = 0):
    """(read, step, last) of every word of the layer."""
    config = tiling.config
    p, q, unit = config.p, config.q, min(config.p, config.q)
    digits = product(range(fields["w_digits"]), range(fields["a_digits"]))
    pairs = sorted((i * p + j * q, i if p <= q else j, i, j) for i, j in digits)
    for column, row, _, _ in tile_order(fields):
        lhs = first_lhs + weights_of(tiling, column, row) * tiling.lhs_words
        for number, (distance, _, i, j) in enumerate(pairs):
            for k, (place, chunk) in enumerate(
                product(range(len(tiling.taps)), range(tiling.chunks))
            ):
                tap = tiling.taps[place]
                rhs = column * tiling.tile_stride + j * tiling.chunks + chunk + tap.offset
                read = (
                    (lhs + i * tiling.k_words + k) % config.lhs_depth,
                    rhs % config.rhs_depth,
                    (rhs + tiling.tile_stride) % config.rhs_depth,
                    tap.rotate,
                    pixels_inside(tiling, column, tap),
                )
                grown = distance - pairs[number - 1][0] if number and k == 0 else 0
                step = (
                    number == 0 and k == 0,
                    grown // unit,
                    i == 0 and fields["w_signed"] and not fields["w_bipolar"],
                    j == 0 and fields["a_signed"],
                )
                last = number == len(pairs) - 1 and k == tiling.k_words - 1
                yield read, step, last


class Driver:
    """Tap table, tokens and ring room for layers one after the other."""

    def __init__(self, tilings: list[Tiling], rng) -> None:
        self.tilings, self.rng = tilings, rng
        self.config = tilings[0].config
        self.dut = Execute(config=self.config)
        self.fields = [
            instruction(tiling, Stage.EXECUTE, index=index) for index, tiling in enumerate(tilings)
        ]
        self.layers_done = 0

    async def instructions(self, ctx) -> None:
        for tiling, fields in zip(self.tilings, self.fields, strict=True):
            await self.tables(ctx, tiling, fields)
            await put(ctx, self.dut.instructions, fields)

    async def tables(self, ctx, tiling: Tiling, fields: dict[str, int]) -> None:
        """The tap table, and the token with its last entry."""
        for index, tap in enumerate(tiling.taps):
            entry = {"offset": tap.offset, "rotate": tap.rotate, "dy": tap.dy, "dx": tap.dx}
            address = fields["tap_base"] + index
            last = tiling.tap_table and index + 1 == len(tiling.taps)
            ctx.set(self.dut.table_token, last)
            await pulse(
                ctx, self.dut.write, {"taps": 1, "address": address, "piece": pack(TAP, entry)}
            )
        ctx.set(self.dut.table_token, 0)

    async def follow(self, ctx) -> None:
        for tiling in self.tilings:
            for _ in range(tiling.row_tiles * tiling.col_tiles):
                await ctx.tick().until(self.dut.last)
            self.layers_done += 1
        await ctx.tick().repeat(2)

    async def lhs(self, ctx) -> None:
        for tiling in self.tilings:
            for _ in range(arrivals(tiling)):
                await idle(ctx, 3 * gap(self.rng))
                await pulse(ctx, self.dut.lhs_token)

    async def rhs(self, ctx) -> None:
        for layer, fields in enumerate(self.fields):
            while self.layers_done < layer:  # its input is the layer before
                await ctx.tick()
            for _ in range(fields["rhs_total"]):
                await idle(ctx, 3 * gap(self.rng))
                await pulse(ctx, self.dut.rhs_token)

    async def room(self, ctx) -> None:
        ctx.set(self.dut.ring_room, 1)
        async for _ in ctx.tick():
            ctx.set(self.dut.ring_room, self.rng is None or self.rng.randrange(3) == 0)

    def run(self) -> list[dict]:
        names = (
            "issued read step last lhs_token rhs_token lhs_freed ring_take ring_words ring_room"
            " waits_lhs waits_rhs waits_result table_token"
        )
        trace = {name: getattr(self.dut, name) for name in names.split()}
        trace["taken"] = self.dut.instructions.valid & self.dut.instructions.ready
        benches = (self.instructions, self.follow, self.lhs, self.rhs)
        return simulate(self.dut, *benches, background=[self.room], trace=trace)


def seen(cycles: list[dict], issue: int):
    """What `walk` yields for a word, as the buffers and the array saw it."""
    read, step = (cycles[issue + ISSUE_TO_READ][name] for name in ("read", "step"))
    assert step.valid
    return (
        (
            read.lhs,
            read.rhs,
            read.far,
            read.rotate,
            cycles[issue + ISSUE_TO_READ + 1]["read"].valid,
        ),
        (step.clear, step.shift, step.lhs_signed, step.rhs_signed),
        cycles[issue + ISSUE_TO_READ]["last"],
    )


@pytest.mark.parametrize(("config", "order", "case"), CASES, ids=IDS)
def test_walk_of_two_layers_with_random_tokens(
    rng, config: OverlayConfig, order: Order, case: Case
) -> None:
    tilings = [replace(case.tiling(config), order=order) for _ in range(2)]
    driver = Driver(tilings, rng)
    cycles = driver.run()
    per_layer = arrivals(tilings[0])
    expected = [
        word
        for layer, tiling in enumerate(tilings)
        for word in walk(tiling, driver.fields[layer], layer * per_layer * tiling.lhs_words)
    ]
    issues = when(cycles, "issued")
    assert [seen(cycles, issue) for issue in issues] == expected
    assert when(cycles, "lhs_freed") and sum(c["lhs_freed"] for c in cycles) == (
        2 * per_layer * tilings[0].lhs_words
    )


@pytest.mark.parametrize(("config", "order", "case"), CASES, ids=IDS)
def test_nothing_is_issued_before_its_tokens(
    rng, config: OverlayConfig, order: Order, case: Case
) -> None:
    tiling = replace(case.tiling(config), order=order)
    driver = Driver([tiling], rng)
    cycles, fields = driver.run(), driver.fields[0]
    issues = when(cycles, "issued")
    lhs, rhs = when(cycles, "lhs_token"), when(cycles, "rhs_token")
    words = tiling.words_per_tile
    for tile, (column, row, _, _) in enumerate(tile_order(fields)):
        first, last = issues[tile * words], issues[(tile + 1) * words - 1]
        assert lhs[weights_of(tiling, column, row)] < first
        need = min(fields["rhs_first"] + column * fields["rhs_step"], fields["rhs_total"])
        assert rhs[need - 1] < first
        assert cycles[last]["ring_take"] == (row == 0)
        if row == 0:
            assert cycles[last - 1]["ring_room"] and not cycles[last - 1]["ring_take"]
            assert cycles[last]["ring_words"] == tiling.ring_words
        if tile:
            assert last - issues[tile * words - 1] >= fields["tile_cycles"], "still draining"
    for number, cycle in enumerate(cycles):
        waits = cycle["waits_lhs"] or cycle["waits_rhs"] or cycle["waits_result"]
        assert not (cycle["issued"] and waits)
        if number > when(cycles, "taken")[0] + taken_to_issue(config) - 1 and number <= issues[-1]:
            assert cycle["issued"] or waits, "an idle cycle without a reason"


@pytest.mark.parametrize(("config", "order", "case"), CASES, ids=IDS)
def test_cycles_with_all_tokens_there(config: OverlayConfig, order: Order, case: Case) -> None:
    """A word a cycle from taken_to_issue on, except where a tile is still draining, and where a
    word that takes room in the ring would follow another right away."""
    tiling = replace(case.tiling(config), order=order)
    driver = Driver([tiling], None)
    dut, fields = driver.dut, driver.fields[0]

    async def late_instruction(ctx) -> None:
        await ctx.tick().repeat(fields["rhs_total"] + tiling.row_tiles * tiling.col_tiles + 2)
        await Driver.instructions(driver, ctx)

    driver.instructions = late_instruction  # type: ignore[method-assign]
    cycles = driver.run()
    issue = when(cycles, "taken")[0] + taken_to_issue(dut.config)
    expected, drained, takes = [], 0, -1
    for _, row, _, _ in tile_order(fields):
        last = max(issue + tiling.words_per_tile - 1, drained)
        if row == 0:
            last = takes = max(last, takes + 2)
        expected += [*range(issue, issue + tiling.words_per_tile - 1), last]
        issue, drained = last + 1, last + fields["tile_cycles"]
    assert when(cycles, "issued") == expected


@pytest.mark.parametrize("late", [0, 1, 30])
def test_a_layer_waits_for_its_tables(late: int) -> None:
    """All else is there when the tap table's token comes: the first word follows, with its tap."""
    config, order, case = CASES[0]
    tiling = replace(case.tiling(config), order=order)
    driver = Driver([tiling], None)
    dut, fields = driver.dut, driver.fields[0]

    async def table_last(ctx) -> None:
        await put(ctx, dut.instructions, fields)
        await ctx.tick().repeat(fields["rhs_total"] + arrivals(tiling) + late)
        await driver.tables(ctx, tiling, fields)

    driver.instructions = table_last  # type: ignore[method-assign]
    cycles = driver.run()
    issues = when(cycles, "issued")
    assert issues[0] == when(cycles, "table_token")[0] + TABLE_TO_ISSUE
    assert [seen(cycles, issue) for issue in issues] == list(walk(tiling, fields))
