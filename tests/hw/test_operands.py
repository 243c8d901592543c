"""The operand buffers: what the sequencer asks for, rotated and masked, READ_LATENCY later."""

import random

import pytest

from hw.config import OverlayConfig
from hw.operands import READ_LATENCY, Operands
from tests.hw.fetches import Digits
from tests.hw.streams import simulate

CONFIGS = [
    Digits(dm=2, dk=8, dn=3, lhs_depth=8, rhs_depth=16),
    Digits(dm=3, dk=5, dn=1, lhs_depth=4, rhs_depth=8, rhs_ways=1),
    Digits(dm=9, dk=16, dn=8, lhs_depth=4, rhs_depth=16, rhs_ways=4),
    Digits(dm=3, dk=8, dn=2, lhs_depth=4, rhs_depth=8, weight_digit=2, activation_digit=4),
]


def lhs_writes(config: OverlayConfig, banks: list[list[int]]) -> list[dict[str, int]]:
    """All words, lhs_rows rows at once."""
    writes = []
    for piece in range(-(-config.dm // config.lhs_rows)):
        rows = banks[piece * config.lhs_rows :][: config.lhs_rows]
        for address in range(config.lhs_depth):
            words = enumerate(bank[address] for bank in rows)
            value = sum(word << place * config.lhs_word_bits for place, word in words)
            writes.append({"lhs": 1 << piece, "address": address, "piece": value})
    return writes


def rhs_writes(
    config: OverlayConfig, banks: list[list[int]], rng: random.Random
) -> list[dict[str, int]]:
    """All words, in pieces of up to rhs_ways words from any address on, with garbage behind."""
    writes = []
    for bank, words in enumerate(banks):
        address = 0
        while address < len(words):
            count = min(rng.randint(1, config.rhs_ways), len(words) - address)
            part = [*words[address : address + count], *(-1 for _ in range(config.rhs_ways))]
            mask = (1 << config.rhs_bits) - 1
            pieces = enumerate(part[: config.rhs_ways])
            value = sum((word & mask) << place * config.rhs_bits for place, word in pieces)
            write = {"rhs": 1 << bank, "address": address, "piece": value}
            writes.append(write | {"words": (1 << count) - 1})
            address += count
    return writes


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.dm}x{c.dk}x{c.dn}")
def test_random_reads(rng, config: OverlayConfig) -> None:
    lhs = [
        [rng.getrandbits(config.lhs_bits) for _ in range(config.lhs_depth)]
        for _ in range(config.dm)
    ]
    rhs = [
        [rng.getrandbits(config.rhs_bits) for _ in range(config.rhs_depth)]
        for _ in range(config.dn)
    ]
    dut = Operands(config=config)
    reads = [
        {
            "lhs": rng.randrange(config.lhs_depth),
            "rhs": rng.randrange(config.rhs_depth),
            "far": rng.randrange(config.rhs_depth),
            "rotate": rng.randrange(config.dn),
            "valid": rng.getrandbits(config.dn),
            "ones": rng.getrandbits(1),
        }
        for _ in range(60)
    ]

    def column(read: dict[str, int], n: int) -> int:
        """Bank (n + rotate) mod Dn; the banks below `rotate` read one tile further."""
        bank = (n + read["rotate"]) % config.dn
        address = read["far" if bank < read["rotate"] else "rhs"]
        ones = sum(1 << config.q * lane for lane in range(config.dk))
        outside = ones if read["ones"] else 0
        return rhs[bank][address] if read["valid"] >> n & 1 else outside

    async def drive(ctx) -> None:
        for write in lhs_writes(config, lhs) + rhs_writes(config, rhs, rng):
            ctx.set(dut.write, write)
            await ctx.tick()
        ctx.set(dut.write, {})
        for index in range(len(reads) + READ_LATENCY):
            if index >= READ_LATENCY:
                asked = reads[index - READ_LATENCY]
                got = [ctx.get(dut.lhs[row]) for row in range(config.dm)]
                assert got == [bank[asked["lhs"]] for bank in lhs]
                blank = ctx.get(dut.blank)
                got = [0 if blank >> n & 1 else ctx.get(dut.rhs[n]) for n in range(config.dn)]
                assert got == [column(asked, n) for n in range(config.dn)]
            behind = reads[index - 1]["valid"] if 0 < index <= len(reads) else 0
            ctx.set(dut.read, (reads[index] if index < len(reads) else {}) | {"valid": behind})
            await ctx.tick()

    simulate(dut, drive)


@pytest.mark.parametrize("name", ["lhs", "rhs"])
def test_a_word_can_be_read_when_its_token_lets_the_array_go(name: str) -> None:
    """A token comes a cycle before `write`; a tile issues one later and asks one after that."""
    config = Digits(dm=1, dk=8, dn=1, lhs_depth=4, rhs_depth=4)
    dut = Operands(config=config)

    async def drive(ctx) -> None:
        ctx.set(dut.write, {name: 1, "words": 1, "address": 3, "piece": 0xA5})
        await ctx.tick()
        ctx.set(dut.write, {})
        ctx.set(dut.read, {"lhs": 3, "rhs": 3, "valid": 1})
        await ctx.tick().repeat(READ_LATENCY)
        assert ctx.get(getattr(dut, name)[0]) == 0xA5

    simulate(dut, drive)
