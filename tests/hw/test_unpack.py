"""The unpacker: every piece of a layer's images at its place in the buffers."""

import numpy as np
import pytest

from codegen.memory import pack_activations, pack_params, pack_taps, pack_weights
from hw.overlays.bit_serial import BitSerial
from hw.unpack import Unpacker
from ir.isa import INSTRUCTION_BITS, PARAM, TAP, Kind, Stage, encode, pack
from tests.hw.layers import Case, bus_words, fetch, random_codes
from tests.hw.streams import Handshake, put, simulate, when

CONFIGS = [
    BitSerial(dm=2, dk=16, dn=3, requant_lanes=2),
    BitSerial(dm=3, dk=5, dn=2, memory_bits=32),
    BitSerial(dm=1, dk=64, dn=1, memory_bits=32),
]
CASES = [
    Case(channels=3, height=4, width=5, rows=5),
    Case(channels=18, height=5, width=4, rows=2, stride=2, w_bits=1, a_bits=3),
    Case(channels=1, height=7, width=7, rows=3, kernel=2, stride=3, padding=0, a_bits=1),
]
KINDS = {Kind.LHS: "lhs", Kind.RHS: "rhs", Kind.PARAMS: "params", Kind.TAPS: "taps"}


def run(config: BitSerial, jobs: list[tuple[dict[str, int], list[int]]], rng):
    """Unpack (fetch, bus words) after each other; the trace."""
    dut = Unpacker(config=config)
    bus = Handshake(payload=dut.rdata, valid=dut.rvalid, ready=dut.rready)

    async def feed_jobs(ctx) -> None:
        for fields, _ in jobs:
            await put(ctx, dut.job, fields, rng)

    async def feed_words(ctx) -> None:
        for _, words in jobs:
            for word in words:
                await put(ctx, bus, word, rng)
        await ctx.tick().repeat(config.memory_bits + 8)  # the last word's pieces

    trace = {n: getattr(dut, n) for n in ("write", "queue_write", "lhs_token", "rhs_token")}
    return simulate(dut, feed_jobs, feed_words, trace=trace)


def written(cycles, name: str) -> list[tuple[int, int, int]]:
    """(bank, address, piece) of the writes to a buffer."""
    writes = [cycle["write"] for cycle in cycles]
    return [(w.bank, w.address, w.piece) for w in writes if getattr(w, name)]


def word_of(digits) -> int:
    return sum(int(digit) << lane for lane, digit in enumerate(digits))


def weight_pieces(codes, tiling) -> list[tuple[int, int, int]]:
    """Row tile, plane from the top, kernel position, word of channels, row: the last fastest."""
    config, kernel, pieces = tiling.config, codes.shape[2:], []
    planes = tiling.shape.weights.planes(codes)[::-1]
    for tile in range(tiling.row_tiles):
        for k in range(tiling.lhs_words):
            plane, rest = divmod(k, tiling.k_words)
            tap, chunk = divmod(rest, tiling.chunks)
            for row in range(config.dm):
                m = tile * config.dm + row
                y, x = divmod(tap, kernel[1])
                begin = chunk * config.dk
                digits = planes[plane, m, :, y, x] if m < codes.shape[0] else []  # padding
                word = word_of(digits[begin : begin + config.dk])
                pieces.append((row, (tile * tiling.lhs_words + k) % config.lhs_depth, word))
    return pieces


