"""The model's counts under bench area's keys: each what it means there, or None."""

import pytest

from codegen.block_ram import map_memories
from codegen.resources import predict_resources
from flows.bench_area import COUNTED
from flows.predicted_area import counted
from hw.overlays.bit_serial import BitSerial

CONFIG = BitSerial(dm=4, dk=16, dn=4, requant_lanes=2)


@pytest.mark.parametrize(
    ("family", "model", "logic"),
    [
        ("xc7", "xc7", "lut_cells"),
        ("xcup", "xc7", "lut_cells"),
        ("simulation", "xc7", "lut_cells"),
        ("ecp5", "ecp5", "comb"),
        ("ice40", "ecp5", None),
    ],
)
def test_each_key_means_what_bench_area_counts(family: str, model: str, logic: str | None) -> None:
    found, needs = counted(CONFIG, family), predict_resources(CONFIG, family)
    memory = map_memories(CONFIG, model).luts
    assert memory > 0 and found["lut_memory"] == memory
    assert found["luts"] == needs.luts
    expected = {"lut_cells": None, "comb": None} | ({logic: needs.luts - memory} if logic else {})
    assert {name: found[name] for name in expected} == expected
    assert found["lut_packed"] is found["carry"] is None
    assert (found["ff"], found["bram"], found["dsp"]) == (needs.ff, needs.bram, needs.dsp)
    assert set(COUNTED) <= set(found)
