"""Requests in, accesses and answers out; whatever else is on the line does nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring

from hw.control import Control
from hw.csr import OFFSETS
from hw.overlays.bit_serial import BitSerial
from hw.tops import protocol
from hw.tops.link import LITE, PATIENCE, HostLink
from hw.tops.protocol import ANSWER, FLAG, HEADER, MOST_DATA, Opcode, Status
from tests.hw.streams import gap, idle, simulate

CONFIG = BitSerial(dm=2, dk=8, dn=2)
MEMORY_BYTES = 4096
CLOCK_HZ = 50_000_000
LIMIT = 40_000


class Bench:
    """A link between a line and a real control port; the memory is an array of bytes."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self.rng = rng
        self.top = Module()
        self.link = HostLink(memory_bytes=MEMORY_BYTES, clock_hz=CLOCK_HZ)
        self.control = Control(config=CONFIG)
        self.top.submodules.link = self.link
        self.top.submodules.control = self.control
        for name, member in LITE.items():
            inner, outer = getattr(self.control, name), getattr(self.link, name)
            inward = member.flow is wiring.In
            self.top.d.comb += inner.eq(outer) if inward else outer.eq(inner)
        self.memory = bytearray(MEMORY_BYTES)
        self.answered = bytearray()
        self.accesses = 0
        self.hung = False
        self.sequence = 0

    def run(self, drive) -> None:
        """Run `drive(ctx)` with everything around it."""
        simulate(self.top, drive, background=[self.serve_memory, self.collect], limit=LIMIT)

    async def serve_memory(self, ctx) -> None:
        link = self.link
        while True:
            await ctx.tick()
            if self.hung or not ctx.get(link.host_request):
                continue
            await idle(ctx, gap(self.rng))
            address = ctx.get(link.host_address)
            if ctx.get(link.host_write):
                self.memory[address] = ctx.get(link.host_data)
            ctx.set(link.host_byte, self.memory[address])
            ctx.set(link.host_done, 1)
            self.accesses += 1
            await ctx.tick()
            ctx.set(link.host_done, 0)

    async def collect(self, ctx) -> None:
        """Take the bytes of answers, now and then late."""
        out, wait = self.link.bytes, 0
        sampled = (out.valid, out.ready, out.payload)
        async for _, _, valid, ready, byte in ctx.tick().sample(*sampled):
            if valid and ready:
                self.answered.append(byte)
            wait = wait - 1 if wait else gap(self.rng)
            ctx.set(out.ready, wait == 0)

    async def send(self, ctx, data: bytes) -> None:
        for byte in data:
            ctx.set(self.link.byte, byte)
            ctx.set(self.link.valid, 1)
            await ctx.tick()
            ctx.set(self.link.valid, 0)
            await idle(ctx, gap(self.rng))

    async def ask(self, ctx, opcode: int, **request: Any) -> Answer:
        """A request under the next sequence number (`again`: the last one), and its answer.

        request: address, count, data and again; 0, empty and False where they are not given.
        """
        self.sequence += not request.get("again")
        head = {"sequence": self.sequence & 0xFF, "opcode": opcode}
        head |= {name: request.get(name, 0) for name in ("address", "count")}
        body = protocol.pack(HEADER, **head) + request.get("data", b"")
        await self.send(ctx, protocol.to_wire(body))
        answer = await self.answer(ctx)
        assert answer.sequence == self.sequence & 0xFF
        assert answer.opcode == opcode | ANSWER
        return answer

    async def answer(self, ctx) -> Answer:
        while self.answered.count(FLAG) < 2:
            await ctx.tick()
        first, stuffed, rest = bytes(self.answered).split(bytes([FLAG]), 2)
        assert first == b"", "bytes between answers"
        self.answered[:] = rest
        body = protocol.from_wire(stuffed)
        assert body is not None, "the answer's CRC is wrong"
        return Answer(sequence=body[0], opcode=body[1], status=Status(body[2]), data=body[3:])


@dataclass(frozen=True, kw_only=True)
class Answer:
    sequence: int
    opcode: int
    status: Status
    data: bytes = field(default=b"")


@pytest.fixture
def bench(rng: random.Random) -> Bench:
    return Bench(rng)


def test_info_says_what_the_device_is(bench: Bench) -> None:
    async def drive(ctx) -> None:
        answer = await bench.ask(ctx, Opcode.INFO, count=protocol.INFO_BYTES)
        assert answer.status == Status.OKAY
        assert protocol.unpack(protocol.INFO, answer.data) == {
            "version": protocol.VERSION,
            "bad_frames": 0,
            "most_data": MOST_DATA,
            "memory_bytes": MEMORY_BYTES,
            "clock_hz": CLOCK_HZ,
        }

    bench.run(drive)


