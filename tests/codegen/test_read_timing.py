"""The fetch stage's cycles: bursts and pieces against counting, whole programs against hardware."""

import random
from bisect import bisect_left
from itertools import accumulate

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out, connect

from codegen.assemble import chunk_fetch
from codegen.pieces import pieces_before
from codegen.read_timing import MemoryTiming, ReadPath, burst_lengths
from hw.bus.axi import MAX_BURST, PAGE_BYTES
from hw.config import OverlayConfig
from hw.fetch import ReadIssuer
from hw.kept import hand_over
from hw.queue import InstructionQueue
from hw.unpack import Unpacker
from ir.isa import INSTRUCTION_BITS, Kind, Stage, encode
from tests.hw.fetches import Digits, Fetch, table, weights
from tests.hw.streams import simulate, when
from tests.hw.test_unpack import random_image, random_splits, random_window


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


CONFIGS = [
    Digits(dm=2, dk=16, dn=3, lhs_depth=16, requant_lanes=2),
    Digits(dm=3, dk=5, dn=2, memory_bits=32, rhs_ways=4, lhs_depth=16),
    Digits(dm=9, dk=8, dn=1, rhs_ways=1, lhs_depth=16, activation_digit=4),
    Digits(dm=1, dk=64, dn=4, memory_bits=256, lhs_depth=16),
]

HOLD = 40


