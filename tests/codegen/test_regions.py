"""Addresses: regions never overlap while both are in use, and freed ones are used again."""

import random

from codegen.regions import Regions
from hw.overlays.bit_serial import BitSerial

CONFIG = BitSerial(dm=8, dk=8, dn=1, memory_bits=256)


def test_regions_do_not_overlap() -> None:
    regions = Regions(CONFIG)
    sizes = [1, 64, 65, 300, 0, 7]
    places = [regions.take(size) for size in sizes]
    assert all(place % 64 == 0 for place in places)
    ends = [place + size for place, size in zip(places, sizes, strict=True)]
    assert all(end <= begin for end, begin in zip(ends, [*places[1:], regions.size], strict=True))


def test_neighbours_join_and_the_smallest_that_fits_is_taken() -> None:
    regions = Regions(CONFIG)
    places = [regions.take(size) for size in (64, 128, 64, 256, 64)]
    for index in (1, 2, 4):  # 192 bytes in the middle, 64 at the end
        regions.give(places[index])
    assert regions.take(64) == places[4]
    assert regions.take(192, fresh=True) == regions.size - 192
    assert regions.take(190) == places[1]
    assert regions.size == 64 + 128 + 64 + 256 + 64 + 192


def test_what_is_in_use_never_overlaps() -> None:
    rng, regions = random.Random(0), Regions(CONFIG)
    used: dict[int, int] = {}
    for _ in range(400):
        if used and rng.random() < 0.5:
            address = rng.choice(list(used))
            regions.give(address)
            del used[address]
        else:
            size = rng.randint(1, 900)
            address = regions.take(size)
            assert all(a + s <= address or address + size <= a for a, s in used.items())
            used[address] = size
            assert address + size <= regions.size
