"""Which memories become block RAM, against what yosys 0.70 made of them."""

import pytest

from codegen.block_ram import MemoryShape, map_memories, map_memory, memories
from hw.overlays.bit_serial import BitSerial

# (width, depth): (blocks, LUTs), counted by yosys 0.70 on memories alone
XC7 = {
    (1, 64): (0, 4),
    (1, 128): (0, 4),
    (9, 256): (0, 48),
    (12, 256): (1, 0),
    (36, 128): (1, 0),
    (37, 128): (0, 104),
    (37, 256): (2, 0),
    (18, 1024): (1, 0),
    (20, 1024): (2, 0),
    (12, 4096): (3, 0),
    (33, 8192): (16, 0),
    (256, 8192): (116, 0),
}
ECP5 = {
    (9, 128): (0, 144),
    (12, 128): (1, 0),
    (48, 64): (0, 288),
    (64, 64): (2, 0),
    (5, 256): (1, 0),
    (20, 1024): (2, 0),
    (37, 8192): (19, 0),
}


@pytest.mark.parametrize(("family", "counted"), [("xc7", XC7), ("ecp5", ECP5)])
def test_the_cheapest_way_is_the_one_that_yosys_takes(family: str, counted: dict):
    for (width, depth), expected in counted.items():
        mapped = map_memory(MemoryShape(depth=depth, width=width), family)
        assert (mapped.blocks, mapped.luts) == expected, (width, depth)


def test_the_memories_of_an_overlay():
    config = BitSerial(
        dm=4, dk=16, dn=3, lhs_depth=512, rhs_depth=256, ring_depth=128, table_depth=64
    )
    found = {(m.width, m.depth): count for m, count in memories(config).items()}
    assert found == {
        (16, 512): 4,  # weights
        (16, 128): 6,  # activations, two parts each
        (16, 8): 1,  # packed neighbours
        (56, 64): 1,  # taps
        (29, 64): 1,  # how row tiles differ
        (64, 64): 1,  # requantizer parameters
        (4, 128): 16,  # result ring
        (64, 128): 3,  # instruction queues
    }


def test_blocks_and_luts_of_an_overlay_add_up():
    config = BitSerial(
        dm=4, dk=16, dn=4, lhs_depth=1024, rhs_depth=512, ring_depth=256, table_depth=64
    )
    assert map_memories(config, "xc7").blocks == 4 + 2 * 4 + 3 * 2
    assert map_memories(config, "ecp5").blocks == 4 + 2 * 4 + 3 * 2 + 2 + 1 + 2  # the tables too
    assert map_memories(config, "ecp5").luts == 16 * 16 * 6 + 4 * 6  # the ring, packed neighbours


def test_deeper_buffers_never_take_fewer_blocks():
    for family in ("xc7", "ecp5"):
        blocks = [
            map_memories(BitSerial(dm=8, dk=40, dn=4, lhs_depth=1 << depth), family).blocks
            for depth in range(4, 15)
        ]
        assert blocks == sorted(blocks)
