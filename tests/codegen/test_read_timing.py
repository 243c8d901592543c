"""Bursts and pieces, against counting one by one."""

import random

import numpy as np
import pytest

from codegen.read_timing import burst_lengths, pieces_before
from hw.bus.axi import MAX_BURST, PAGE_BYTES


@pytest.mark.parametrize("seed", range(50))
def test_bursts_are_legal_and_complete(seed: int) -> None:
    rng = random.Random(seed)
    bus_bytes = rng.choice([4, 8, 16, 32])
    address, beats = rng.randrange(4 * PAGE_BYTES // bus_bytes) * bus_bytes, rng.randrange(3000)
    lengths = burst_lengths(address, beats, bus_bytes)
    assert sum(lengths) == beats
    for length in lengths:
        end = address + length * bus_bytes
        assert 1 <= length <= MAX_BURST
        assert address // PAGE_BYTES == (end - 1) // PAGE_BYTES
        address = end


@pytest.mark.parametrize(
    ("address", "beats", "lengths"),
    [(0, 0, []), (4088, 3, [1, 2]), (0, 600, [256, 256, 88]), (2056, 256, [255, 1])],
)
def test_burst_lengths(address: int, beats: int, lengths: list[int]) -> None:
    assert burst_lengths(address, beats, 8) == lengths


@pytest.mark.parametrize("seed", range(30))
def test_pieces_before_counts_whole_pieces(seed: int) -> None:
    rng = random.Random(seed)
    chunks, piece = rng.randint(1, 4), rng.choice([5, 8, 64])
    values = {"chunks": chunks, "piece_bits": piece, "tail_bits": rng.randint(1, piece)}
    sizes = ([piece] * (chunks - 1) + [values["tail_bits"]]) * 20
    ends = np.cumsum(sizes)
    bits = np.arange(ends[-1] + 1)
    assert np.array_equal(pieces_before(bits, values), (ends <= bits[:, None]).sum(axis=1))
