"""The array: products of whole tiles of any widths, drained while the next tile runs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from hw.array import Array, drain_latency
from hw.config import OverlayConfig
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from sim_tests.dpu_model import packed
from tests.hw.streams import simulate, when
from tests.hw.test_dpu import DIGITS

ROWS, LANES, COLUMNS = 2, 5, 3
SIZES = {"dm": ROWS, "dk": LANES, "dn": COLUMNS, "acc_bits": 24}


@dataclass(frozen=True, kw_only=True)
class Tile:
    """(rows, LANES) and (columns, LANES) codes of w and a bits, signed or not."""

    weights: np.ndarray
    activations: np.ndarray
    w: int
    a: int
    w_signed: bool
    a_signed: bool
    bipolar: bool

    def words(self, config: OverlayConfig) -> Iterator[tuple[list[int], list[int], dict]]:
        """(lhs, rhs, step) of its digit pairs, those with the largest exponents first."""
        p, q = config.p, config.q
        tops = -(-self.w // p) - 1, -(-self.a // q) - 1
        pairs = sorted(
            (i * p + j * q, i, j) for i in range(tops[0] + 1) for j in range(tops[1] + 1)
        )
        before = pairs[-1][0]
        for index, (exponent, i, j) in enumerate(reversed(pairs)):
            step = {
                "valid": 1,
                "clear": int(index == 0),
                "shift": (before - exponent) // min(p, q),
                "lhs_signed": int(self.w_signed and i == tops[0]),
                "rhs_signed": int(self.a_signed and j == tops[1]),
            }
            before = exponent
            yield digits(self.weights, p, i), digits(self.activations, q, j), step


def digits(codes: np.ndarray, bits: int, place: int) -> list[int]:
    """Digit `place` of (n, LANES) codes as n words."""
    return [
        packed([int(c) >> bits * place & ((1 << bits) - 1) for c in row], bits) for row in codes
    ]


def random_codes(data: np.random.Generator, count: int, bits: int, signed: bool) -> np.ndarray:
    low = -(1 << (bits - 1)) if signed else 0
    codes = data.integers(low, low + (1 << bits), (count, LANES))
    return np.where(data.integers(0, 4, codes.shape) == 0, low, codes)


def random_tiles(rng: random.Random, count: int) -> list[Tile]:
    data = np.random.default_rng(rng.getrandbits(32))
    tiles = []
    for _ in range(count):
        w, a, signs = rng.randint(1, 8), rng.randint(1, 8), rng.randrange(4)
        w_signed, a_signed = bool(signs & 1), bool(signs & 2)
        tiles.append(
            Tile(
                weights=random_codes(data, ROWS, w, w_signed),
                activations=random_codes(data, COLUMNS, a, a_signed),
                w=w,
                a=a,
                w_signed=w_signed,
                a_signed=a_signed,
                bipolar=bool(rng.randrange(2)),
            )
        )
    return tiles


def column_sums(tile: Tile, config: OverlayConfig) -> np.ndarray:
    """What all-ones weights of the tile's planes add up: one-bit digits have such a row."""
    if config.p > 1:
        return np.zeros(COLUMNS, np.int64)
    ones = -1 if tile.w_signed else (1 << tile.w) - 1
    return tile.activations.sum(axis=1) * ones


async def feed(ctx, dut: Array, rng: random.Random, tiles: list[Tile], lasts: list[int]) -> None:
    """The tiles back to back but for random pauses; `lasts` collects the cycles of `last`."""
    cycle = 0
    for tile in tiles:
        words = list(tile.words(dut.config))
        for index, (lhs, rhs, step) in enumerate(words):
            # the array is held now and then, when nothing may change, and before tiles that are
            # over sooner than the chain
            pause = int(rng.expovariate(1)) + (COLUMNS if len(words) <= COLUMNS else 0)
            ctx.set(dut.step.valid, 0)
            for _ in range(pause):
                await ctx.tick()
            cycle += pause
            ctx.set(dut.lhs, lhs)
            ctx.set(dut.rhs, rhs)
            ctx.set(dut.step, step)
            ctx.set(dut.last, index == len(words) - 1)
            # before its last word, what a tile says of `bipolar` counts for nothing
            ctx.set(dut.bipolar, tile.bipolar if index == len(words) - 1 else rng.randrange(2))
            if index == len(words) - 1:
                lasts.append(cycle)
            await ctx.tick()
            cycle += 1
    ctx.set(dut.step.valid, 0)
    await ctx.tick().repeat(drain_latency(dut.config) + COLUMNS + 2)


def check_tiles(config: OverlayConfig, tiles: list[Tile], rng: random.Random) -> None:
    """Every sum of every tile, and when each tile is ready."""
    dut, lasts = Array(config=config), []

    async def drive(ctx) -> None:
        await feed(ctx, dut, rng, tiles, lasts)

    async def drain(ctx) -> None:
        for tile in tiles:
            await ctx.tick().until(dut.load)
            expected, sums = tile.weights @ tile.activations.T, column_sums(tile, config)
            for column in range(COLUMNS):
                got = [ctx.get(dut.out[row]) for row in range(ROWS)]
                assert got == expected[:, column].tolist()
                assert ctx.get(dut.column_sum) == sums[column]
                assert ctx.get(dut.out_bipolar) == tile.bipolar
                ctx.set(dut.advance, 1)
                await ctx.tick()
                ctx.set(dut.advance, 0)

    cycles = simulate(dut, drive, drain, trace={"load": dut.load})
    assert when(cycles, "load") == [last + drain_latency(config) - 1 for last in lasts]


@pytest.mark.parametrize(("p", "q"), DIGITS)
def test_tiles_back_to_back(rng, p: int, q: int) -> None:
    check_tiles(BitSlice(p=p, q=q, **SIZES), random_tiles(rng, 8), rng)


def test_bit_serial_tiles_back_to_back(rng) -> None:
    check_tiles(BitSerial(**SIZES), random_tiles(rng, 8), rng)


@pytest.mark.parametrize(
    ("lanes", "p", "q", "cycles"), [(4, 1, 1, 4), (16, 1, 1, 5), (64, 1, 1, 6), (64, 2, 2, 7)]
)
def test_drain_latency(lanes: int, p: int, q: int, cycles: int) -> None:
    assert drain_latency(BitSlice(dm=1, dk=lanes, dn=1, p=p, q=q)) == cycles
