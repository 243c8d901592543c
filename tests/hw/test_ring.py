"""The result ring: runs of units at any place, whole words out."""

import pytest

from hw.overlays.bit_serial import BitSerial
from hw.ring import Ring, element_units, plane_units, units_per_word, write_bits
from tests.hw.streams import simulate

CONFIGS = [
    BitSerial(dm=8, dk=8, dn=1, ring_depth=8),
    BitSerial(dm=3, dk=8, dn=1, ring_depth=4, memory_bits=32),
    BitSerial(dm=12, dk=8, dn=1, ring_depth=8),
    BitSerial(dm=64, dk=8, dn=1, ring_depth=4, memory_bits=64),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"dm{c.dm}")
def test_random_runs(rng, config: BitSerial) -> None:
    unit, per_word = config.write_unit, units_per_word(config)
    places = config.ring_depth * per_word
    image = [0] * places  # of units
    dut = Ring(config=config)

    async def write_run(ctx, place: int, units: int, element: bool = False) -> None:
        bits = rng.getrandbits(write_bits(config))
        ctx.set(dut.write.valid, 1)
        ctx.set(dut.write.place, place)
        ctx.set(dut.write.element, element)
        ctx.set(dut.write.units, rng.randint(0, plane_units(config)) if element else units)
        ctx.set(dut.write.bits, bits)
        await ctx.tick()
        ctx.set(dut.write.valid, 0)
        for index in range(units):
            image[(place + index) % places] = (bits >> (index * unit)) & ((1 << unit) - 1)

    def word(address: int) -> int:
        begin = address * per_word
        return sum(value << (i * unit) for i, value in enumerate(image[begin : begin + per_word]))

    async def drive(ctx) -> None:
        size = element_units(config)
        for place in range(0, places, size):  # nothing is read before it is written
            await write_run(ctx, place, size, element=True)
        for _ in range(80):
            await write_run(ctx, rng.randrange(places), rng.randint(0, plane_units(config)))
            await write_run(ctx, rng.randrange(0, places, size), size, True)
            await ctx.tick().repeat(2)
            address = rng.randrange(config.ring_depth)
            ctx.set(dut.read_address, address)
            ctx.set(dut.read_enable, 1)
            await ctx.tick()
            assert ctx.get(dut.word) == word(address)
            ctx.set(dut.read_enable, 0)
            ctx.set(dut.read_address, rng.randrange(config.ring_depth))
            await ctx.tick()
            assert ctx.get(dut.word) == word(address), "the word must be held"

    simulate(dut, drive)


@pytest.mark.parametrize(("dm", "bits"), [(8, 32), (3, 32), (40, 40), (33, 40), (60, 64)])
def test_widest_write(dm: int, bits: int) -> None:
    assert write_bits(BitSerial(dm=dm, dk=8, dn=1)) == bits
