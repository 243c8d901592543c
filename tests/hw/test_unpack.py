"""The unpacker: every piece of every kind at its place, and every token with its piece."""

import random

import pytest
from amaranth.hdl import Module

from hw.config import OverlayConfig
from hw.kept import job_layout
from hw.rhs_port import RhsPort
from hw.unpack import JOB_SLOTS, Unpacker
from ir.isa import INSTRUCTION_BITS, Kind, Stage, encode
from tests.hw.fetches import Digits, Fetch, Image, Write, table, weights
from tests.hw.streams import Handshake, put, simulate, when

CONFIGS = [
    Digits(dm=2, dk=16, dn=3, requant_lanes=2),
    Digits(dm=3, dk=5, dn=2, memory_bits=32, rhs_ways=4, lhs_depth=16),
    Digits(dm=5, dk=24, dn=1, rhs_ways=1, requant_lanes=5, memory_bits=128),
    Digits(dm=1, dk=64, dn=4, memory_bits=32),
    Digits(dm=4, dk=8, dn=2, weight_digit=2, activation_digit=4, rhs_ways=4),
]
BY_SIZE = pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.dm}x{c.dk}x{c.dn}")


class Opened(Unpacker):
    """An unpacker with the activation banks' port behind it."""

    def __init__(self, *, config: OverlayConfig) -> None:
        super().__init__(config=config)
        self.module = super().elaborate(None)
        self.module.submodules.port = self.port = RhsPort(config=config)
        self.module.d.comb += self.port.write.eq(self.write)
        self.raster = self.module.submodules.raster

    def elaborate(self, platform: object) -> Module:
        return self.module


def run(config: OverlayConfig, fetches: list[Fetch], rng: random.Random | None):
    """Unpack fetches after each other; the trace."""
    dut = Opened(config=config)
    kept = job_layout(config).members
    bus = Handshake(payload=dut.rdata, valid=dut.rvalid, ready=dut.rready)

    async def feed_jobs(ctx) -> None:
        for fetch in fetches:
            await put(ctx, dut.job, {n: v for n, v in fetch.fields.items() if n in kept}, rng)

    async def feed_words(ctx) -> None:
        for fetch in fetches:
            for word in fetch.words:
                await put(ctx, bus, word, rng)
        await ctx.tick().repeat(config.memory_bits + 40)  # the last word's pieces

    trace = {n: getattr(dut, n) for n in ("write", "queue_write", "word", "lhs_token", "rhs_token")}
    trace |= {
        "pixel": dut.raster.leaves & dut.raster.pixel,
        "enable": dut.port.enable,
    }
    trace |= {"address": dut.port.address, "data": dut.port.data}
    return simulate(dut, feed_jobs, feed_words, trace=trace, limit=20000)


def _number(one_hot: int) -> int:
    assert one_hot.bit_count() == 1, "a piece is for one place"
    return one_hot.bit_length() - 1


def lanes_written(cycles, name: str, *, banks: int, each: int, bits: int, word: int) -> list[Write]:
    """What the banks `name` take of pieces of `each` words of `bits` bits."""
    found = []
    for write in (cycle["write"] for cycle in cycles):
        if which := getattr(write, name):
            first = _number(which) * each
            for place in range(min(each, banks - first)):
                value = write.piece >> place * bits & (1 << word) - 1
                found.append((first + place, write.address, value))
    return found


def activations_written(cycles, config: OverlayConfig) -> list[Write]:
    """What the activation banks take, the words of a piece in order."""
    ways, found = config.rhs_ways, []
    for cycle in cycles:
        for bank, enable in enumerate(cycle["enable"]):
            parts = [way for way in range(ways) if enable >> way & 1]
            words = [(cycle["address"][way] * ways + way, cycle["data"][way]) for way in parts]
            found += [(bank, address, word) for address, word in sorted(words)]
    return found


def check_tokens(cycles, fetches: list[Fetch]) -> None:
    """Each token comes in the cycle in which its position ends."""
    ends, expected, before = when(cycles, "pixel"), [], 0
    for fetch in fetches:
        expected += [ends[before + position - 1] for position in fetch.tokens]
        before += fetch.fields["units"]
    assert len(ends) == before
    assert when(cycles, "rhs_token") == expected


@BY_SIZE
def test_weights(rng, config: OverlayConfig) -> None:
    fetches = [weights(config, rng, tiles=rng.randint(1, 3), k_words=5) for _ in range(3)]
    cycles = run(config, fetches, rng)
    seen = lanes_written(
        cycles,
        "lhs",
        banks=config.dm,
        each=config.lhs_rows,
        bits=config.lhs_word_bits,
        word=config.lhs_bits,
    )
    expected, k = [], 0
    for fetch in fetches:  # each goes on where the one before ended
        expected += [(row, (k + at) % config.lhs_depth, w) for row, at, w in fetch.writes]
        k += fetch.fields["units"] * 5
    assert seen == expected
    assert len(when(cycles, "lhs_token")) == sum(len(fetch.tokens) for fetch in fetches)