def test_registers_are_read_and_written(bench: Bench, rng: random.Random) -> None:
    async def drive(ctx) -> None:
        answer = await bench.ask(ctx, Opcode.READ_REGISTER, address=OFFSETS["ID"], count=4)
        assert answer.data == CONFIG.hash.to_bytes(4, "little")
        place = OFFSETS["PROG_ADDR"]
        for _ in range(5):
            data = bytes(rng.choice((FLAG, 0x7D, rng.randrange(256))) for _ in range(4))
            answer = await bench.ask(ctx, Opcode.WRITE_REGISTER, address=place, count=4, data=data)
            assert answer.status == Status.OKAY
            assert ctx.get(bench.control.values["PROG_ADDR"]) == int.from_bytes(data, "little")
            answer = await bench.ask(ctx, Opcode.READ_REGISTER, address=place, count=4)
            assert answer.data == data

    bench.run(drive)


def test_memory_is_read_and_written_in_pieces_of_any_size(bench: Bench) -> None:
    rng = random.Random(3)

    async def drive(ctx) -> None:
        for address, size in ((0, 1), (MEMORY_BYTES - MOST_DATA, MOST_DATA), (1021, 7)):
            data = bytes(rng.randrange(256) for _ in range(size))
            where = {"address": address, "count": size}
            answer = await bench.ask(ctx, Opcode.WRITE_MEMORY, **where, data=data)
            assert (answer.status, answer.data) == (Status.OKAY, b"")
            assert bench.memory[address : address + size] == data
            answer = await bench.ask(ctx, Opcode.READ_MEMORY, **where)
            assert (answer.status, answer.data) == (Status.OKAY, data)
        assert bench.accesses == 2 * (1 + MOST_DATA + 7)

    bench.run(drive)


@pytest.mark.parametrize(
    ("opcode", "address", "count", "sent", "status"),
    [
        (0x00, 0, 0, 0, Status.OPCODE),
        (0x77, 0, 4, 4, Status.OPCODE),
        (Opcode.INFO, 0, 11, 0, Status.LENGTH),
        (Opcode.READ_REGISTER, 0, 5, 0, Status.LENGTH),
        (Opcode.WRITE_REGISTER, 0x10, 4, 3, Status.LENGTH),
        (Opcode.READ_MEMORY, 0, 0, 0, Status.LENGTH),
        (Opcode.READ_MEMORY, 0, MOST_DATA + 1, 0, Status.LENGTH),
        (Opcode.READ_MEMORY, 0, 4, 4, Status.LENGTH),
        (Opcode.WRITE_MEMORY, 0, 3, 4, Status.LENGTH),
        (Opcode.READ_MEMORY, MEMORY_BYTES - 3, 4, 0, Status.ADDRESS),
        (Opcode.WRITE_MEMORY, 0xFFFFFFFE, 4, 4, Status.ADDRESS),
        (Opcode.READ_REGISTER, 0x1000, 4, 0, Status.ADDRESS),
        (Opcode.READ_REGISTER, 0xFFC, 4, 0, Status.REFUSED),
        (Opcode.WRITE_REGISTER, OFFSETS["ID"], 4, 4, Status.REFUSED),
        (Opcode.READ_REGISTER, 0x11, 4, 0, Status.REFUSED),
    ],
)
def test_what_cannot_be_done_is_said_and_not_done(
    opcode: int, address: int, count: int, sent: int, status: Status
) -> None:
    bench = Bench()

    async def drive(ctx) -> None:
        answer = await bench.ask(
            ctx, opcode, address=address, count=count, data=bytes(range(1, 1 + sent))
        )
        assert (answer.status, answer.data) == (status, b"")
        assert bench.accesses == 0
        after = await bench.ask(ctx, Opcode.READ_REGISTER, address=0, count=4)
        assert after.status == Status.OKAY

    bench.run(drive)


