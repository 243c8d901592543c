"""Block RAMs whose word is undefined where it is read and written in the same cycle.

hw/ram.py promises no such word, so that synthesis spends nothing on one. The simulator knows only
what the Verilog says, which is the old word: here it comes out inverted, so that what depends on it
cannot pass unseen.
"""

from __future__ import annotations

import re

_READ = re.compile(r"(?m)^(\s+_\w+_ <= )(words\[read_address\]);$")


def with_undefined_collisions(verilog: str) -> str:
    """The text, with an inverted word wherever a block RAM reads what is being written."""
    collision = "write_enable && write_address == read_address"
    text, count = _READ.subn(rf"\1{collision} ? ~\2 : \2;", verilog)
    assert count == verilog.count("no_rw_check"), "a block RAM is read in other words"
    return text
