"""The order of tiles and fetches: what the buffers allow, and what it must reach."""

import random
from dataclasses import replace

import pytest

from codegen.bounds import layer_bound
from codegen.cycles import MemoryTiming, predict
from codegen.lower import lower
from codegen.overlap import choose, cycles_alone
from codegen.schedule import Plan
from codegen.shape import LayerShape
from codegen.tiling import Order, Tiling
from codegen.workload import Workload
from hw.overlays.bit_serial import BitSerial
from ir.precision import Precision

ARRAY = BitSerial(
    dm=8,
    dk=64,
    dn=8,
    memory_bits=64,
    lhs_depth=2048,
    rhs_depth=4096,
    ring_depth=1024,
    table_depth=512,
    rhs_ways=4,
    requant_lanes=4,
)
MUST = [  # (M, K, N), bits, per cent of the array's peak: overlay.md
    ((128, 1152, 256), 2, 94),
    ((128, 1152, 256), 4, 97),
    ((64, 576, 64), 3, 83),
    ((16, 144, 1024), 3, 70),
]


def matmul(shape: tuple[int, int, int], bits: int) -> Workload:
    """M x K times K x N with signed weights and unsigned activations."""
    rows, depth, pixels = shape
    return Workload(
        channels=depth,
        height=1,
        width=pixels,
        rows=rows,
        weights=Precision(bits, signed=True),
        activations=Precision(bits, signed=False),
        output=Precision(bits, signed=False),
    )


@pytest.mark.parametrize(("shape", "bits", "must"), MUST)
def test_share_of_the_peak_with_the_reference_memory(shape, bits: int, must: int) -> None:
    """Predicted; measured is the same (bitwright bench)."""
    graph, _ = matmul(shape, bits).build()
    config = replace(ARRAY, lhs_depth=4096) if bits == 4 else ARRAY
    cycles = predict(lower(graph, config), MemoryTiming(latency=20)).cycles
    rows, depth, pixels = shape
    work = rows * depth * pixels * bits**2 / (config.dm * config.dk * config.dn)
    assert 100 * work / cycles >= must


def random_shape(rng: random.Random) -> LayerShape:
    """A convolution or a matrix product of a few tiles."""
    kernel = rng.choice([1, 1, 3])
    side = rng.randint(3, 12)
    work = Workload(
        channels=rng.choice([3, 16, 64, 100]),
        height=side,
        width=side,
        rows=rng.randint(1, 40),
        kernel=kernel,
        padding=kernel // 2,
        weights=Precision(rng.randint(2, 8), signed=True),
        activations=Precision(rng.randint(1, 8), signed=False),
        output=Precision(rng.randint(1, 8), signed=False),
    )
    graph, _ = work.build()
    return lower(graph, replace(ARRAY, lhs_depth=1 << 14)).layers[0].tiling.shape


@pytest.mark.parametrize("seed", range(20))
def test_orders_keep_within_the_buffers(seed: int) -> None:
    rng = random.Random(seed)
    shapes = [random_shape(rng) for _ in range(3)]
    tilings = [Tiling(shape=s, config=ARRAY, from_host=i == 0) for i, s in enumerate(shapes)]
    most = max(tiling.lhs_words for tiling in tilings)
    config = replace(ARRAY, lhs_depth=1 << (rng.choice([1, 2, 8]) * most - 1).bit_length())
    tilings = [replace(tiling, config=config) for tiling in tilings]
    for tiling, plan in choose(tilings):
        order = tiling.order
        assert max(order.block_first, order.block) * tiling.ring_words < config.ring_depth
        assert not order.resident or tiling.lhs_words_total <= config.lhs_depth
        assert 0 <= plan.ahead <= tiling.row_tiles
        assert plan.ahead * tiling.lhs_words <= config.lhs_depth or tiling.row_table
        assert 0 <= plan.cut <= tiling.input_pixels


def test_a_first_block_pays_where_weights_come_in_first() -> None:
    """Column tiles visited together while the weights arrive: against one at a time."""
    graph, _ = matmul((64, 576, 64), 3).build()
    network = lower(graph, ARRAY)
    tiling = network.layers[0].tiling
    assert tiling.order.block_first > 1 and tiling.order.resident
    alone = predict_with(tiling, Order())
    best = predict_with(tiling, tiling.order)
    assert best < 0.95 * alone
    assert best >= layer_bound(tiling.shape, ARRAY).cycles


def predict_with(tiling: Tiling, order: Order) -> int:
    """Cycles of the layer alone in a given order, its whole input fetched ahead of the weights."""
    ordered = replace(tiling, order=order)
    return cycles_alone([(ordered, Plan(ahead=0, cut=ordered.pixels_before(order.block_first)))])
