"""The host's registers: START, strobes, what is kept while busy, and the counters."""

import pytest
from amaranth.hdl import Cat

from hw.control import CYCLES_BEFORE, OKAY, SLVERR, Control
from hw.csr import (
    ADDRESS_BITS,
    CODE_SHIFT,
    COUNTERS,
    OFFSETS,
    REGISTERS,
    VERSION,
    Code,
)
from hw.overlays.bit_serial import BitSerial
from tests.hw.streams import Handshake, gap, get, idle, pulse, put, simulate, when

CONFIG = BitSerial(dm=2, dk=8, dn=2)
STOPPING = 3
"""Cycles from a fault to irq where the bus is idle: kept, drained, cleared."""


class Host:
    """An AXI4-Lite master."""

    def __init__(self, dut: Control, rng=None) -> None:
        self.dut, self.rng = dut, rng
        self.reads = Handshake(payload=dut.araddr, valid=dut.arvalid, ready=dut.arready)
        self.answers = Handshake(
            payload=Cat(dut.rdata, dut.rresp), valid=dut.rvalid, ready=dut.rready
        )
        self.written = Handshake(payload=dut.bresp, valid=dut.bvalid, ready=dut.bready)

    async def read(self, ctx, name: str) -> int:
        value, response = await self.load(ctx, OFFSETS[name])
        assert response == OKAY
        return value

    async def load(self, ctx, offset: int) -> tuple[int, int]:
        """(value, response) of a read."""
        await put(ctx, self.reads, offset, self.rng)
        word = await get(ctx, self.answers, self.rng)
        return word & 0xFFFFFFFF, word >> 32

    async def write(self, ctx, name: str, value: int, strobe: int = 0xF) -> None:
        assert await self.store(ctx, OFFSETS[name], value, strobe) == OKAY

    async def store(self, ctx, offset: int, value: int, strobe: int = 0xF) -> int:
        """Response of a write."""
        dut = self.dut
        late = gap(self.rng)
        early = rng_bit(self.rng)  # which of address and data comes first
        first, second = (dut.awvalid, dut.wvalid) if early else (dut.wvalid, dut.awvalid)
        ctx.set(dut.awaddr, offset)
        ctx.set(dut.wdata, value)
        ctx.set(dut.wstrb, strobe)
        ctx.set(first, 1)
        await idle(ctx, late)
        ctx.set(second, 1)
        await ctx.tick().until(dut.awready & dut.wready)
        ctx.set(dut.awvalid, 0)
        ctx.set(dut.wvalid, 0)
        return await get(ctx, self.written, self.rng)


def rng_bit(rng) -> int:
    return rng.randrange(2) if rng else 0


def test_registers_keep_what_is_written(rng) -> None:
    dut = Control(config=CONFIG)
    host = Host(dut, rng)

    async def drive(ctx) -> None:
        assert await host.read(ctx, "ID") == CONFIG.hash
        value = 0
        for _ in range(12):
            new, strobe = rng.getrandbits(32), rng.getrandbits(4)
            mask = sum(0xFF << (8 * byte) for byte in range(4) if strobe >> byte & 1)
            value = value & ~mask | new & mask
            await host.write(ctx, "PROG_ADDR", new, strobe)
            assert await host.read(ctx, "PROG_ADDR") == value
            assert ctx.get(dut.values["PROG_ADDR"]) == value
        await host.write(ctx, "PROG_WORDS", 0x51234)
        assert await host.read(ctx, "PROG_WORDS") == ctx.get(dut.values["PROG_WORDS"]) == 0x1234
        assert await host.read(ctx, "VERSION") == VERSION
        assert await host.read(ctx, "MEM_LIMIT") == 0, "after reset nothing may be touched"

    simulate(dut, drive)