class FetchStage(Component):
    """Issuer, unpacker and fetch queue, as the overlay wires them."""

    arvalid: Signal
    rvalid: Signal
    rdata: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        self.issuer = ReadIssuer(config=config)
        self.unpacker = Unpacker(config=config)
        self.queue = InstructionQueue(stage=Stage.FETCH, memory_bits=config.memory_bits)
        super().__init__({"arvalid": Out(1), "rvalid": In(1), "rdata": In(config.memory_bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.issuer, m.submodules.unpacker = self.issuer, self.unpacker
        m.submodules.queue = self.queue
        hand_over(m, self.queue.out, self.issuer.instructions)
        connect(m, self.issuer.job, self.unpacker.job)
        m.d.comb += [
            self.queue.word.eq(self.unpacker.word),
            self.queue.write.eq(self.unpacker.queue_write[Stage.FETCH]),
            self.arvalid.eq(self.issuer.arvalid),
            self.unpacker.rvalid.eq(self.rvalid),
            self.unpacker.rdata.eq(self.rdata),
        ]
        return m


class Run:
    """Fetches as a program, simulated with the reference memory and predicted.

    A row tile's words are given back HOLD cycles after its token. done: layer-done strobes.
    """

    def __init__(self, config: OverlayConfig, fetches: list[Fetch], rng: random.Random) -> None:
        self.config, self.rng = config, rng
        self.memory = MemoryTiming(latency=rng.choice([1, 7, 20]), outstanding=rng.choice([2, 16]))
        self.address = rng.randrange(1024) * config.bus_bytes
        self.words: dict[int, int] = {}
        place, instructions = 1 << 16, []
        for fetch in fetches:
            wait = fetch.fields["kind"] == Kind.RHS and not rng.randrange(3)
            fields = fetch.fields | {"address": place, "wait_done": int(wait)}
            instructions.append(encode(Stage.FETCH, fields))
            self.store(place, fetch.words)
            place += (len(fetch.words) + rng.randrange(600)) * config.bus_bytes
        waits = sum(word >> 5 & 1 for word in instructions)
        segments = [[f.fields["reserve"]] * len(f.tokens) for f in fetches if "reserve" in f.fields]
        self.reserved = sum(segments, [])
        self.done = sorted(rng.sample(range(50, 1500), waits))
        self.first, beats = 6, INSTRUCTION_BITS // config.memory_bits
        size = beats * config.bus_bytes
        if len(instructions) > self.first - 1:  # the program in two pieces
            rest = self.address + self.first * size
            left = len(instructions) - (self.first - 1)
            chunk = encode(*chunk_fetch(rest, left, config.memory_bits))
            instructions.insert(self.first - 1, chunk)
        self.first = min(self.first, len(instructions))
        mask = (1 << config.memory_bits) - 1
        cut = [w >> at * config.memory_bits & mask for w in instructions for at in range(beats)]
        self.store(self.address, cut)

    def store(self, address: int, words: list[int]) -> None:
        for index, word in enumerate(words):
            self.words[address + index * self.config.bus_bytes] = word

    def program(self, address: int, size: int) -> bytes:
        step = self.config.bus_bytes
        words = (self.words[at] for at in range(address, address + size, step))
        return b"".join(word.to_bytes(step, "little") for word in words)

    def predict(self) -> ReadPath:
        totals = list(accumulate(self.reserved))
        path = ReadPath(
            config=self.config,
            memory=self.memory,
            program=self.program,
            freed=lambda words: path.lhs_token(bisect_left(totals, words)) + HOLD,
            done=lambda layers: self.done[layers - 1],
        )
        path.run(self.address, self.first)
        return path

    def simulate(self, cycles: int) -> list[dict]:
        """Cycle 0 is START's."""
        dut = FetchStage(config=self.config)
        issuer, unpacker = dut.issuer, dut.unpacker
        bursts: list[list[int]] = []  # address, words left, cycle from which the next is shown

        async def start(ctx) -> None:
            ctx.set(issuer.prog_address, self.address)
            ctx.set(issuer.prog_words, self.first)
            await ctx.tick()  # the issuer hears of START a cycle later
            ctx.set(issuer.start, 1)
            await ctx.tick()
            ctx.set(issuer.start, 0)
            await ctx.tick().repeat(cycles - 1)

        async def strobes(ctx) -> None:
            left, due = list(self.reserved), {}
            for cycle in range(cycles):
                ctx.set(issuer.done_token, cycle in self.done)
                ctx.set(issuer.lhs_freed, due.get(cycle, 0))
                _, _, token = await ctx.tick().sample(unpacker.lhs_token)
                if token:
                    due[cycle + HOLD] = left.pop(0)

        async def memory(ctx) -> None:
            for cycle in range(cycles):
                shown = bool(bursts) and bursts[0][2] <= cycle
                ctx.set(dut.rvalid, shown)
                ctx.set(dut.rdata, self.words[bursts[0][0]] if shown else 0)
                ctx.set(issuer.arready, len(bursts) < self.memory.outstanding)
                sampled = (issuer.arvalid, issuer.arready, issuer.araddr, issuer.arlen)
                _, _, valid, ready, address, length, take = await ctx.tick().sample(
                    *sampled, unpacker.rready
                )
                if valid and ready:
                    bursts.append([address, length + 1, cycle + self.memory.latency])
                if shown and take:
                    head = bursts[0]
                    head[0], head[1] = head[0] + self.config.bus_bytes, head[1] - 1
                    head[2] += 1
                    if not head[1]:
                        bursts.pop(0)

        trace = {"lhs": unpacker.lhs_token, "rhs": unpacker.rhs_token}
        trace |= {"burst": issuer.arvalid & issuer.arready}
        return simulate(dut, start, strobes, memory, trace=trace, limit=cycles + 2)


def random_fetches(rng: random.Random, config: OverlayConfig) -> list[Fetch]:
    found: list[Fetch] = []
    for _ in range(5):
        kind = rng.randrange(5)
        if kind == 0:
            image = random_image(rng, config)
            found += image.fetches(rng, random_splits(rng, image))
        elif kind == 1:
            image = random_window(rng, config)
            found += image.fetches(rng, random_splits(rng, image))
        elif kind == 2:
            name = rng.choice([Kind.PARAMS, Kind.TAPS, Kind.ROWS])
            found.append(table(config, rng, name, rows=rng.randint(1, 12)))
        else:
            found.append(weights(config, rng, tiles=rng.randint(1, 4), k_words=rng.randint(1, 16)))
    return found


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.dm}x{c.dk}x{c.dn}")
@pytest.mark.parametrize("seed", range(6))
def test_programs_take_the_cycles_that_are_predicted(config: OverlayConfig, seed: int) -> None:
    rng = random.Random(seed)
    fetches = random_fetches(rng, config)
    run = Run(config, fetches, rng)
    path = run.predict()
    bursts = [accepted for _, accepted, _ in path._bursts]
    last = max(end for _, _, end in path.spans())
    cycles = run.simulate(last + 100)
    assert when(cycles, "burst") == bursts
    rows = sum(len(f.tokens) for f in fetches if f.fields["kind"] == Kind.LHS)
    assert when(cycles, "lhs") == [path.lhs_token(index) for index in range(rows)]
    assert when(cycles, "rhs") == [int(t) for tokens in path._rhs_tokens for t in tokens]
