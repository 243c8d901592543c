"""Bands: every output row once, the input rows its windows reach, both ends on bus words."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from codegen.attribution import Attribution, total
from codegen.bands import Band, in_bands
from codegen.bounds import network_bounds, total_bound
from codegen.cycles import Prediction, predict, predict_program, timeline
from codegen.lower import CompiledNetwork, lower
from codegen.overlap import cycles_in_turn
from codegen.random_network import IMAGE, RandomNetwork
from codegen.read_timing import MemoryTiming
from codegen.schedule import Addresses
from codegen.shape import LayerShape
from codegen.tiling import Tiling
from hw.overlays.bit_serial import BitSerial
from ir.errors import CapacityError
from ir.isa import Stage
from ir.precision import Precision

AT = Addresses(
    weights=0, params=0, taps=0, rows=0, input=1 << 16, output=1 << 20, others=(1 << 18,)
)
ONE = replace(AT, others=())


def random_layer(rng: random.Random) -> Tiling:
    """A convolution or an addition of any size on a small overlay."""
    kernel, dilation, stride = rng.randint(1, 4), rng.randint(1, 2), rng.randint(1, 3)
    reach = (kernel - 1) * dilation
    padding = rng.randint(0, reach)
    height, width = (rng.randint(reach + 1, 30) for _ in range(2))
    channels = rng.choice([1, 3, 8, 20])
    shape = LayerShape(
        name="layer",
        channels=channels,
        height=height,
        width=width,
        rows=rng.randint(1, 9),
        kernel=(kernel, kernel),
        stride=stride,
        padding=(padding, padding),
        dilation=dilation,
        out_height=(height + 2 * padding - reach - 1) // stride + 1,
        out_width=(width + 2 * padding - reach - 1) // stride + 1,
        weights=Precision(rng.randint(2, 4), signed=True),
        activations=Precision(rng.randint(1, 4), signed=False),
        output=Precision(rng.choice([1, 3, 8, 32]), signed=True),
        operands=rng.choice([((channels,),), ((channels,), (channels,)), ((1, channels - 1),)])
        if channels > 1
        else (),
    )
    config = BitSerial(
        dm=2,
        dk=8,
        dn=rng.randint(1, 4),
        memory_bits=rng.choice([32, 64, 128]),
        rhs_depth=rng.choice([32, 128, 256]),
    )
    return Tiling(shape=shape, config=config, from_host=rng.random() < 0.5)


def reached(shape: LayerShape, first: int, last: int) -> set[int]:
    """Input rows that the windows of output rows first to last cover."""
    rows = np.arange(first, last + 1)[:, np.newaxis] * shape.stride - shape.padding[0]
    rows = rows + np.arange(shape.kernel[0]) * shape.dilation
    return {int(row) for row in rows.flat if 0 <= row < shape.height}


def check_rows(layer: Tiling, bands: Sequence[Band]) -> None:
    shape, next_row = layer.shape, 0
    for band in bands:
        part = band.tiling.shape
        assert band.out_row == next_row and part.rows == shape.rows
        next_row += part.out_height
        # a window of the band begins in the row in which it begins in the layer
        assert band.in_row - part.padding[0] == band.out_row * shape.stride - shape.padding[0]
        rows = range(band.in_row, band.in_row + part.height)
        assert reached(shape, band.out_row, next_row - 1) <= set(rows)
        assert rows.stop <= shape.height
    assert next_row == shape.out_height


def check_addresses(layer: Tiling, bands: Sequence[Band]) -> None:
    at = AT if len(layer.shape.parts) == 2 else ONE
    bus, end = layer.config.bus_bytes, at.output
    for band in bands:
        found = band.addresses(at)
        row_bits = [layer.shape.width * layer.a_digits * bits for bits in layer.part_bits]
        for place, begin, bits in zip(
            (found.input, *found.others), (at.input, *at.others), row_bits, strict=True
        ):
            assert place % bus == 0 and 8 * (place - begin) == band.in_row * bits
        assert found.output == end and end % bus == 0
        end += band.tiling.output_bytes
    assert end == at.output + layer.output_bytes


def test_bands_cover_a_layer_and_fit() -> None:
    rng, cut, cropped, refused = random.Random(7), 0, 0, 0
    for _ in range(600):
        layer = random_layer(rng)
        try:
            bands = in_bands(layer)
        except CapacityError as error:
            refused += "rhs_depth" in str(error)
            continue
        check_rows(layer, bands)
        check_addresses(layer, bands)
        assert all(band.tiling.rhs_words <= layer.config.rhs_depth for band in bands)
        cut += len(bands) > 1
        cropped += any(band.tiling.shape.padding[0] < 0 for band in bands)
    assert cut > 60 and cropped > 10 and refused > 30


PLAIN = LayerShape(
    name="layer",
    channels=16,
    height=64,
    width=64,
    rows=32,
    kernel=(3, 3),
    stride=1,
    padding=(1, 1),
    out_height=64,
    out_width=64,
    weights=Precision(4, signed=True),
    activations=Precision(4, signed=False),
    output=Precision(4, signed=False),
)
ARRAY = BitSerial(dm=8, dk=64, dn=8, rhs_depth=512, rhs_ways=4, requant_lanes=4)


def plain(**change: int) -> Tiling:
    """The plain layer on the array, sizes of which are changed."""
    return Tiling(shape=PLAIN, config=replace(ARRAY, **change), from_host=True)


@pytest.mark.parametrize(("depth", "count"), [(2048, 1), (1024, 3), (512, 5), (256, 11)])
def test_there_are_as_few_bands_as_the_banks_allow(depth: int, count: int) -> None:
    """A band of n rows reads n + 2, the first and last n + 1; a bank holds depth / 32 rows."""
    bands = in_bands(plain(rhs_depth=depth))
    assert len(bands) == count
    held = depth // 32
    assert count == 1 or (count - 1) * (held - 2) + 1 < 64 <= count * (held - 2) + 2


def test_the_cycle_model_chooses_among_cuts() -> None:
    layer = plain(rhs_depth=1024)
    chosen = in_bands(layer)
    starts = [band.out_row for band in chosen]
    assert starts in ([0, 31, 61], [0, 22, 44])
    other = [0, 22, 44] if starts[1] == 31 else [0, 31, 61]
    assert cycles(layer, starts) <= cycles(layer, other)


def cycles(layer: Tiling, starts: Sequence[int]) -> int:
    """The exact model's for bands of the plain layer that begin at output rows `starts`."""
    shape, tilings = layer.shape, []
    for begin, end in zip(starts, [*starts[1:], shape.out_height], strict=True):
        first, last = max(begin - 1, 0), min(end + 1, shape.height)
        part = replace(
            shape, height=last - first, out_height=end - begin, padding=(first - begin + 1, 1)
        )
        tilings.append(replace(layer, shape=part))
    return cycles_in_turn(tilings)


