"""The modules of a Verilog text, and each of them once."""

import shutil
from pathlib import Path

import pytest

from codegen.emit import emit_verilog
from codegen.modules import instances, split_modules, totals, unify
from hw.overlay import TOP
from hw.overlays.bit_serial import BitSerial

COPIES = """/* made by hand */

(* generator = "Amaranth" *)
module \\top.lane_0 (a);
  reg \\$auto$verilog_backend.cc:2355:dump_module$7  = 0;
  input a;
  \\top.lane_0.tree  tree (
    .a(a)
  );
endmodule

(* generator = "Amaranth" *)
module \\top.lane_0.tree (a);
  input a;
endmodule

(* generator = "Amaranth" *)
module \\top.lane_1 (a);
  reg \\$auto$verilog_backend.cc:2355:dump_module$9  = 0;
  input a;
  \\top.lane_1.tree  tree (
    .a(a)
  );
endmodule

(* generator = "Amaranth" *)
module \\top.lane_1.tree (a);
  input a;
endmodule

module top(a);
  input a;
  \\top.lane_0  lane_0 (
    .a(a)
  );
  \\top.lane_1  \\lane$1  (
    .a(a)
  );
endmodule
"""


def test_modules_and_instances():
    modules = split_modules(COPIES)
    assert list(modules)[-1] == "top" and len(modules) == 5
    assert modules["\\top.lane_1"].startswith("(* generator")
    assert instances(modules["top"]) == {"\\top.lane_0": 1, "\\top.lane_1": 1}
    assert totals(COPIES, "top")["\\top.lane_1.tree"] == 1


def test_equal_trees_become_one():
    once = unify(COPIES)
    assert list(split_modules(once)) == ["\\top.lane_0", "\\top.lane_0.tree", "top"]
    assert once.startswith("/* made by hand */\n\n(* generator")
    assert totals(once, "top") == {"top": 1, "\\top.lane_0": 2, "\\top.lane_0.tree": 2}
    assert "\\top.lane_0  \\lane$1  (" in once
    assert unify(once) == once


def test_modules_that_differ_stay():
    other = COPIES.replace(
        "tree (a);\n  input a;\nendmodule\n\n(*", "tree (a);\n  output a;\nendmodule\n\n(*"
    )
    assert len(split_modules(unify(other))) == 5


def test_a_text_without_modules_is_left_alone():
    assert unify("// nothing\n") == "// nothing\n"


@pytest.mark.slow
def test_the_unified_overlay_is_equivalent(tmp_path: Path):
    """yosys flattens both texts to the same netlist: as many cells of each kind."""
    from flows.synth.launch import run_yosys
    from flows.synth.tools import find_yosys
    from ir.files import read_json, write_text

    text = emit_verilog(BitSerial(dm=4, dk=8, dn=2, requant_lanes=4))
    once = unify(text)
    assert len(split_modules(once)) <= len(split_modules(text)) - 3
    counts = []
    for name, verilog in (("copies", text), ("once", once)):
        folder = tmp_path / name
        write_text(folder / "design.v", verilog)
        script = f"read_verilog design.v\nhierarchy -top {TOP}\nproc\nflatten\nopt_clean\n"
        run_yosys(find_yosys(), script + "tee -q -o stat.json stat -json\n", folder, ["stat.json"])
        counts.append(read_json(folder / "stat.json")["design"]["num_cells_by_type"])
        shutil.rmtree(folder)
    assert counts[0] == counts[1]
