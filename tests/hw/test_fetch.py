"""The read issuer: bursts, their cycles, and what each segment waits for."""

from typing import Any

import pytest
from amaranth.hdl import Cat

from codegen.read_timing import burst_lengths
from hw.config import OverlayConfig
from hw.fetch import ReadIssuer
from hw.kept import job_layout
from ir.isa import INSTRUCTION_BITS, Kind
from tests.hw.streams import Handshake, expect, gap, get, idle, pulse, put, simulate, when

CONFIG = OverlayConfig(dm=2, dk=8, dn=2, lhs_depth=16, memory_bits=32)


def random_fetch(rng, kind: Kind | None = None) -> dict[str, int]:
    kind = rng.choice([Kind.LHS, Kind.RHS, Kind.PARAMS]) if kind is None else kind
    lhs = kind is Kind.LHS
    return {
        "kind": kind,
        "address": rng.randrange(4096) * 4,
        "segments": rng.randint(1, 4) if lhs else 1,
        "segment_beats": rng.randint(1, 300),
        "repeats": rng.randint(1, 2) if lhs else 1,
        "reserve": rng.randint(1, 16) if lhs else 0,
    }


def segments(fetch: dict[str, int]) -> list[list[tuple[int, int]]]:
    """(address, beats) of the bursts of each segment, in order."""
    found = []
    for number in range(fetch["segments"] * fetch["repeats"]):
        offset = number % fetch["segments"] * fetch["segment_beats"] * CONFIG.bus_bytes
        address, cut = fetch["address"] + offset, []
        for beats in burst_lengths(address, fetch["segment_beats"], CONFIG.bus_bytes):
            cut.append((address, beats))
            address += beats * CONFIG.bus_bytes
        found.append(cut)
    return found


def read_address(dut: ReadIssuer) -> Handshake:
    return Handshake(payload=Cat(dut.araddr, dut.arlen), valid=dut.arvalid, ready=dut.arready)


def test_random_instructions_with_stalls(rng) -> None:
    dut = ReadIssuer(config=CONFIG)
    fetches = [random_fetch(rng) for _ in range(12)]
    job = job_layout(CONFIG)
    taken: list[int] = []  # lhs words of the segments that have begun

    async def feed(ctx) -> None:
        for fetch in fetches:
            await put(ctx, dut.instructions, fetch, rng)

    async def jobs(ctx) -> None:
        for fetch in fetches:
            kept = {name: fetch[name] for name in job.members if name in fetch}
            await expect(ctx, dut.job, job.const(dict[Any, Any](kept)), rng)

    async def addresses(ctx) -> None:
        for fetch in fetches:
            for segment in segments(fetch):
                for address, beats in segment:
                    await expect(ctx, read_address(dut), address | (beats - 1) << 32, rng)
                taken.append(fetch["reserve"])

    async def free(ctx) -> None:
        """Gives words back some time after they were taken."""
        for _ in range(sum(fetch["segments"] * fetch["repeats"] for fetch in fetches)):
            while not taken:
                await ctx.tick()
            await idle(ctx, gap(rng))
            await pulse(ctx, dut.lhs_freed, taken.pop(0))

    simulate(dut, feed, jobs, addresses, free)


def always(ctx, dut: ReadIssuer) -> None:
    ctx.set(dut.arready, 1)
    ctx.set(dut.job.ready, 1)


def test_cycles_when_nothing_holds_it() -> None:
    """Taken in c, first burst offered in c+2, a burst and a segment take 2 cycles, the next 3."""
    dut = ReadIssuer(config=CONFIG)
    fetch = {"kind": Kind.LHS, "segments": 2, "segment_beats": 600, "repeats": 1, "reserve": 1}

    async def feed(ctx) -> None:
        always(ctx, dut)
        for _ in range(2):
            await put(ctx, dut.instructions, fetch)
        await ctx.tick().repeat(30)

    trace = {"taken": dut.instructions.valid & dut.instructions.ready, "burst": dut.arvalid}
    cycles = simulate(dut, feed, trace=trace)
    assert when(cycles, "taken")[0] == 0
    first = [2, 4, 6, 8, 10, 12]  # 600 beats are 256 + 256 + 88
    assert when(cycles, "burst") == first + [12 + 3 + cycle - 2 for cycle in first]


def test_a_segment_waits_for_free_lhs_words() -> None:
    dut = ReadIssuer(config=CONFIG)
    fetch = {"kind": Kind.LHS, "segments": 3, "segment_beats": 1, "repeats": 1, "reserve": 8}

    async def feed(ctx) -> None:
        always(ctx, dut)
        await put(ctx, dut.instructions, fetch)
        await ctx.tick().repeat(30)
        await pulse(ctx, dut.lhs_freed, 7)
        await ctx.tick().repeat(10)
        await pulse(ctx, dut.lhs_freed, 1)
        await ctx.tick().repeat(10)

    cycles = simulate(dut, feed, trace={"burst": dut.arvalid, "freed": dut.lhs_freed})
    freed = when(cycles, "freed")[-1]
    assert when(cycles, "burst") == [2, 4, freed + 2], "two segments fill the 16 words"


def test_wait_done_takes_a_token() -> None:
    dut = ReadIssuer(config=CONFIG)
    fetch = {"kind": Kind.RHS, "wait_done": 1, "segments": 1, "segment_beats": 1, "repeats": 1}

    async def feed(ctx) -> None:
        always(ctx, dut)
        for _ in range(3):
            await put(ctx, dut.instructions, fetch)

    async def tokens(ctx) -> None:
        await pulse(ctx, dut.done_token)  # before it is wanted: kept
        for _ in range(2):
            await ctx.tick().repeat(40)
            await pulse(ctx, dut.done_token)
        await ctx.tick().repeat(10)

    cycles = simulate(dut, feed, tokens, trace={"burst": dut.arvalid, "done": dut.done_token})
    _, second, third = when(cycles, "done")
    assert when(cycles, "burst") == [2, second + 2, third + 2]


@pytest.mark.parametrize("instructions", [1, 7])
def test_start_fetches_the_program(instructions: int) -> None:
    dut = ReadIssuer(config=CONFIG)
    beats = instructions * INSTRUCTION_BITS // CONFIG.memory_bits

    async def drive(ctx) -> None:
        ctx.set(dut.prog_address, 4000)
        ctx.set(dut.prog_words, instructions)
        await ctx.tick()
        ctx.set(dut.job.ready, 1)
        ctx.set(dut.start, 1)
        *_, job, given = await ctx.tick().sample(dut.job.payload, dut.job.valid)
        assert given, "START is a gate passed"
        ctx.set(dut.start, 0)
        assert (job.kind, job.units, job.chunks) == (Kind.PROGRAM, instructions, 1)
        assert job.groups * instructions == beats
        assert job.tail_bits == CONFIG.memory_bits
        for length in burst_lengths(4000, beats, CONFIG.bus_bytes):
            payload = await get(ctx, read_address(dut))
            assert (payload >> 32) + 1 == length

    simulate(dut, drive)
