"""The instruction queue: whole instructions, in order, in the promised cycle."""

import pytest

from hw.queue import QUEUE_INSTRUCTIONS, QUEUE_LATENCY, InstructionQueue
from ir.isa import FORMATS, INSTRUCTION_BITS, Stage, encode, layout
from tests.hw.streams import expect, gap, idle, pulse, simulate, when


def random_program(rng, stage: Stage, count: int) -> list[int]:
    """Instructions of `stage` with random fields."""
    fields = FORMATS[stage]
    return [
        encode(stage, {n: rng.randint(*f.range) for n, f in fields.items() if n != "stage"})
        for _ in range(count)
    ]


def bus_words(instruction: int, memory_bits: int) -> list[int]:
    mask = (1 << memory_bits) - 1
    return [(instruction >> at) & mask for at in range(0, INSTRUCTION_BITS, memory_bits)]


@pytest.mark.parametrize("memory_bits", [32, 64, 128, 256])
@pytest.mark.parametrize("stage", list(Stage))
def test_random_instructions_in_order(rng, memory_bits: int, stage: Stage) -> None:
    program = random_program(rng, stage, QUEUE_INSTRUCTIONS)
    shape = layout(FORMATS[stage])
    dut = InstructionQueue(stage=stage, memory_bits=memory_bits)

    async def write(ctx) -> None:
        for instruction in program:
            for word in bus_words(instruction, memory_bits):
                await idle(ctx, gap(rng))
                ctx.set(dut.word, word)
                await pulse(ctx, dut.write)

    async def read(ctx) -> None:
        for instruction in program:
            await expect(ctx, dut.out, shape.from_bits(instruction % (1 << shape.size)), rng)

    simulate(dut, write, read)


@pytest.mark.parametrize("memory_bits", [32, 64, 128, 256])
def test_latency_and_rate(rng, memory_bits: int) -> None:
    """Offered QUEUE_LATENCY after the last word; a waiting one beats + 2 after the one before."""
    program = random_program(rng, Stage.FETCH, 4)
    beats = INSTRUCTION_BITS // memory_bits
    words = [word for one in program for word in bus_words(one, memory_bits)]
    dut = InstructionQueue(stage=Stage.FETCH, memory_bits=memory_bits)

    async def write(ctx) -> None:
        ctx.set(dut.write, 1)
        for word in words:
            ctx.set(dut.word, word)
            await ctx.tick()
        ctx.set(dut.write, 0)
        await ctx.tick().repeat(4 * (beats + 3))

    async def read(ctx) -> None:
        await ctx.tick().repeat(len(words) + QUEUE_LATENCY)  # all four are there
        ctx.set(dut.out.ready, 1)
        await ctx.tick().repeat(4 * (beats + 2))

    cycles = simulate(dut, write, read, trace={"valid": dut.out.valid, "ready": dut.out.ready})
    assert when(cycles, "valid")[0] == beats - 1 + QUEUE_LATENCY
    taken = [n for n, cycle in enumerate(cycles) if cycle["valid"] and cycle["ready"]]
    assert [b - a for a, b in zip(taken, taken[1:], strict=False)] == [beats + 2] * 3