def pixel_pieces(codes, tiling) -> list[tuple[int, int, int]]:
    """Raster order, plane from the top, word of channels; banks by the index within the phase."""
    config, shape, pieces = tiling.config, tiling.shape, []
    planes = shape.activations.planes(codes)[::-1]
    for pixel in range(tiling.input_pixels):
        y, x = divmod(pixel, shape.width)
        phase = y % shape.stride * shape.stride + x % shape.stride
        flat = y // shape.stride * tiling.virtual_width + x // shape.stride
        tile, bank = divmod(flat, config.dn)
        place = phase * tiling.phase_words + tile * tiling.tile_stride
        for index in range(tiling.tile_stride):
            plane, chunk = divmod(index, tiling.chunks)
            begin = chunk * config.dk
            digits = planes[plane, :, y, x][begin : begin + config.dk]
            pieces.append((bank, place + index, word_of(digits)))
    return pieces


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.dm}x{c.dk}x{c.dn}")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_weights(rng, config: BitSerial, case: Case) -> None:
    tiling = case.tiling(config)
    shape = (case.rows, case.channels, case.kernel, case.kernel)
    codes = random_codes(rng, tiling.shape.weights, shape)
    words = bus_words(pack_weights(codes, tiling), config)
    cycles = run(config, [(fetch(tiling, Kind.LHS), words)], rng)
    assert written(cycles, "lhs") == weight_pieces(codes, tiling)
    assert len(when(cycles, "lhs_token")) == tiling.row_tiles


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.dm}x{c.dk}x{c.dn}")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_activations_and_their_tokens(rng, config: BitSerial, case: Case) -> None:
    tiling = case.tiling(config)
    codes = random_codes(rng, tiling.shape.activations, (case.channels, case.height, case.width))
    raw = pack_activations(
        codes,
        tiling.shape.activations,
        channel_bits=tiling.channel_bits,
        bus_bytes=config.bus_bytes,
    )
    job = (fetch(tiling, Kind.RHS), bus_words(raw, config)[: tiling.input_beats])
    cycles = run(config, [job, job], rng)  # the second begins where the first did
    pieces = pixel_pieces(codes, tiling)
    assert written(cycles, "rhs") == pieces * 2
    # a token with every Dn-th pixel and the last, one cycle before its last piece is written
    ends = [*range(config.dn, tiling.input_pixels, config.dn), tiling.input_pixels]
    writes = [n for n, cycle in enumerate(cycles) if cycle["write"].rhs]
    last = [end * tiling.tile_stride - 1 for end in ends]
    expected = [writes[index] - 1 for index in [*last, *(len(pieces) + i for i in last)]]
    assert when(cycles, "rhs_token") == expected


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.dm}x{c.dk}x{c.dn}")
def test_tables(rng, config: BitSerial) -> None:
    tiling = CASES[0].tiling(config)
    entries = [{n: rng.randint(*f.range) for n, f in PARAM.items()} for _ in range(5)]
    multiplier, offset = (np.array([e[n] for e in entries]) for n in ("multiplier", "offset"))
    params = pack_params(multiplier, offset, tiling)
    jobs = [
        (fetch(tiling, Kind.PARAMS) | {"base": 7}, bus_words(params, config)),
        (fetch(tiling, Kind.TAPS) | {"base": 3}, bus_words(pack_taps(tiling), config)),
    ]
    cycles = run(config, jobs, rng)
    padded = [pack(PARAM, entry) for entry in entries]
    padded += [0] * (tiling.row_tiles * config.dm - len(padded))
    lanes = config.requant_lanes
    assert written(cycles, "params") == [
        (index % lanes, 7 + index // lanes, entry) for index, entry in enumerate(padded)
    ]
    assert written(cycles, "taps") == [
        (0, 3 + index, pack(TAP, {"offset": t.offset, "rotate": t.rotate, "dy": t.dy, "dx": t.dx}))
        for index, t in enumerate(tiling.taps)
    ]


@pytest.mark.parametrize("memory_bits", [32, 256])
def test_program_words_go_to_their_stage(rng, memory_bits: int) -> None:
    config = BitSerial(dm=1, dk=8, dn=1, memory_bits=memory_bits)
    stages = [rng.choice(list(Stage)) for _ in range(9)]
    program = [
        encode(stage, {"address": 4 * i} if stage == 0 else {}) for i, stage in enumerate(stages)
    ]
    raw = b"".join(word.to_bytes(INSTRUCTION_BITS // 8, "little") for word in program)
    words = bus_words(raw, config)
    job = {
        "kind": Kind.PROGRAM,
        "units": 1,
        "groups": len(words),
        "chunks": 1,
        "tail_bits": memory_bits,
    }
    cycles = run(config, [(job, words)], rng)
    seen = [(c["queue_write"], c["write"].piece) for c in cycles if c["queue_write"]]
    beats = INSTRUCTION_BITS // memory_bits
    assert seen == [(1 << stages[i // beats], word) for i, word in enumerate(words)]


def test_one_piece_a_cycle_and_one_idle_cycle_between_instructions() -> None:
    config = BitSerial(dm=1, dk=8, dn=1, memory_bits=64)
    job = {"kind": Kind.PARAMS, "units": 1, "groups": 10, "chunks": 1, "tail_bits": 64}
    cycles = run(config, [(job, list(range(10)))] * 2, None)
    writes = [n for n, cycle in enumerate(cycles) if cycle["write"].params]
    assert writes == [writes[0] + n + n // 10 for n in range(20)]
