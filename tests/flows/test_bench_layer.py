"""`bitwright bench`: the jobs the issue names, and what a wrong argument says."""

from __future__ import annotations

import json

import pytest

from codegen.buffers import fit_buffers, power_of_two, worst_case_acc_bits
from codegen.device_layer import layer_shapes
from codegen.tiling import Tiling
from codegen.workload import Workload, output_precision
from flows.cli import main
from hw.overlays.bit_serial import BitSerial
from ir.errors import ConfigError
from ir.precision import Precision

MATMULS = [
    ("128x1152x256", "2x2", "a", "1x0"),
    ("128x1152x256", "4x4", "a", "1x0"),
    ("16x144x1024", "3x3", "a", "1x0"),
    ("64x576x64", "3x3", "int32", "1x0"),
    ("1x1x1", "1x1", "a", "1x0"),
    ("7x65x9", "8x8", "int32", "1x1"),
    ("33x100x5", "5x3", "a", "1x0"),
]
CONVS = [
    ("8x64x8", "9x9x16", "--channels 24 --kernel 3 --stride 2 --bits 3x3"),
    ("8x64x8", "6x10x8", "--channels 8 --kernel 3 --padding 2 --bits 2x4"),
    ("8x64x8", "7x7x5", "--channels 5 --kernel 3 --bits 4x2"),
]


