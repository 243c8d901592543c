"""The write master: legal bursts, the ring's words in order, in the promised cycles."""

import pytest
from amaranth.hdl import Cat

from hw.bus.axi import MAX_BURST, PAGE_BYTES
from hw.overlays.bit_serial import BitSerial
from hw.writer import Writer
from tests.hw.streams import Handshake, gap, get, idle, pulse, simulate, when


class Memory:
    """Takes bursts; `words` is what was written, by byte address."""

    def __init__(self, dut: Writer, bus_bytes: int, rng) -> None:
        self.dut, self.bus_bytes, self.rng = dut, bus_bytes, rng
        self.words: dict[int, int] = {}
        self.bursts: list[tuple[int, int]] = []
        self.answered = 0
        self.address = Handshake(
            payload=Cat(dut.awaddr, dut.awlen), valid=dut.awvalid, ready=dut.awready
        )
        self.data = Handshake(payload=Cat(dut.wdata, dut.wlast), valid=dut.wvalid, ready=dut.wready)

    async def serve(self, ctx, words: int) -> None:
        """Until `words` words are written and answered."""
        while len(self.words) < words:
            payload = await get(ctx, self.address, self.rng)
            address, beats = payload & 0xFFFFFFFF, (payload >> 32) + 1
            self.bursts.append((address, beats))
            for beat in range(beats):
                payload = await get(ctx, self.data, self.rng)
                width = 8 * self.bus_bytes
                assert payload >> width == (beat == beats - 1), "wlast"
                self.words[address + beat * self.bus_bytes] = payload % (1 << width)
            await idle(ctx, gap(self.rng))
            await pulse(ctx, self.dut.bvalid)
            self.answered += 1


async def ring(ctx, dut: Writer, words: list[int]) -> None:
    """The ring's read port: the word in the cycle after its address."""
    ctx.set(dut.ring_word, words[0])
    async for _, _, address, enable in ctx.tick().sample(dut.ring_address, dut.ring_enable):
        if enable:
            ctx.set(dut.ring_word, words[address])


def run(config: BitSerial, begin: int, grants: list[int], rng):
    """Complete `grants` words at a time; the memory, the ring's words and the trace."""
    dut = Writer(config=config)
    memory = Memory(dut, config.bus_bytes, rng)
    words = [index * 0x1357 + 11 for index in range(config.ring_depth)]
    total = sum(grants)

    async def grant(ctx) -> None:
        ctx.set(dut.address, begin)
        await pulse(ctx, dut.load)
        given = 0
        for count in grants:
            given += count
            ctx.set(dut.limit, given % config.ring_depth)
            while (given - ctx.get(dut.position)) % config.ring_depth > config.ring_depth // 2:
                await ctx.tick()
            await idle(ctx, 3 * gap(rng))
        await ctx.tick().repeat(2)
        await ctx.tick().until(dut.idle)
        assert len(memory.words) == total, "idle before everything was written"
        assert memory.answered == len(memory.bursts), "idle before the last answer"

    async def serve(ctx) -> None:
        await memory.serve(ctx, total)
        await ctx.tick().repeat(2)

    async def read(ctx) -> None:
        await ring(ctx, dut, words)

    trace = {name: getattr(dut, name) for name in ("limit", "awvalid", "wvalid", "wlast", "idle")}
    cycles = simulate(dut, grant, serve, trace=trace, background=[read])
    return memory, words, cycles


@pytest.mark.parametrize("memory_bits", [32, 128])
def test_random_limits_and_stalls(rng, memory_bits: int) -> None:
    config = BitSerial(dm=2, dk=8, dn=2, ring_depth=32, memory_bits=memory_bits)
    begin = 2 * PAGE_BYTES - 10 * config.bus_bytes  # a page ends inside
    grants = [rng.randint(1, 12) for _ in range(12)]
    memory, words, _ = run(config, begin, grants, rng)
    expected = {
        begin + index * config.bus_bytes: words[index % config.ring_depth]
        for index in range(sum(grants))
    }
    assert memory.words == expected
    for address, beats in memory.bursts:
        assert 1 <= beats <= MAX_BURST
        assert address // PAGE_BYTES == (address + beats * config.bus_bytes - 1) // PAGE_BYTES


def test_cycles_without_stalls() -> None:
    """Complete in c: address in c+2, word k in c+3+k, one idle cycle, then the next burst."""
    config = BitSerial(dm=2, dk=8, dn=2, ring_depth=32, memory_bits=64)
    _, _, cycles = run(config, PAGE_BYTES - 3 * config.bus_bytes, [5], None)
    seen = when(cycles, "limit")[0] + 1
    assert when(cycles, "awvalid") == [seen + 1, seen + 6]
    first, second = [seen + 2, seen + 3, seen + 4], [seen + 7, seen + 8]
    assert when(cycles, "wvalid") == first + second
    assert [n for n in when(cycles, "wlast") if n in first + second] == [first[-1], second[-1]]


def test_longest_burst() -> None:
    config = BitSerial(dm=2, dk=8, dn=2, ring_depth=1024, memory_bits=32)
    memory, _, _ = run(config, 0, [300], None)
    assert memory.bursts == [(0, 256), (1024, 44)]
