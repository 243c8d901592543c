"""A shared component is written once, and behaves as it does alone."""

from __future__ import annotations

import re

from codegen.emit import emit_verilog
from hw.config import OverlayConfig
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice

DEPTHS = {"lhs_depth": 32, "rhs_depth": 128, "ring_depth": 16, "table_depth": 8}


def check(config: OverlayConfig, counts: dict[str, int]) -> None:
    """Each module is defined once and instantiated so many times."""
    text = emit_verilog(config)
    for module, instances in counts.items():
        assert len(re.findall(rf"^module {module}\(", text, re.MULTILINE)) == 1, module
        found = len(re.findall(rf"^  {module} \S+ +\(", text, re.MULTILINE))
        assert (module, found) == (module, instances)


def test_each_size_of_unit_and_memory_is_one_module() -> None:
    check(
        BitSerial(dm=3, dk=16, dn=2, **DEPTHS),
        {
            "dpu_16x1x1x32": 4 * 2,  # three rows and the column sums
            "ram_16x32": 3,  # weight banks
            "ram_16x64": 4,  # activation banks, two parts each
            "ram_1x16": 64,  # ring units: three rows begin at any bit
            "ram_64x8": 1,  # requantizer table of the one lane
            "ram_56x8": 1,  # tap table
            "ram_29x8": 1,  # row table
        },
    )


def test_wider_digits_widen_the_banks_and_need_no_column_sums() -> None:
    check(
        BitSlice(dm=3, dk=16, dn=2, p=2, q=4, **DEPTHS),
        {"dpu_16x2x4x32": 3 * 2, "ram_32x32": 3, "ram_64x64": 4, "ram_4x16": 16},
    )