@BY_SIZE
def test_tables(rng, config: OverlayConfig) -> None:
    fetches = [table(config, rng, kind, rows=4) for kind in (Kind.PARAMS, Kind.TAPS, Kind.ROWS)]
    cycles = run(config, fetches, rng)
    for fetch, name in zip(fetches, ("params", "taps", "rows"), strict=True):
        params = name == "params"
        seen = lanes_written(
            cycles,
            name,
            banks=config.requant_lanes if params else 1,
            each=config.param_lanes if params else 1,
            bits=64,
            word=64,
        )
        assert seen == fetch.writes


def random_image(rng: random.Random, config: OverlayConfig) -> Image:
    stride = rng.randint(1, 3)
    return Image(
        config=config,
        height=rng.randint(1, 4),
        width=rng.randint(1, 7),
        channels=rng.choice([1, 2, 3, 8, rng.randint(1, 5 * config.dk)]),
        planes=rng.randint(1, 3),
        stride=stride,
        virtual_width=rng.choice([0, 5]),
        inner=rng.choice([0, rng.randrange(4)]),
        others=rng.choice([0, rng.randrange(3)]),
        silent=rng.randrange(4) == 0,
    )


def random_window(rng: random.Random, config: OverlayConfig) -> Image:
    window = rng.randint(2, 5)
    return Image(
        config=config,
        height=rng.randint(1, 4),
        width=rng.randint(window, 8),
        channels=rng.choice([1, 2, 3, 4] if config.dk < 24 else [1, 3, 4, 8, 12]),
        planes=rng.randint(1, 4),
        stride=rng.randint(1, 3),
        virtual_width=rng.choice([0, 9]),
        window=window,
        padding=rng.randrange(window),
    )


def random_splits(rng: random.Random, image: Image) -> list[int]:
    """Ends of one to three fetches of an image, which may end within a row."""
    total = rng.randint(1, image.height * image.positions)
    return sorted({total, *(rng.randint(1, total) for _ in range(rng.randrange(3)))})


@BY_SIZE
@pytest.mark.parametrize("make", [random_image, random_window])
def test_activations_and_their_tokens(rng, config: OverlayConfig, make) -> None:
    for _ in range(8):
        fetches = []
        for _ in range(3):  # each image begins its walk anew
            image = make(rng, config)
            fetches += image.fetches(rng, random_splits(rng, image))
        cycles = run(config, fetches, rng)
        assert activations_written(cycles, config) == [w for f in fetches for w in f.writes]
        check_tokens(cycles, fetches)


@BY_SIZE
@pytest.mark.parametrize("make", [random_image, random_window])
def test_a_walk_stands_still_while_others_are_fetched(rng, config: OverlayConfig, make) -> None:
    fetches, activations = [], []
    for _ in range(4):
        image = make(rng, config)
        for part in image.fetches(rng, random_splits(rng, image)):
            activations.append(part)
            fetches += [part, *(table(config, rng, Kind.TAPS, rows=1) for _ in range(2))]
            fetches += [weights(config, rng, tiles=1, k_words=1)] * rng.randrange(2)
    cycles = run(config, fetches, rng)
    assert activations_written(cycles, config) == [w for f in activations for w in f.writes]
    check_tokens(cycles, activations)


@pytest.mark.parametrize("memory_bits", [32, 256])
def test_program_words_go_to_their_stage(rng, memory_bits: int) -> None:
    config = Digits(dm=1, dk=8, dn=1, memory_bits=memory_bits)
    stages = [rng.choice(list(Stage)) for _ in range(9)]
    program = [
        encode(stage, {"address": 4 * i} if stage == 0 else {}) for i, stage in enumerate(stages)
    ]
    beats, mask = INSTRUCTION_BITS // memory_bits, (1 << memory_bits) - 1
    words = [word >> at * memory_bits & mask for word in program for at in range(beats)]
    fields = {
        "kind": Kind.PROGRAM,
        "units": len(program),
        "groups": beats,
        "chunks": 1,
        "tail_bits": memory_bits,
    }
    cycles = run(config, [Fetch(fields=fields, words=words, writes=[])], rng)
    seen = [(c["queue_write"], c["word"]) for c in cycles if c["queue_write"]]
    assert seen == [(1 << stages[i // beats], word) for i, word in enumerate(words)]


def test_one_piece_a_cycle_across_instructions(rng) -> None:
    config = Digits(dm=1, dk=8, dn=1, memory_bits=64)
    fetches = [table(config, rng, Kind.PARAMS, rows=rows) for rows in (4, 3, 10, 4, 4)]
    cycles = run(config, fetches, None)
    writes = [n for n, cycle in enumerate(cycles) if cycle["write"].params]
    assert writes == [JOB_SLOTS + 3 + n for n in range(25)]


def test_zeros_beyond_a_row_cost_a_cycle_a_plane_and_no_data(rng) -> None:
    config = Digits(dm=1, dk=16, dn=1, memory_bits=32)
    image = Image(
        config=config, height=2, width=4, channels=4, planes=2, window=3, padding=2
    )  # 6 positions
    (fetch,) = image.fetches(rng, [12])
    assert len(fetch.words) == 2, "a row of 4 pixels with two planes of 4 bits"
    cycles = run(config, [fetch], None)
    writes = [n for n, cycle in enumerate(cycles) if cycle["write"].rhs]
    assert writes == [writes[0] + n for n in range(24)]