def test_one_job(rng) -> None:
    """START, nothing changed while busy, irq at the end, cleared by its register or by START."""
    dut = Control(config=CONFIG)
    host = Host(dut, rng)

    async def drive(ctx) -> None:
        await host.write(ctx, "PROG_ADDR", 64)
        await host.write(ctx, "CONTROL", 0)
        await host.write(ctx, "CONTROL", 1, strobe=0b1110)
        assert await host.read(ctx, "STATUS") == 0
        for clear in (True, False):
            await host.write(ctx, "CONTROL", 1)
            assert await host.read(ctx, "STATUS") == 1
            assert await host.store(ctx, OFFSETS["PROG_ADDR"], 128) == SLVERR
            assert await host.read(ctx, "PROG_ADDR") == 64
            assert not ctx.get(dut.irq)
            await pulse(ctx, dut.finished)
            assert ctx.get(dut.irq)
            assert await host.read(ctx, "STATUS") == 2
            if clear:
                await host.write(ctx, "IRQ_CLEAR", 1)
                assert not ctx.get(dut.irq)

    cycles = simulate(dut, drive, trace={"start": dut.start})
    assert len(when(cycles, "start")) == 2


def test_every_address(rng) -> None:
    """The whole address space, byte by byte: what the table does not allow is refused."""
    dut = Control(config=CONFIG)
    host = Host(dut)
    table = {register.offset: register for register in REGISTERS}
    free = dict.fromkeys(("PROG_ADDR", "MEM_BASE", "TIMEOUT", "CYCLE_LIMIT"), 0)

    async def drive(ctx) -> None:
        for offset in range(1 << ADDRESS_BITS):
            access = table[offset].access if offset in table else ""
            value, response = await host.load(ctx, offset)
            assert response == (OKAY if access in ("ro", "rw") else SLVERR), hex(offset)
            assert response == OKAY or value == 0
            wanted = OKAY if access in ("wo", "rw") else SLVERR
            assert await host.store(ctx, offset, 0xFFFFFFFF, strobe=0) == wanted, hex(offset)
            if not access:
                assert await host.store(ctx, offset, 0xFFFFFFFF) == SLVERR
        assert {name: await host.read(ctx, name) for name in free} == free
        assert not ctx.get(dut.irq) and not ctx.get(dut.busy)

    simulate(dut, drive, limit=60_000)


def test_counters(rng) -> None:
    dut = Control(config=CONFIG)
    host, names = Host(dut, rng), list(COUNTERS)
    counted = dict.fromkeys(names, 0)

    async def events(ctx) -> None:
        ctx.set(dut.events, (1 << len(names)) - 1)  # idle: nothing counts
        await ctx.tick().until(dut.start)
        for _ in range(rng.randrange(20, 60)):
            word = rng.getrandbits(len(names)) & ~1
            ctx.set(dut.events, word)
            for index, name in enumerate(names):
                counted[name] += word >> index & 1
            await ctx.tick()
        ctx.set(dut.events, 0)
        await pulse(ctx, dut.finished)
        ctx.set(dut.events, (1 << len(names)) - 1)

    async def host_side(ctx) -> None:
        await host.write(ctx, "CONTROL", 1)
        await ctx.tick().until(dut.irq)
        for name in names[1:]:
            assert await host.read(ctx, name) == counted[name]
            assert await host.read(ctx, f"{name}_HI") == 0
        cycles = await host.read(ctx, "CYCLES")
        await ctx.tick().repeat(5)
        assert await host.read(ctx, "CYCLES") == cycles, "stopped"
        seen.append(cycles)

    seen: list[int] = []
    taken = dut.wready & (dut.awaddr == OFFSETS["CONTROL"])
    trace = simulate(dut, events, host_side, trace={"start": taken, "irq": dut.irq})
    # both edges as an observer sees them: START's own, and the first that sees irq high
    assert seen == [when(trace, "irq")[0] - when(trace, "start")[0]]


