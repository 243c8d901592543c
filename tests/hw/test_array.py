"""The array: bit-serial products of whole tiles, drained while the next tile runs."""

import numpy as np
import pytest

from hw.array import Array, drain_latency
from ir.precision import Precision
from tests.hw.streams import simulate, when

ROWS, LANES, COLUMNS = 2, 5, 3
W, A = Precision(2, True), Precision(3, True)


def digit(precision: Precision, codes: np.ndarray, place: int) -> list[int]:
    """One plane of (n, LANES) codes, most significant first, as n words."""
    plane = precision.planes(codes)[precision.bits - 1 - place]
    return [int(sum(int(bit) << lane for lane, bit in enumerate(row))) for row in plane]


def steps(weights: np.ndarray, activations: np.ndarray) -> list[tuple[list[int], list[int], dict]]:
    """A tile's words: pairs of digits with falling exponents."""
    pairs = sorted((i + j, i, j) for i in range(W.bits) for j in range(A.bits))
    words = []
    for index, (distance, i, j) in enumerate(pairs):
        step = {
            "valid": 1,
            "clear": int(index == 0),
            "shift": int(index > 0 and distance != pairs[index - 1][0]),
            "negate": int((i == 0) != (j == 0)),
        }
        words.append((digit(W, weights, i), digit(A, activations, j), step))
    return words


def random_tiles(rng, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    data = np.random.default_rng(rng.getrandbits(32))
    return [
        (
            data.integers(W.min, W.max + 1, (ROWS, LANES)),
            data.integers(A.min, A.max + 1, (COLUMNS, LANES)),
        )
        for _ in range(count)
    ]


def test_tiles_back_to_back(rng) -> None:
    tiles = random_tiles(rng, 5)
    dut = Array(rows=ROWS, lanes=LANES, columns=COLUMNS, acc_bits=16)
    lasts: list[int] = []

    async def drive(ctx) -> None:
        cycle = 0
        for weights, activations in tiles:
            words = steps(weights, activations)
            for index, (lhs, rhs, step) in enumerate(words):
                while rng.randrange(4) == 0:  # the array is held: nothing may change
                    ctx.set(dut.step.valid, 0)
                    await ctx.tick()
                    cycle += 1
                ctx.set(dut.lhs, lhs)
                ctx.set(dut.rhs, rhs)
                ctx.set(dut.step, step)
                ctx.set(dut.last, index == len(words) - 1)
                if index == len(words) - 1:
                    lasts.append(cycle)
                await ctx.tick()
                cycle += 1
        ctx.set(dut.step.valid, 0)
        await ctx.tick().repeat(drain_latency(LANES) + COLUMNS + 2)

    async def drain(ctx) -> None:
        for weights, activations in tiles:
            await ctx.tick().until(dut.load)
            expected = weights @ activations.T
            for column in range(COLUMNS):
                got = [ctx.get(dut.out[row]) for row in range(ROWS)]
                assert got == expected[:, column].tolist()
                assert ctx.get(dut.column_sum) == activations[column].sum() * -1
                ctx.set(dut.advance, 1)
                await ctx.tick()
                ctx.set(dut.advance, 0)

    cycles = simulate(dut, drive, drain, trace={"load": dut.load})
    assert when(cycles, "load") == [last + drain_latency(LANES) - 1 for last in lasts]


@pytest.mark.parametrize(("lanes", "cycles"), [(4, 4), (16, 5), (64, 6)])
def test_drain_latency(lanes: int, cycles: int) -> None:
    assert drain_latency(lanes) == cycles
