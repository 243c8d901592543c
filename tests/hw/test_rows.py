"""The row table: each row tile's entry from its first cycle on, however short row tiles are."""

import pytest

from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from hw.rows import ROW_TABLE_LATENCY, RowTable
from ir.isa import ROW, pack
from tests.hw.streams import simulate

SIZES = {"dm": 1, "dk": 4, "dn": 1, "table_depth": 16, "rhs_depth": 64}


async def begin(ctx, dut: RowTable, now: dict[str, int]) -> None:
    """An instruction, and the cycles that fill the queue."""
    ctx.set(dut.now, now)
    ctx.set(dut.begin, 1)
    await ctx.tick()
    ctx.set(dut.begin, 0)
    ctx.set(dut.fill, 1)
    await ctx.tick().repeat(ROW_TABLE_LATENCY)
    ctx.set(dut.fill, 0)


def entries_seen(ctx, dut: RowTable) -> tuple[int, int, int]:
    return tuple(ctx.get(getattr(dut.entry, name)) for name in ("digits", "bipolar", "offset"))


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_entries_follow_the_row_tiles_of_one_layer_after_the_other(rng, rows: int) -> None:
    dut = RowTable(config=BitSerial(**SIZES))
    table = [(rng.randrange(1, 9), rng.randrange(2), rng.randrange(64)) for _ in range(16)]

    async def drive(ctx) -> None:
        for address, (digits, bipolar, offset) in enumerate(table):
            piece = pack(ROW, {"digits": digits, "bipolar": bipolar, "offset": offset})
            ctx.set(dut.write, {"rows": 1, "address": address, "piece": piece})
            await ctx.tick()
        ctx.set(dut.write, {})
        for base in (0, 8):
            await begin(ctx, dut, {"row_table": 1, "row_base": base, "row_tiles": rows})
            for tile in range(3 * rows + 1):
                for _ in range(rng.choice([0, 0, 1, 4])):
                    assert entries_seen(ctx, dut) == table[base + tile % rows]
                    await ctx.tick()
                assert entries_seen(ctx, dut) == table[base + tile % rows]
                ctx.set(dut.step, 1)
                await ctx.tick()
                ctx.set(dut.step, 0)

    simulate(dut, drive)


@pytest.mark.parametrize("p", [1, 2])
def test_numbers_of_digits_that_nothing_has(p: int) -> None:
    dut = RowTable(config=BitSlice(p=p, q=2, **SIZES))

    async def drive(ctx) -> None:
        for digits in range(16):
            ctx.set(
                dut.write,
                {"rows": 1, "piece": pack(ROW, {"digits": digits, "bipolar": 0, "offset": 0})},
            )
            await ctx.tick()
            assert ctx.get(dut.illegal) == (not 1 <= digits <= 8 // p), digits
        ctx.set(dut.write, {"taps": 1, "piece": 0})
        await ctx.tick()
        assert not ctx.get(dut.illegal)

    simulate(dut, drive)


@pytest.mark.parametrize("p", [1, 2])
def test_without_a_table_all_rows_are_as_the_instruction_says(p: int) -> None:
    """Digits of several bits have a sign: none of them is {-1, +1}."""
    dut = RowTable(config=BitSlice(p=p, q=2, **SIZES))

    async def drive(ctx) -> None:
        await begin(ctx, dut, {"w_digits": 3, "w_bipolar": 1, "row_tiles": 2})
        ctx.set(dut.step, 1)
        for _ in range(4):
            assert entries_seen(ctx, dut) == (3, p == 1, 0)
            await ctx.tick()

    simulate(dut, drive)
