"""The modules of a Verilog text, and each of them once."""

from pathlib import Path

import pytest

from codegen import emit
from codegen.emit import emit_verilog
from codegen.modules import instances, split_modules, totals, unify
from flows.synth.launch import run_yosys
from flows.synth.tools import find_yosys
from hw.overlay import TOP
from hw.overlays.bit_serial import BitSerial
from ir.files import read_json, write_text

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


def test_every_module_of_an_overlay_is_there_once():
    text = emit_verilog(BitSerial(dm=4, dk=8, dn=2, requant_lanes=4))
    assert unify(text) == text
    lanes = [name for name in totals(text, TOP) if name.endswith(".lane_0")]
    assert [totals(text, TOP)[name] for name in lanes] == [4]
    assert not any(name.endswith(".lane_1") for name in split_modules(text))


@pytest.mark.slow
def test_modules_once_are_the_same_circuit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """yosys flattens both texts to as many cells of each kind."""
    config = BitSerial(dm=4, dk=8, dn=2, requant_lanes=2)
    once = emit_verilog(config)
    monkeypatch.setattr(emit, "unify", lambda text: text)
    emit.emit_verilog.cache_clear()
    copies = emit_verilog(config)
    emit.emit_verilog.cache_clear()
    assert len(split_modules(once)) < len(split_modules(copies))
    counts = []
    for name, verilog in (("copies", copies), ("once", once)):
        folder = tmp_path / name
        write_text(folder / "design.v", verilog)
        script = f"read_verilog design.v\nhierarchy -top {TOP}\nproc\nflatten\nopt_clean\n"
        run_yosys(find_yosys(), script + "tee -q -o stat.json stat -json\n", folder, ["stat.json"])
        counts.append(read_json(folder / "stat.json")["design"]["num_cells_by_type"])
    assert counts[0] == counts[1]
