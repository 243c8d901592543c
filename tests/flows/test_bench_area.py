"""`bench area`: parts, counts, and what is refused; the synthesis itself is a fake."""

import argparse
from collections.abc import Sequence
from typing import Any

import pytest

from codegen.modules import totals
from flows import bench_area
from flows.bench_area import PARTS, add_area, describe, job_of, measure_arguments, outside_array
from flows.bench_verb import measure_line
from flows.synth import BlockCount, Synthesis
from flows.synth.fmax import Fmax
from flows.synth.place import Placement
from ir.errors import ConfigError


def arguments(line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_area(parser)
    return parser.parse_args(line.split())


def block(name: str, count: int, luts: int, packed: int | None, memory: int = 0) -> BlockCount:
    return BlockCount(
        name=name,
        count=count,
        luts=luts + memory,
        lut_cells=luts,
        lut_memory=memory,
        lut_carry=0,
        lut_packed=packed,
        comb=None if packed is not None else luts + 4,
        carry=2,
        ff=3,
        bram=0,
        dsp=0,
        cells={},
        seconds=1.0,
    )


def synthesis(blocks: Sequence[BlockCount]) -> Synthesis:
    def total(name: str) -> Any:
        values = [(getattr(b, name), b.count) for b in blocks]
        return None if values[0][0] is None else sum(v * n for v, n in values)

    names = ("luts", "lut_cells", "lut_memory", "lut_carry", "lut_packed", "comb", "carry")
    return Synthesis(
        family="xc7",
        **{name: total(name) for name in (*names, "ff", "bram", "dsp")},
        cells={},
        tool="yosys",
        version="0.70",
        seconds=2.0,
        verilog_sha256="",
        blocks=tuple(blocks),
    )


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Synthesis that notes what it is asked for: two units and what surrounds them."""
    calls: list[dict[str, Any]] = []

    def run(verilog: str, **options: Any) -> Synthesis:
        calls.append(options | {"verilog": verilog})
        packed = None if options["family"] == "ecp5" else 60
        return synthesis([block(options["top"], 1, 20, packed), block("dpu_x", 2, 100, packed)])

    monkeypatch.setattr(bench_area, "synthesize", run)
    return calls


def test_a_unit_is_counted_by_packed_luts_on_xc7(fake: list[dict[str, Any]]):
    answer = measure_arguments(arguments("--family xc7 --lanes 16 --acc-bits 20"))
    assert (answer["lut_cells"], answer["lut_packed"], answer["comb"]) == (220, 180, None)
    assert answer["per_bmac"] == round(180 / 16, 3)
    assert (fake[0]["top"], fake[0]["by_child"]) == ("dpu", False)
    assert "input [15:0] lhs;" in fake[0]["verilog"] and "[19:0] acc;" in fake[0]["verilog"]


@pytest.mark.parametrize("family", ["xc7", "ecp5", "ice40"])
def test_the_lanes_are_those_of_the_unit(fake: list[dict[str, Any]], family: str):
    """Their text is the unit's, but for names, and there is no accumulator."""
    line = f"--family {family} --lanes 16 --part"
    answer = measure_arguments(arguments(f"{line} lanes"))
    measure_arguments(arguments(f"{line} dpu"))
    alone, whole = (call["verilog"] for call in fake)
    assert fake[0]["top"] == "lanes" and answer["per_bmac"] > 0
    assert "input [15:0] lhs;" in alone and "acc" not in alone
    for cell in ("LUT6_2", "CCU2C", "CARRY4"):
        assert (f"{cell} " in alone) == (f"{cell} " in whole)


def test_and_with_its_carries_on_ecp5(fake: list[dict[str, Any]]):
    answer = measure_arguments(arguments("--family ecp5 --lanes 16 --digits 2x2"))
    assert (answer["comb"], answer["lut_packed"]) == (24 + 2 * 104, None)
    assert answer["per_bmac"] == round(232 / 64, 3)
    assert "CCU2C" in fake[0]["verilog"]  # the fabric's own cells


def test_the_array_is_shared_by_its_units(fake: list[dict[str, Any]]):
    answer = measure_arguments(arguments("--family xc7 --part dpu+result --array 1x8x1"))
    assert (answer["lut_cells"], answer["ff"]) == (110.0, 4.5)
    assert answer["per_bmac"] == round(90 / 8, 3)
    assert fake[0]["top"] == "array"


def test_a_unit_without_a_row_of_sums_is_alone(monkeypatch: pytest.MonkeyPatch):
    """It is flattened into the array, which is then the only block."""

    def run(verilog: str, **options: Any) -> Synthesis:
        return synthesis([block("array", 1, 120, 60)])

    monkeypatch.setattr(bench_area, "synthesize", run)
    line = "--family xc7 --part dpu+result --array 1x8x1 --digits 2x2"
    assert measure_arguments(arguments(line))["lut_cells"] == 120.0


@pytest.mark.parametrize(("digits", "units"), [("1x1", 8), ("1x2", 8), ("2x2", 6)])
def test_units_are_counted_with_the_row_of_column_sums(digits: str, units: int):
    job = job_of(arguments(f"--family xc7 --part array --array 3x8x2 --digits {digits}"))
    there = totals(*job.verilog())
    assert job.units == sum(n for name, n in there.items() if name.startswith("dpu")) == units


def test_the_share_outside_the_array():
    found = synthesis(
        [
            block("\\bitwright_overlay.array", 1, 40, 30),
            block("dpu_64x1x1x32", 2, 50, 35),
            block("\\bitwright_overlay.result", 1, 90, 40, memory=10),
        ]
    )
    assert outside_array(found) == pytest.approx(50 / 150)


def test_an_overlay_has_the_other_benches_buffers(fake: list[dict[str, Any]]):
    job = job_of(arguments("--family xc7 --part overlay --array 4x16x2 --rhs-depth 512"))
    config = job.config()
    assert (config.dm, config.dk, config.dn) == (4, 16, 2)
    assert (config.lhs_depth, config.rhs_depth, config.requant_lanes) == (2048, 512, 2)
    assert job.bit_products == 4 * 16 * 2


def test_the_clock_is_the_median_of_the_seeds(
    fake: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    placed = Placement(
        part="LFE5U-25F-6BG381C",
        seed=1,
        fmax_mhz=90.0,
        met=False,
        clocks={},
        utilization={"TRELLIS_COMB": {"used": 5, "available": 24288}},
        bitstream=None,
        tool="nextpnr-ecp5",
        version="0.11",
        synthesis="yosys 0.70",
        seconds=3.0,
    )

    def place(verilog: str, **options: Any) -> Fmax:
        assert (options["part"], list(options["seeds"])) == ("LFE5U-25F-6BG381C", [1, 2, 3])
        return Fmax(median=90.0, min=80.0, max=95.0, placements=(placed,))

    monkeypatch.setattr(bench_area, "measure_fmax", place)
    line = "--family ecp5 --lanes 8 --fmax --seeds 3 --device LFE5U-25F-6BG381C"
    answer = measure_arguments(arguments(line))
    assert answer["fmax_mhz"] == {"median": 90.0, "min": 80.0, "max": 95.0}
    assert answer["device"] == "LFE5U-25F-6BG381C"
    assert "90.0 MHz (median of 3 seeds, 80.0 to 95.0)" in describe(answer)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--family xc8", "cannot synthesize for family 'xc8'"),
        ("--family xc7 --part lane", "--part must be one of lanes, dpu, dpu.result, array, over"),
        ("--family xc7 --fmax", "no open tool places xc7; there is: ecp5, ice40"),
        ("--family ecp5 --fmax --seeds 0", "--seeds must be at least 1, not 0"),
        ("--family ecp5 --fmax --device iCE40HX8K-CT256", "is of family ice40, not ecp5"),
        ("--family ecp5 --fmax --device LFE5", "has no open flow"),
        ("--family ecp5 --seeds 3", "--seeds and --device are about placements: add --fmax"),
        ("--family ice40 --device iCE40HX8K-CT256", "are about placements: add --fmax"),
        ("--family xc7 --lanes 8 --array 2x16x2", "--lanes 8 and --array 2x16x2 differ"),
        ("--family xc7 --digits 2", "--digits must have the form NxN"),
        ("--family xc7 --acc-bits 99", "acc_bits must be 4 to 32, not 99"),
    ],
)
def test_what_is_refused(fake: list[dict[str, Any]], line: str, message: str):
    with pytest.raises(ConfigError, match=message):
        measure_arguments(arguments(line))
    assert not fake


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_each_part_for_real(part: str):
    answer = measure_line(f"area --family ecp5 --part {part} --array 1x8x1 --acc-bits 12")
    assert answer["ok"] and answer["comb"] > 20 and answer["tool"].endswith("yosys")
    assert ("outside_array" in answer) == (part == "overlay")
