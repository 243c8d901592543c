# amaranth: UnusedElaboratable=no
"""Bytes over a serial line, at any phase and a little too fast or slow."""

import random

import pytest
from amaranth.hdl import Module

from hw.tops.uart import Receiver, Transmitter
from tests.hw.streams import idle, put, simulate


async def send_byte(ctx, line, byte: int, *, steps: list[int], stop: int = 1) -> None:
    """A byte on the line; `steps`: cycles of each of its ten bits."""
    for bit, cycles in zip([0, *((byte >> n & 1) for n in range(8)), stop], steps, strict=True):
        ctx.set(line, bit)
        await idle(ctx, cycles)
    ctx.set(line, 1)


def listen(receiver: Receiver, found: list[int]):
    """A background bench that keeps what the receiver says."""

    async def run(ctx) -> None:
        async for _, _, valid, byte in ctx.tick().sample(receiver.valid, receiver.byte):
            if valid:
                found.append(byte)

    return run


@pytest.mark.parametrize("clocks", [4, 5, 16])
def test_a_line_carries_every_byte(clocks: int, rng: random.Random) -> None:
    m = Module()
    m.submodules.sender = sender = Transmitter(clocks_per_bit=clocks)
    m.submodules.receiver = receiver = Receiver(clocks_per_bit=clocks)
    m.d.comb += receiver.line.eq(sender.line)
    sent, found = [rng.randrange(256) for _ in range(8)], []

    async def drive(ctx) -> None:
        await idle(ctx, 5)
        for index, byte in enumerate(sent):
            await put(ctx, sender.bytes, byte, rng if index % 2 else None)
        await idle(ctx, 12 * clocks)

    simulate(m, drive, background=[listen(receiver, found)])
    assert found == sent


@pytest.mark.parametrize("drift", [-2, 2])
def test_a_sender_may_be_two_percent_off(drift: int) -> None:
    receiver, found = Receiver(clocks_per_bit=20), []
    ends = [round(20 * (100 + drift) / 100 * bit) for bit in range(11)]
    steps = [end - begin for begin, end in zip(ends, ends[1:], strict=False)]

    async def drive(ctx) -> None:
        ctx.set(receiver.line, 1)
        await idle(ctx, 7)
        for byte in (0x55, 0x00, 0xFF):
            await send_byte(ctx, receiver.line, byte, steps=steps)
        await idle(ctx, 60)

    simulate(receiver, drive, background=[listen(receiver, found)])
    assert found == [0x55, 0x00, 0xFF]


def test_noise_and_breaks_are_no_bytes() -> None:
    receiver, found = Receiver(clocks_per_bit=8), []

    async def drive(ctx) -> None:
        ctx.set(receiver.line, 0)  # a line that is low from the beginning
        await idle(ctx, 200)
        ctx.set(receiver.line, 1)
        await idle(ctx, 20)
        ctx.set(receiver.line, 0)  # a glitch, shorter than half a bit
        await idle(ctx, 2)
        ctx.set(receiver.line, 1)
        await idle(ctx, 100)
        await send_byte(ctx, receiver.line, 0x12, steps=[8] * 10, stop=0)
        await idle(ctx, 100)
        await send_byte(ctx, receiver.line, 0x34, steps=[8] * 10)
        await idle(ctx, 100)

    simulate(receiver, drive, background=[listen(receiver, found)])
    assert found == [0x34]


@pytest.mark.parametrize("component", [Receiver, Transmitter])
def test_a_bit_is_at_least_four_cycles(component) -> None:
    with pytest.raises(ValueError, match="clocks_per_bit must be an integer of at least 4, not 3"):
        component(clocks_per_bit=3)