def test_garbage_and_damaged_frames_do_nothing(rng: random.Random) -> None:
    bench = Bench()
    write = {"address": 0x20, "count": 4, "data": b"\x01\x02\x03\x04"}

    async def drive(ctx) -> None:
        head = {"sequence": 9, "opcode": Opcode.WRITE_MEMORY, "address": 0, "count": 8}
        whole = protocol.to_wire(protocol.pack(HEADER, **head) + bytes(8))
        bad = 0
        for _ in range(12):
            noise = bytes(rng.choice((FLAG, 0x7D, rng.randrange(256))) for _ in range(30))
            await bench.send(ctx, noise)
            damaged = bytearray(whole)
            damaged[rng.randrange(1, len(whole) - 1)] ^= 1 << rng.randrange(4)
            await bench.send(ctx, bytes(damaged))
            await bench.send(ctx, whole[: rng.randrange(1, len(whole) - 1)])
            bad += 1
        await bench.send(ctx, bytes([FLAG]))
        assert bench.accesses == 0 and not bench.answered
        assert (await bench.ask(ctx, Opcode.WRITE_MEMORY, **write)).status == Status.OKAY
        answer = await bench.ask(ctx, Opcode.INFO, count=protocol.INFO_BYTES)
        assert protocol.unpack(protocol.INFO, answer.data)["bad_frames"] >= bad
        assert bytes(bench.memory[:0x30]) == bytes(0x20) + write["data"] + bytes(12)

    bench.run(drive)


def test_frames_that_are_too_long_are_dropped() -> None:
    bench = Bench()

    async def drive(ctx) -> None:
        head = {"sequence": 1, "opcode": Opcode.WRITE_MEMORY, "address": 0, "count": MOST_DATA}
        for extra in (1, 2, 300):
            body = protocol.pack(HEADER, **head) + bytes([0xAA]) * (MOST_DATA + extra)
            await bench.send(ctx, protocol.to_wire(body))
            await idle(ctx, 20)
        assert bench.accesses == 0 and not bench.answered
        answer = await bench.ask(ctx, Opcode.INFO, count=protocol.INFO_BYTES)
        assert protocol.unpack(protocol.INFO, answer.data)["bad_frames"] == 3

    bench.run(drive)


def test_a_register_write_that_comes_again_is_done_once() -> None:
    bench = Bench()
    place = {"address": OFFSETS["PROG_ADDR"], "count": 4}

    async def drive(ctx) -> None:
        for data, again, kept in (
            (b"\x01\x00\x00\x00", False, 1),
            (b"\x02\x00\x00\x00", True, 1),  # the number of the request before: answered alone
            (b"\x03\x00\x00\x00", False, 3),
        ):
            answer = await bench.ask(ctx, Opcode.WRITE_REGISTER, **place, data=data, again=again)
            assert answer.status == Status.OKAY
            assert ctx.get(bench.control.values["PROG_ADDR"]) == kept
        await bench.ask(ctx, Opcode.READ_REGISTER, **place)
        # another request came between: the same number is a new request
        answer = await bench.ask(
            ctx, Opcode.WRITE_REGISTER, **place, data=b"\x04\x00\x00\x00", again=True
        )
        assert ctx.get(bench.control.values["PROG_ADDR"]) == 4
        refused = {"address": OFFSETS["STATUS"], "count": 4, "data": bytes(4)}
        for again in (False, True):
            answer = await bench.ask(ctx, Opcode.WRITE_REGISTER, **refused, again=again)
            assert answer.status == Status.REFUSED

    bench.run(drive)


def test_a_request_during_another_is_lost_and_does_no_harm() -> None:
    bench = Bench()

    async def drive(ctx) -> None:
        read = protocol.pack(HEADER, sequence=1, opcode=Opcode.READ_MEMORY, address=0, count=40)
        await bench.send(ctx, protocol.to_wire(read))
        await bench.send(ctx, protocol.to_wire(read)[:9])
        answer = await bench.answer(ctx)
        assert (answer.status, answer.data) == (Status.OKAY, bytes(40))
        await bench.send(ctx, protocol.to_wire(read)[9:])  # the rest, into an idle receiver
        await idle(ctx, 100)
        assert not bench.answered
        assert (await bench.ask(ctx, Opcode.READ_REGISTER, count=4)).status == Status.OKAY

    bench.run(drive)


@pytest.mark.parametrize("opcode", [Opcode.READ_MEMORY, Opcode.WRITE_MEMORY])
def test_a_memory_that_is_busy_is_said_to_be(opcode: Opcode) -> None:
    bench = Bench()
    data = bytes(4) if opcode == Opcode.WRITE_MEMORY else b""

    async def drive(ctx) -> None:
        bench.hung = True
        answer = await bench.ask(ctx, opcode, count=4, data=data)
        assert (answer.status, answer.data) == (Status.BUSY, b"")
        bench.hung = False
        answer = await bench.ask(ctx, opcode, count=4, data=data)
        assert answer.status == Status.OKAY

    bench.run(drive)
    assert PATIENCE < LIMIT
