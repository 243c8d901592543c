"""A shared component is written once, and behaves as it does alone."""

from __future__ import annotations

import re

from codegen.emit import emit_verilog
from hw.overlays.bit_serial import BitSerial

DEPTHS = {"lhs_depth": 32, "rhs_depth": 64, "ring_depth": 16, "table_depth": 8}


def test_each_size_of_unit_and_memory_is_one_module() -> None:
    text = emit_verilog(BitSerial(dm=3, dk=16, dn=2, **DEPTHS))
    for module, instances in {
        "dpu_16x32": 4 * 2,  # three rows and the column sums
        "ram_16x32": 3,  # weight banks
        "ram_16x64": 2,  # activation banks
        "ram_1x16": 64,  # ring units: three rows begin at any bit
        "ram_64x8": 1,  # requantizer table of the one lane
        "ram_56x8": 1,  # tap table
        "ram_64x128": 3,  # instruction queues
    }.items():
        assert len(re.findall(rf"^module {module}\(", text, re.MULTILINE)) == 1
        assert len(re.findall(rf"^  {module} \S+ \(", text, re.MULTILINE)) == instances