def bench(capsys: pytest.CaptureFixture[str], words: str) -> dict:
    """The JSON document of a bench that passes."""
    assert main(["bench", *words.split(), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def check(result: dict) -> None:
    assert result["bit_exact"] is True
    assert result["measured"] == result["predicted"] >= result["lower_bound"]
    product = 1.0
    for factor in ("shape", "bits", "memory", "sequence"):
        product *= result["factors"][factor]
    assert product == pytest.approx(result["utilization"])


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "bits", "out", "signed"), MATMULS)
def test_matmul_on_8x64x8(
    capsys: pytest.CaptureFixture[str], shape: str, bits: str, out: str, signed: str
) -> None:
    check(
        bench(
            capsys,
            f"matmul --array 8x64x8 --shape {shape} --bits {bits} --out {out} --signed {signed}",
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize(("array", "size", "rest"), CONVS)
def test_conv(capsys: pytest.CaptureFixture[str], array: str, size: str, rest: str) -> None:
    check(bench(capsys, f"conv --array {array} --input {size} {rest}"))


@pytest.mark.slow
@pytest.mark.parametrize("array", ["2x64x2", "4x48x3", "1x16x1"])
def test_other_arrays(capsys: pytest.CaptureFixture[str], array: str) -> None:
    check(bench(capsys, f"matmul --array {array} --shape 33x100x5 --bits 5x3"))
    check(bench(capsys, f"conv --array {array} --input 7x7x5 --channels 5 --bits 4x2 --out s8"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "conv --array 2x16x2 --input 9x7x8 --channels 12 --groups 4 --bits 2x3",
        "conv --array 2x16x2 --input 9x7x8 --channels 4 --dilation 2 --bits 3x2 --row-bits 1,3,2,6",
        "conv --array 2x16x2 --style bit_slice --digits 2x2 --input 9x7x8 --channels 5 --bits 3x4",
    ],
)
def test_convolutions_of_every_kind(capsys: pytest.CaptureFixture[str], words: str) -> None:
    check(bench(capsys, words))


@pytest.mark.slow
def test_channels_sorted_by_their_bits_take_fewer_cycles(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = "matmul --array 2x16x2 --shape 24x256x64 --bits 6x4 --row-bits random:1-6"
    ordered, unsorted = (bench(capsys, words + end) for end in ("", " --unsorted"))
    for result, order in ((ordered, "sorted"), (unsorted, "unsorted")):
        check(result)
        assert result["lower_bound"] == result["tile_maxima"][order]
        assert result["measured"] <= 1.03 * result["tile_maxima"][order]
    assert ordered["measured"] < unsorted["measured"]


@pytest.mark.slow
def test_digits_decide_what_bits_cost(capsys: pytest.CaptureFixture[str]) -> None:
    words = "matmul --array 2x16x2 --style bit_slice --shape 16x512x64 --memory-bits 128"
    for digits, ratios in (("1x1", (3 / 4, 9 / 16)), ("2x2", (1, 1))):
        full, *fewer = (
            bench(capsys, f"{words} --digits {digits} --bits {bits}")["measured"]
            for bits in ("4x4", "3x4", "3x3")
        )
        for cycles, ratio in zip(fewer, ratios, strict=True):
            assert cycles / full == pytest.approx(ratio, rel=0.02)


@pytest.mark.slow
def test_cycles_do_not_depend_on_data(capsys: pytest.CaptureFixture[str]) -> None:
    words = "matmul --array 2x64x2 --shape 33x100x5 --bits 5x3 --seed"
    first, second = (bench(capsys, f"{words} {seed}") for seed in (1, 2))
    assert first["measured"] == second["measured"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--array 8x64 --shape 1x1x1 --bits 1x1", "--array must have the form NxNxN, not '8x64'"),
        ("--array 8x64x8 --shape 1x1x1 --bits 0x1", "weights must have 1 to 8 bits, not 0"),
        ("--array 8x64x8 --shape 1x1x1 --bits 1x9", "activations must have 1 to 8 bits, not 9"),
        ("--array 8x64x8 --shape 1x1x1 --bits 1x1 --signed 2x0", "--signed must be two of 0 and 1"),
        ("--array 8x64x8 --shape 1x1x1 --bits 1x1 --out u9", "output must be a, int32, or u or s"),
        ("--array 8x64x8 --shape 0x1x1 --bits 1x1", "rows must be at least 1, not 0"),
        ("--array 8x64x8 --shape 1x1x1 --bits 1x1 --memory-bits 48", "memory_bits must be one of"),
        ("--array 8x64x8 --shape 1x1x1 --bits 1x1 --style systolic", "systolic"),
        ("--array 8x64x8 --shape 2x1x1 --bits 1x1 --row-bits 1,2,3", "must name 2 widths, one a"),
        ("--array 8x64x8 --shape 2x1x1 --bits 1x1 --row-bits 1,9", "widths of 1 to 8 bits with"),
        ("--array 8x64x8 --shape 2x1x1 --bits 1x1 --row-bits random:3-2", "must lie in 1 to 8"),
        ("--array 8x64x8 --shape 1x1x1 --bits 1x1 --digits 2x2", "'bit_serial' has digits of 1x1"),
        ("--array 8x64x8 --shape 1x1x1 --bits 1x1 --digits 2", "--digits must have the form NxN"),
    ],
)
def test_a_wrong_argument_says_so(
    capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    assert main(["bench", "matmul", *words.split()]) == 2
    assert message in capsys.readouterr().err


def test_a_window_that_does_not_fit_says_so() -> None:
    workload = Workload(
        channels=1,
        height=2,
        width=2,
        rows=1,
        kernel=5,
        weights=Precision(2, True),
        activations=Precision(2, False),
        output=output_precision("u4", Precision(2, False)),
    )
    with pytest.raises(ConfigError, match="its window does not fit the input"):
        workload.build()


def test_buffers_are_the_smallest_that_run_the_layer() -> None:
    graph, _ = Workload(
        channels=40,
        height=6,
        width=5,
        rows=12,
        kernel=3,
        padding=1,
        weights=Precision(3, True),
        activations=Precision(2, False),
        output=Precision(4, False),
    ).build()
    shapes = layer_shapes(graph)
    config = fit_buffers(BitSerial(dm=4, dk=16, dn=4), shapes)
    # 3 row tiles * 3 planes * 9 taps * 3 chunks = 243; 8 input tiles * 2 planes * 3 chunks = 48
    assert (config.lhs_depth, config.rhs_depth) == (256, 64)
    tiling = Tiling(shape=shapes[0], config=config, from_host=True).check()
    assert tiling.lhs_words_total <= config.lhs_depth
    assert worst_case_acc_bits(shapes) == (40 * 9 * 4 * 3).bit_length() + 1
    assert power_of_two(17) == 32
