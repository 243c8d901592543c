"""Coverage: points are read and related to hw/, holes explained, stale explanations refused."""

from pathlib import Path

import pytest

from flows.coverage import check_fresh, hole_lines, judge, load_reasons, read_points, source_lines
from ir.errors import ConfigError, MismatchError
from ir.files import write_json

VERILOG = """(* src = "/somewhere/hw/writer.py:10" *)
module bitwright_overlay(clk);
  (* src = "/somewhere/hw/writer.py:21" *)
  wire [1:0] left;
  assign x = 1;
  if (\\$auto$verilog_backend.cc:2355:dump_module$2 ) begin end
    if (\\$initial ) begin end
endmodule
module other();
"""


def entry(page: str, line: int, name: str, count: int) -> str:
    fields = {"f": "overlay.sv", "l": line, "n": 3, "page": page, "o": name, "h": "TOP"}
    return f"C '{''.join(f'{chr(1)}{k}{chr(2)}{v}' for k, v in fields.items())}' {count}\n"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    toggle, inner = "v_toggle/bitwright_overlay", "v_toggle/bitwright_overlay.writer"
    first = [
        entry("v_line/bitwright_overlay", 5, "block", 7),
        entry("v_branch/bitwright_overlay.writer", 5, "if", 0),
        entry("v_branch/bitwright_overlay", 6, "if", 0),  # the Verilog writer's
        entry("v_branch/bitwright_overlay", 7, "if", 0),  # and another version's
        entry(toggle, 4, "left[0]:0->1", 0),
        entry(inner, 4, "left__02412[0]:0->1", 0),  # the same net: left$12
        entry(inner, 4, "left[1]:0->1", 0),
        entry(inner, 4, "now__02eshift[1]:1->0", 0),
        entry(inner, 4, "__0245[0]:0->1", 0),  # a temporary: $5
    ]
    second = [entry(inner, 4, "left[0]:0->1", 3)]
    paths = [tmp_path / "one.dat", tmp_path / "two.dat"]
    for path, lines in zip(paths, (first, second), strict=True):
        path.write_text("# SystemC::Coverage-3\n" + "".join(lines), encoding="utf-8")
    return paths


def test_points_are_merged_and_named_by_their_source(files: list[Path]) -> None:
    found = {str(point): point.count for point in read_points(files, VERILOG)}
    assert found == {
        "line bitwright_overlay block@5 hw/writer.py:21": 7,
        "branch writer if@5 hw/writer.py:21": 0,
        "toggle bitwright_overlay left[0]:0->1 hw/writer.py:21": 3,
        "toggle writer left[1]:0->1 hw/writer.py:21": 0,
        "toggle writer now.shift[1]:1->0 hw/writer.py:21": 0,
    }
    assert source_lines(VERILOG)[-1] == ""


def test_holes_are_explained_or_open(files: list[Path], tmp_path: Path) -> None:
    path = write_json(
        tmp_path / "reasons.json",
        [{"pattern": r"toggle \S+ now\..*", "reason": "no job needs it"}],
    )
    reasons = load_reasons(path)
    judgement = judge(read_points(files, VERILOG), reasons)
    lines, branches, toggles = judgement.summaries
    assert (lines.measured, branches.measured) == (1.0, 0.0)
    assert (toggles.points, toggles.covered, toggles.explained) == (3, 1, 1)
    assert (toggles.measured, toggles.reachable) == (pytest.approx(1 / 3), 0.5)
    assert sorted(hole_lines(judgement.open)) == [
        "    1 branch writer hw/writer.py:21: if",
        "    1 toggle writer hw/writer.py:21: left",
    ]
    check_fresh(reasons, judgement.used)


def test_an_explanation_that_matches_nothing_is_stale(files: list[Path], tmp_path: Path) -> None:
    path = write_json(
        tmp_path / "reasons.json", [{"pattern": "toggle gone.*", "reason": "it is not there"}]
    )
    reasons = load_reasons(path)
    judgement = judge(read_points(files, VERILOG), reasons)
    with pytest.raises(MismatchError, match="1 patterns of explained holes .* toggle gone"):
        check_fresh(reasons, judgement.used)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"pattern": "x"}, "must have a pattern and a reason"),
        ({"pattern": "(", "reason": "one two three"}, r"pattern '\('"),
        ({"pattern": "x", "reason": "because"}, "needs a reason in words"),
    ],
)
def test_refuses_a_wrong_entry(tmp_path: Path, entry: dict, message: str) -> None:
    path = write_json(tmp_path / "reasons.json", [entry])
    with pytest.raises(ConfigError, match=message):
        load_reasons(path)


def test_the_projects_reasons_are_well_formed() -> None:
    path = Path(__file__).resolve().parents[2] / "sim_tests" / "coverage_holes.json"
    assert all(reason.reason for reason in load_reasons(path))