ODD = replace(PLAIN, width=17, out_width=17, channels=15, rows=1, output=Precision(1, False))
"""Rows of 1,088 bits to read, and of 136 to write."""

REFUSALS = [
    (
        PLAIN,
        {"rhs_depth": 64},
        r"layer 'layer' needs rhs_depth \(words of the input\) = 2048, or 96 in bands of 1x64 "
        r"pixels, the overlay has 64; take a rhs_depth of 128$",
    ),
    (
        ODD,
        {"memory_bits": 256, "rhs_depth": 64, "dn": 1},
        r"= 4352, or 2448 in bands of 32x17 pixels, the overlay has 64; bands begin on bus words "
        r"of 256 bits: output row 32, input row 4 and their multiples; take a rhs_depth of 4096$",
    ),
    (
        ODD,
        {"memory_bits": 256, "rhs_depth": 1024, "dn": 1},
        r"take a rhs_depth of 4096, or memory_bits of 64$",
    ),
    (
        replace(PLAIN, height=1, out_height=1),
        {"rhs_depth": 16},
        r"= 32, the overlay has 16; take a rhs_depth of 32$",
    ),
]


@pytest.mark.parametrize(("shape", "change", "message"), REFUSALS)
def test_a_layer_whose_shortest_bands_do_not_fit_says_what_would(
    shape: LayerShape, change: dict[str, int], message: str
) -> None:
    layer = Tiling(shape=shape, config=replace(ARRAY, **change), from_host=shape is PLAIN)
    with pytest.raises(CapacityError, match=message):
        in_bands(layer)


def test_another_buffer_is_named_as_ever() -> None:
    with pytest.raises(CapacityError, match="needs ring_depth - 1"):
        in_bands(plain(ring_depth=4, memory_bits=64))


def banded() -> CompiledNetwork:
    """Two convolutions and the sum of their outputs, all in bands but the last."""
    network = RandomNetwork(
        "bands",
        image=(8, 16, 8),
        weights=Precision(2, signed=True),
        activations=Precision(2, signed=False),
        seed=3,
    )
    first = network.conv(IMAGE, "first", 8, kernel=3, padding=1)
    second = network.conv(first, "second", 8, kernel=3, padding=1)
    both = network.add((first, second), "both")
    graph, _ = network.build(network.conv(both, "last", 4, kernel=1, stride=4, padding=0))
    return lower(graph, BitSerial(dm=2, dk=8, dn=2, rhs_depth=64))


def test_a_network_shows_layers_and_runs_bands() -> None:
    network = banded()
    counts = [len(layer.bands) for layer in network.layers]
    assert [layer.name for layer in network.layers] == ["first", "second", "both", "last"]
    assert min(counts[:3]) > 1
    memory = MemoryTiming()
    jobs = predict_program(
        network.config,
        network.segments,
        address=network.program_address,
        instructions=network.program_words,
        memory=memory,
    )
    found = predict(network, memory)
    assert len(jobs.layers) == sum(counts)
    assert found.layers[0] == sum(jobs.layers[: counts[0]])
    assert sum(found.layers) == found.cycles == jobs.cycles
    attributions = [[Attribution.of(s) for s in p.stalls] for p in (found, jobs)]
    assert len(attributions[0]) == 4 and total(attributions[0]) == total(attributions[1])
    assert total_bound(network_bounds(network)).cycles <= found.cycles
    executed = [s.what for s in timeline(network, memory) if s.stage is Stage.EXECUTE]
    assert executed == [layer.name for layer in network.layers for _ in layer.bands]


def test_bands_share_what_does_not_depend_on_their_rows() -> None:
    """One image of weights and one of parameters a layer, and taps for each kind of padding."""
    network = banded()
    whole = lower(network.graph, replace(network.config, rhs_depth=2048))
    assert len(whole.segments) < len(network.segments) <= len(whole.segments) + 2 * 3
    outputs = [layer.output_region for layer in network.layers]
    assert [size for _, size in outputs] == [layer.output_region[1] for layer in whole.layers]


def test_joined_predictions_sum_jobs() -> None:
    stalls: list[Mapping[str, int]] = [
        dict.fromkeys(("EXEC_RUN", "EXEC_WAIT_LHS", "EXEC_WAIT_RHS", "EXEC_WAIT_RESULT"), n)
        for n in (1, 2, 4)
    ]
    found = Prediction(cycles=60, layers=[10, 20, 30], stalls=stalls).joined([1, 2])
    assert (found.cycles, found.layers) == (60, [10, 50])
    assert [s["EXEC_WAIT_RHS"] for s in found.stalls] == [1, 6]