def test_high_half_is_latched_with_the_low_half() -> None:
    """A carry between the two reads must not show."""
    dut = Control(config=CONFIG)
    host = Host(dut)

    async def drive(ctx) -> None:
        await host.write(ctx, "CONTROL", 1)
        await ctx.tick().repeat(2 * 2 * len(COUNTERS))
        await ctx.tick().until(dut.counters.index == 4)
        ctx.set(dut.counters.words.data[0], (1 << 32) - 1)  # of CYCLES: 32 more and it carries
        before = await host.read(ctx, "CYCLES")
        assert (1 << 32) - 32 <= before < 1 << 32
        await ctx.tick().repeat(40)
        assert await host.read(ctx, "CYCLES_HI") == 0, "as it was at the low half"
        assert await host.read(ctx, "CYCLES") < 200
        assert await host.read(ctx, "CYCLES_HI") == 1

    simulate(dut, drive)


@pytest.mark.parametrize("limit", [1, 2, 5, 40])
def test_a_job_ends_after_so_many_cycles(limit: int) -> None:
    """It is BUSY from the second cycle on, so that no limit is less than two."""
    dut = Control(config=CONFIG)
    host = Host(dut)

    async def drive(ctx) -> None:
        ctx.set(dut.bus_idle, 1)
        await host.write(ctx, "CYCLE_LIMIT", limit)
        await host.write(ctx, "CONTROL", 1)
        await ctx.tick().until(dut.irq)
        assert await host.read(ctx, "STATUS") >> CODE_SHIFT == Code.CYCLES
        seen.append(await host.read(ctx, "CYCLES"))

    seen: list[int] = []
    simulate(dut, drive)
    assert seen == [max(limit, CYCLES_BEFORE) + STOPPING]


@pytest.mark.parametrize("cycles", [5, 6])
def test_a_job_of_exactly_the_limit_is_done(cycles: int) -> None:
    dut = Control(config=CONFIG)
    host = Host(dut)

    async def drive(ctx) -> None:
        ctx.set(dut.bus_idle, 1)
        await host.write(ctx, "CYCLE_LIMIT", 5)
        await host.write(ctx, "CONTROL", 1)

    async def core(ctx) -> None:
        await ctx.tick().until(dut.start)
        await ctx.tick().repeat(cycles - CYCLES_BEFORE - 1)
        await pulse(ctx, dut.finished)
        await ctx.tick().until(dut.irq)
        seen.append((await host.read(ctx, "STATUS") >> CODE_SHIFT, await host.read(ctx, "CYCLES")))

    seen: list[tuple[int, int]] = []
    simulate(dut, drive, core)
    assert seen == [(Code.NONE, 5) if cycles == 5 else (Code.CYCLES, 5 + STOPPING)]


def test_a_write_waits_for_the_core_to_be_cleared() -> None:
    """START before `clear` ends would be lost: it is taken, done behind `clear` and answered."""
    dut = Control(config=CONFIG)

    async def drive(ctx) -> None:
        ctx.set(dut.bus_idle, 1)
        host = Host(dut)
        await host.write(ctx, "CONTROL", 1)
        ctx.set(dut.finished, 1)
        ctx.set(dut.awaddr, OFFSETS["CONTROL"])
        ctx.set(dut.wdata, 1)
        ctx.set(dut.wstrb, 1)
        ctx.set(dut.awvalid, 1)
        ctx.set(dut.wvalid, 1)
        ctx.set(dut.bready, 1)
        await ctx.tick()
        for signal in (dut.finished, dut.awvalid, dut.wvalid):
            ctx.set(signal, 0)
        await ctx.tick().repeat(4)

    trace = {"start": dut.start, "clear": dut.clear, "answer": dut.bvalid}
    cycles = simulate(dut, drive, trace=trace)
    (*after_reset, clear), start = when(cycles, "clear"), when(cycles, "start")[1]
    assert after_reset == [0, 1]
    assert start == clear + 1
    assert [cycle for cycle in when(cycles, "answer") if cycle >= clear] == [start + 1]
