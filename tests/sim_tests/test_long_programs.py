"""A fault far into a long program names its place."""

from hw.csr import STAGE_SHIFT, Code
from ir.isa import Stage
from sim_tests.long_programs import LENGTH, long_rig


def test_a_fault_far_into_a_program_is_named() -> None:
    rig = long_rig("1x16x1")
    *faults, clean = rig.play()
    assert [ending.code for ending in faults] == [Code.ILLEGAL] * len(Stage)
    assert [ending.info & 0xFFFF for ending in faults] == [LENGTH - 1] * len(Stage)
    assert [ending.info >> STAGE_SHIFT for ending in faults] == list(Stage)
    rig.check_clean(clean)
