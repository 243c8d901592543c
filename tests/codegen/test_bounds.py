"""Lower bounds: the figures of the design's table, digits, and factors that multiply up."""

from __future__ import annotations

import math

import pytest

from codegen.bounds import Bound, layer_bound, total_bound, utilization
from codegen.shape import LayerShape
from hw.config import OverlayConfig
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from ir.graph import INT32
from ir.precision import Precision

SIZES = {"dm": 8, "dk": 64, "dn": 8}


def matmul(
    rows: int, depth: int, pixels: int, w: int, a: int, out: int | None = None
) -> LayerShape:
    """M x K times K x N with results at `out` bits (default: a; 32: sums)."""
    return LayerShape(
        name="matmul",
        channels=depth,
        height=1,
        width=pixels,
        rows=rows,
        kernel=(1, 1),
        stride=1,
        padding=(0, 0),
        out_height=1,
        out_width=pixels,
        weights=Precision(w, True, bipolar=w == 1),
        activations=Precision(a, False),
        output=INT32 if out == 32 else Precision(out or a, False),
    )


@pytest.mark.parametrize(
    ("shape", "exec_cycles", "read"),
    [
        (matmul(128, 1152, 256, 2, 2), 36_864, 13_824),
        (matmul(128, 1152, 256, 4, 4), 147_456, 27_648),
        (matmul(64, 576, 64, 3, 3), 5_184, 3_456),
        (matmul(16, 144, 1024, 3, 3), 6_912, 7_020),
    ],
)
def test_the_designs_table(shape: LayerShape, exec_cycles: int, read: int) -> None:
    dk = 48 if shape.depth == 144 else 64
    bound = layer_bound(shape, BitSerial(**SIZES | {"dk": dk}, requant_lanes=4))
    assert (bound.exec, bound.read) == (exec_cycles, read)
    assert bound.cycles == max(exec_cycles, read)
    assert bound.limited_by == ("exec" if exec_cycles > read else "read")


@pytest.mark.parametrize(
    ("p", "q", "w", "a", "pairs", "w_bits", "a_bits", "out_bits"),
    [  # 16 x 64 x 8: two tiles of one word
        (2, 2, 3, 3, 4, 4, 4, 4),
        (2, 2, 4, 4, 4, 4, 4, 4),
        (4, 4, 3, 4, 1, 4, 4, 4),
        (1, 4, 3, 5, 6, 3, 8, 8),
        (4, 1, 5, 3, 6, 8, 3, 3),
        (8, 8, 2, 7, 1, 8, 8, 8),
        (2, 1, 1, 1, 1, 2, 1, 1),
    ],
)
def test_bits_are_rounded_up_to_digits(p, q, w, a, pairs, w_bits, a_bits, out_bits) -> None:
    bound = layer_bound(matmul(16, 64, 8, w, a), BitSlice(**SIZES, p=p, q=q, requant_lanes=2))
    assert bound == Bound(
        exec=2 * pairs,
        read=math.ceil((16 * 64 * w_bits + 64 * 8 * a_bits) / 64),
        write=math.ceil(16 * 8 * out_bits / 64),
        requantize=2 * 8 * 8 // 2,
    )


def test_sums_are_written_as_32_bits_whatever_the_digits() -> None:
    bound = layer_bound(matmul(16, 64, 8, 2, 2, out=32), BitSlice(**SIZES, p=4, q=4))
    assert bound.write == 16 * 8 * 32 // 64


def test_row_tiles_that_hang_over_are_read_as_far_as_there_are_rows() -> None:
    bound = layer_bound(matmul(17, 64, 1, 2, 2), BitSerial(**SIZES, memory_bits=32))
    assert bound.exec == 3 * 4
    assert bound.read == (17 * 64 * 2 + 64 * 2) // 32


@pytest.mark.parametrize(
    ("config", "bits"),
    [
        (BitSerial(**SIZES), 1.0),
        (BitSlice(**SIZES), 9 / 16),
        (BitSlice(**SIZES, p=4, q=1), 3 / 4),
        (BitSlice(**SIZES, p=8, q=8), 9 / 64),
    ],
)
def test_factors_multiply_up(config: OverlayConfig, bits: float) -> None:
    """w = a = 3: on 2x2 digits 9 of 16 bit pairs are work, as published for such bricks."""
    shape = matmul(60, 570, 63, 3, 3)
    share, factors = utilization(shape, config, 10_000)
    assert factors["bits"] == pytest.approx(bits)
    assert factors["shape"] == pytest.approx(60 * 570 * 63 / (64 * 576 * 64))
    assert math.prod(factors.values()) == pytest.approx(share)
    work = 60 * 570 * 63 * 9
    assert share == pytest.approx(work / (8 * 64 * 8 * config.p * config.q * 10_000))


def test_a_networks_resources_serve_all_its_layers() -> None:
    bounds = [
        Bound(exec=10, read=4, write=1, requantize=2),
        Bound(exec=1, read=9, write=1, requantize=2),
    ]
    total = total_bound(bounds)
    assert (total.cycles, total.limited_by) == (13, "read")


def test_rows_and_columns_that_no_window_covers_are_not_read() -> None:
    """A 1x1 kernel of stride 2 covers 4x4 pixels of 8x8."""
    shape = LayerShape(
        name="conv",
        channels=16,
        height=8,
        width=8,
        rows=8,
        kernel=(1, 1),
        stride=2,
        padding=(0, 0),
        out_height=4,
        out_width=4,
        weights=Precision(4, True),
        activations=Precision(4, False),
        output=Precision(4, False),
    )
    bound = layer_bound(shape, BitSlice(**SIZES, p=4, q=4))
    assert bound.read == (8 * 16 * 4 + 4 * 4 * 16 * 4) // 64
