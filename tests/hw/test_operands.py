"""The operand buffers: what the sequencer asks for, rotated and masked, READ_LATENCY later."""

import pytest

from hw.operands import READ_LATENCY, Operands
from hw.overlays.bit_serial import BitSerial
from tests.hw.streams import simulate

CONFIGS = [
    BitSerial(dm=2, dk=8, dn=3, lhs_depth=8, rhs_depth=16),
    BitSerial(dm=3, dk=5, dn=1, lhs_depth=4, rhs_depth=8),
    BitSerial(dm=1, dk=16, dn=8, lhs_depth=4, rhs_depth=8),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.dm}x{c.dk}x{c.dn}")
def test_random_reads(rng, config: BitSerial) -> None:
    lhs = [[rng.getrandbits(config.dk) for _ in range(config.lhs_depth)] for _ in range(config.dm)]
    rhs = [[rng.getrandbits(config.dk) for _ in range(config.rhs_depth)] for _ in range(config.dn)]
    dut = Operands(config=config)
    reads = [
        {
            "lhs": rng.randrange(config.lhs_depth),
            "rhs": rng.randrange(config.rhs_depth // 2),
            "carry": rng.randrange(config.rhs_depth // 2),
            "rotate": rng.randrange(config.dn),
            "valid": rng.getrandbits(config.dn),
        }
        for _ in range(60)
    ]

    async def fill(ctx, banks: list[list[int]], name: str) -> None:
        for bank, words in enumerate(banks):
            for address, word in enumerate(words):
                write = {name: 1, "bank": bank, "address": address, "piece": word}
                ctx.set(dut.write, write)
                await ctx.tick()
        ctx.set(dut.write, {})

    def column(read: dict[str, int], n: int) -> int:
        """Bank (n + rotate) mod Dn; the banks below `rotate` read one tile further."""
        bank = (n + read["rotate"]) % config.dn
        address = read["rhs"] + (read["carry"] if bank < read["rotate"] else 0)
        return rhs[bank][address] if read["valid"] >> n & 1 else 0

    async def drive(ctx) -> None:
        await fill(ctx, lhs, "lhs")
        await fill(ctx, rhs, "rhs")
        for index in range(len(reads) + READ_LATENCY):
            if index >= READ_LATENCY:
                asked = reads[index - READ_LATENCY]
                got = [ctx.get(dut.lhs[row]) for row in range(config.dm)]
                assert got == [bank[asked["lhs"]] for bank in lhs]
                got = [ctx.get(dut.rhs[n]) for n in range(config.dn)]
                assert got == [column(asked, n) for n in range(config.dn)]
            ctx.set(dut.read, reads[index] if index < len(reads) else {})
            await ctx.tick()

    simulate(dut, drive)
