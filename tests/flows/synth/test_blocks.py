"""Which modules are blocks, and what a block's result depends on."""

import pytest

from flows.synth.blocks import ALL_BLOCKS, batch_text, find_blocks
from ir.errors import ConfigError

DESIGN = """
module leaf(a, y);
  input a;
  output y;
  assign y = ~a;
endmodule

module part(a, y);
  input a;
  output y;
  wire \\port$12 ;
  \\one.use  inner (
    .a(a)
  );
  leaf first (
    .a(a)
  );
endmodule

module \\one.use (a);
  input a;
  wire hidden;
endmodule

module top(a, y);
  input a;
  output y;
  part part (
    .a(a)
  );
  leaf second (
    .a(a)
  );
endmodule
"""


def test_the_top_its_children_and_what_is_used_twice_are_blocks():
    found = find_blocks(DESIGN, "top")
    assert {name: block.count for name, block in found.items()} == {"top": 1, "leaf": 2, "part": 1}
    assert found["part"].below == ("leaf",)
    assert "hidden" in found["part"].text and "~a" not in found["part"].text


def test_modules_with_one_instance_can_be_flattened_into_the_top():
    found = find_blocks(DESIGN, "top", by_child=False)
    assert {name: block.count for name, block in found.items()} == {"top": 1, "leaf": 2}
    assert "hidden" in found["top"].text


def test_a_batch_has_stubs_for_the_blocks_that_it_leaves_out():
    text = batch_text(find_blocks(DESIGN, "top"), ["part"])
    assert text.startswith(f"module {ALL_BLOCKS};\n  (* keep *) part block_0 ();")
    assert "(* blackbox *)\nmodule leaf(a, y);\n  input a;\n  output y;\nendmodule" in text
    assert "(* keep_hierarchy *)\nmodule part(" in text and "module top" not in text


def digest(design: str, name: str = "part") -> str:
    blocks = find_blocks(design, "top")
    return blocks[name].digest({n: block.stub for n, block in blocks.items()})


def test_a_digest_depends_on_text_and_ports_below():
    before = digest(DESIGN)
    assert digest(DESIGN.replace("port$12", "port$77")) == before  # how Amaranth counted
    assert digest(DESIGN.replace("~a", "a")) == before  # inside a block below
    assert digest(DESIGN.replace("wire hidden", "wire [1:0] hidden")) != before
    assert (
        digest(
            DESIGN.replace("module leaf(a, y);\n  input a", "module leaf(a, y);\n  input [1:0] a")
        )
        != before
    )


def test_an_unknown_top():
    with pytest.raises(ConfigError, match="has no module bottom"):
        find_blocks(DESIGN, "bottom")
