# amaranth: UnusedElaboratable=no
"""The on-chip memory: what it holds, when it answers, and the host's turn."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hw.tops.memory import DECERR, LATENCY, OKAY, OUTSTANDING, OnChipMemory
from tests.hw.streams import gap, idle, simulate

SIZE = 8192
BUS_BYTES = 8
LIMIT = 20_000


def make() -> OnChipMemory:
    return OnChipMemory(memory_bits=8 * BUS_BYTES, size_bytes=SIZE)


class Master:
    """Bursts in, and the cycle of every handshake."""

    def __init__(self, dut: OnChipMemory, rng: random.Random | None = None) -> None:
        self.dut, self.rng = dut, rng
        self.cycle = 0
        self.taken: dict[str, list[tuple[int, dict[str, int]]]] = {}
        self.ready: list[int] = []  # cycles in which it would take a read word

    async def watch(self, ctx) -> None:
        dut = self.dut
        channels = {
            "ar": (dut.arvalid, dut.arready, {"addr": dut.araddr, "len": dut.arlen}),
            "r": (
                dut.rvalid,
                dut.rready,
                {"data": dut.rdata, "last": dut.rlast, "resp": dut.rresp},
            ),
            "aw": (dut.awvalid, dut.awready, {}),
            "w": (dut.wvalid, dut.wready, {"last": dut.wlast}),
            "b": (dut.bvalid, dut.bready, {"resp": dut.bresp}),
        }
        flat = [
            s for valid, ready, more in channels.values() for s in (valid, ready, *more.values())
        ]
        async for _, _, *values in ctx.tick().sample(*flat):
            rest = list(values)
            for name, (_, _, more) in channels.items():
                valid, ready, *found = (rest.pop(0) for _ in range(2 + len(more)))
                if name == "r" and ready:
                    self.ready.append(self.cycle)
                if valid and ready:
                    payload = dict(zip(more, found, strict=True))
                    self.taken.setdefault(name, []).append((self.cycle, payload))
            self.cycle += 1

    async def send(self, ctx, prefix: str, items: list[dict[str, int]]) -> None:
        """Offer each of `items` on a channel until it is taken."""
        dut = self.dut
        valid, ready = (getattr(dut, prefix + name) for name in ("valid", "ready"))
        for item in items:
            await idle(ctx, gap(self.rng))
            for name, value in item.items():
                ctx.set(getattr(dut, prefix + name), value)
            ctx.set(valid, 1)
            await ctx.tick().until(ready)
            ctx.set(valid, 0)

    async def take(self, ctx, prefix: str, count: int) -> None:
        """Be ready for so many, now and then late."""
        ready, valid = (getattr(self.dut, prefix + name) for name in ("ready", "valid"))
        for _ in range(count):
            await idle(ctx, gap(self.rng))
            ctx.set(ready, 1)
            await ctx.tick().until(valid)
            ctx.set(ready, 0)


def expected_beats(requests: list[tuple[int, int]], ready: list[int]) -> list[int]:
    """When each beat is taken, by the reference memory's rule. requests: (edge, beats).

    ready: the edges at which the master is ready, ascending.
    """
    taken, before = [], -1
    for edge, beats in requests:
        for beat in range(beats):
            offered = max(edge + LATENCY + beat, before + 1)
            before = next(r for r in ready if r >= offered)
            taken.append(before)
    return taken


def test_reads_have_the_reference_timing_at_full_speed() -> None:
    dut = make()
    master = Master(dut)
    lengths = [1, 1, 4, 16, 1, 3]
    bursts = [{"addr": 256 * i, "len": n - 1} for i, n in enumerate(lengths)]

    async def ask(ctx) -> None:
        ctx.set(dut.rready, 1)
        await master.send(ctx, "ar", bursts)
        await idle(ctx, 40)

    simulate(dut, ask, background=[master.watch], limit=LIMIT)
    requests = [(at, n) for (at, _), n in zip(master.taken["ar"], lengths, strict=True)]
    assert [at for at, _ in requests] == list(range(len(lengths))), "an address every cycle"
    found = [at for at, _ in master.taken["r"]]
    assert found == expected_beats(requests, list(range(LIMIT)))
    assert found == list(range(LATENCY, LATENCY + sum(lengths))), "no gap between bursts"


def test_reads_have_the_reference_timing_under_stalls(rng: random.Random) -> None:
    dut = make()
    master = Master(dut, rng)
    lengths = [rng.choice((1, 1, 2, 3, 9)) for _ in range(40)]
    bursts = [{"addr": 64 * i, "len": n - 1} for i, n in enumerate(lengths)]

    async def ask(ctx) -> None:
        await master.send(ctx, "ar", bursts)

    async def take(ctx) -> None:
        await master.take(ctx, "r", sum(lengths))
        await idle(ctx, 2)

    simulate(dut, ask, take, background=[master.watch], limit=LIMIT)
    requests = [(at, n) for (at, _), n in zip(master.taken["ar"], lengths, strict=True)]
    assert [at for at, _ in master.taken["r"]] == expected_beats(requests, master.ready)


def test_writes_are_answered_so_many_edges_after_their_last_word(rng: random.Random) -> None:
    dut = make()
    master = Master(dut, rng)
    lengths = [rng.choice((1, 1, 2, 5)) for _ in range(20)]
    bursts = [{"addr": 256 * i, "len": n - 1} for i, n in enumerate(lengths)]
    words = [{"data": 0, "strb": 0, "last": b == n - 1} for n in lengths for b in range(n)]

    async def addresses(ctx) -> None:
        ctx.set(dut.bready, 1)
        await master.send(ctx, "aw", bursts)

    async def data(ctx) -> None:
        await master.send(ctx, "w", words)
        await idle(ctx, 10)

    simulate(dut, addresses, data, background=[master.watch], limit=LIMIT)
    ends = [at for at, word in master.taken["w"] if word["last"]]
    accepted = [at for at, _ in master.taken["aw"]]
    begins = [at for at, _ in master.taken["w"]]
    answered = [at for at, _ in master.taken["b"]]
    for index, at in enumerate(answered):
        assert at == max(ends[index] + LATENCY, answered[index - 1] + 1 if index else 0)
    firsts = [sum(lengths[:i]) for i in range(len(lengths))]
    assert all(begins[first] >= at for first, at in zip(firsts, accepted, strict=True))


def test_a_bursts_first_word_may_come_with_its_address() -> None:
    dut = make()
    master = Master(dut)

    async def addresses(ctx) -> None:
        ctx.set(dut.bready, 1)
        await master.send(ctx, "aw", [{"addr": 0, "len": 1}, {"addr": 16, "len": 0}])

    async def data(ctx) -> None:
        await master.send(ctx, "w", [{"data": n, "strb": 0xFF, "last": n != 0} for n in range(3)])
        await idle(ctx, 6)

    simulate(dut, addresses, data, background=[master.watch], limit=LIMIT)
    assert [at for at, _ in master.taken["aw"]] == [0, 1]
    assert [at for at, _ in master.taken["w"]] == [0, 1, 2]
    assert [at for at, _ in master.taken["b"]] == [1 + LATENCY, 2 + LATENCY]


def test_what_was_written_is_read_under_stalls(rng: random.Random) -> None:
    dut = make()
    master = Master(dut, rng)
    content = bytearray(SIZE)
    writes, words = [], []
    for _ in range(12):
        beats = rng.randrange(1, 9)
        place = rng.randrange(SIZE // 512) * 512 + BUS_BYTES * rng.randrange(512 // 8 - beats)
        writes.append({"addr": place, "len": beats - 1})
        for beat in range(beats):
            value, strobe = rng.getrandbits(64), rng.choice((0xFF, rng.getrandbits(8)))
            words.append({"data": value, "strb": strobe, "last": beat == beats - 1})
            for byte in range(BUS_BYTES):
                if strobe >> byte & 1:
                    content[place + BUS_BYTES * beat + byte] = value >> 8 * byte & 0xFF
    reads = [{"addr": page * 512, "len": 63} for page in range(SIZE // 512)]
    written: list[int] = []

    async def addresses(ctx) -> None:
        for page in range(SIZE // 2048):  # everything is defined first
            await master.send(ctx, "aw", [{"addr": 2048 * page, "len": 255}])
        await master.send(ctx, "aw", writes)

    async def data(ctx) -> None:
        zeros = [{"data": 0, "strb": 0xFF, "last": n == 255} for n in range(256)]
        for _ in range(SIZE // 2048):
            await master.send(ctx, "w", zeros)
        await master.send(ctx, "w", words)

    async def answers(ctx) -> None:
        await master.take(ctx, "b", SIZE // 2048 + len(writes))
        written.append(1)
        await master.send(ctx, "ar", reads)

    async def results(ctx) -> None:
        while not written:
            await ctx.tick()
        await master.take(ctx, "r", SIZE // BUS_BYTES)

    simulate(dut, addresses, data, answers, results, background=[master.watch], limit=LIMIT)
    found = b"".join(beat["data"].to_bytes(8, "little") for _, beat in master.taken["r"])
    assert found == bytes(content)
    assert all(beat["resp"] == OKAY for _, beat in master.taken["r"])
    assert all(answer["resp"] == OKAY for _, answer in master.taken["b"])


def test_beyond_the_memory_is_an_error_and_nothing_is_written() -> None:
    dut = make()
    master = Master(dut)

    async def drive(ctx) -> None:
        ctx.set(dut.rready, 1)
        ctx.set(dut.bready, 1)
        for address, value in ((0, 5), (SIZE, 7), (8, 6)):
            await master.send(ctx, "aw", [{"addr": address, "len": 0}])
            await master.send(ctx, "w", [{"data": value, "strb": 0xFF, "last": 1}])
            await idle(ctx, 5)
        await master.send(ctx, "ar", [{"addr": a, "len": 0} for a in (0, SIZE, 0x80000000, 8)])
        await idle(ctx, 10)

    simulate(dut, drive, background=[master.watch], limit=LIMIT)
    assert [answer["resp"] for _, answer in master.taken["b"]] == [OKAY, DECERR, OKAY]
    beats = [beat for _, beat in master.taken["r"]]
    assert [beat["resp"] for beat in beats] == [OKAY, DECERR, DECERR, OKAY]
    assert (beats[0]["data"], beats[3]["data"]) == (5, 6)


def test_the_host_gets_its_turn_and_costs_the_overlay_nothing(rng: random.Random) -> None:
    dut = make()
    master = Master(dut)
    values = [rng.randrange(256) for _ in range(40)]
    found: list[int] = []

    async def host(ctx) -> None:
        for write in (1, 0):
            for address, value in enumerate(values):
                found.extend(await host_access(ctx, dut, write, address, value))

    async def overlay(ctx) -> None:
        ctx.set(dut.rready, 1)
        for _ in range(12):
            await idle(ctx, rng.randrange(30))
            await master.send(ctx, "ar", [{"addr": 2048, "len": 15}])
        await idle(ctx, 20)

    simulate(dut, host, overlay, background=[master.watch], limit=LIMIT)
    assert found == values
    requests = [(at, 16) for at, _ in master.taken["ar"]]
    assert [at for at, _ in master.taken["r"]] == expected_beats(requests, list(range(LIMIT)))


async def host_access(ctx, dut: Any, write: int, address: int, value: int) -> list[int]:
    """One byte; [it] for a read."""
    ctx.set(dut.host_write, write)
    ctx.set(dut.host_address, address)
    ctx.set(dut.host_data, value)
    ctx.set(dut.host_request, 1)
    (byte,) = await ctx.tick().sample(dut.host_byte).until(dut.host_done)
    ctx.set(dut.host_request, 0)
    return [] if write else [byte]


@pytest.mark.parametrize("size", [2048, 5000])
def test_a_memory_is_a_power_of_two_of_pages(size: int) -> None:
    with pytest.raises(ValueError, match=f"a power of two of at least 4096, not {size}"):
        OnChipMemory(memory_bits=64, size_bytes=size)


def test_bursts_that_wait_are_all_answered() -> None:
    """More than may wait, while no word is taken; the host's read waits behind the word shown."""
    dut = make()
    master = Master(dut)
    lengths = [1 + i % 3 for i in range(40)]
    held = 60

    async def ask(ctx) -> None:
        await master.send(
            ctx, "ar", [{"addr": 64 * i, "len": n - 1} for i, n in enumerate(lengths)]
        )

    async def take(ctx) -> None:
        await idle(ctx, held)
        assert len(master.taken["ar"]) <= OUTSTANDING + 1 + LATENCY
        ctx.set(dut.rready, 1)
        await idle(ctx, sum(lengths) + 40)

    simulate(dut, ask, take, background=[master.watch], limit=LIMIT)
    ends = [n for n, (_, word) in enumerate(master.taken["r"], 1) if word["last"]]
    assert ends == [sum(lengths[: i + 1]) for i in range(len(lengths))]


def test_the_host_waits_for_the_word_that_is_shown() -> None:
    dut = make()
    master = Master(dut)
    done: list[int] = []

    async def bench(ctx) -> None:
        await master.send(ctx, "ar", [{"addr": 0, "len": 0}])
        await idle(ctx, LATENCY + 2)
        ctx.set(dut.host_request, 1)
        for _ in range(10):
            done.append(ctx.get(dut.host_done))
            await ctx.tick()
        assert not any(done), "while a word stands"
        ctx.set(dut.rready, 1)
        await ctx.tick().until(dut.host_done)

    simulate(dut, bench, background=[master.watch], limit=LIMIT)
