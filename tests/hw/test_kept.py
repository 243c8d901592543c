"""What stages keep of an instruction: enough for all that the checks let pass, and no more."""

from dataclasses import replace

import pytest

from hw.kept import check_kept, job_layout, kept_bits, kept_layout, position_bits
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from ir.errors import CapacityError
from ir.isa import FORMATS, Stage
from tests.hw.layers import Case, instructions

SIZES = {"dm": 2, "dk": 8, "dn": 2, "lhs_depth": 64, "rhs_depth": 32, "table_depth": 64}
SMALL = BitSerial(**SIZES)


@pytest.mark.parametrize("stage", Stage)
def test_never_more_than_the_field_has(stage: Stage) -> None:
    depths = {"lhs_depth": 1 << 20, "rhs_depth": 1 << 20, "table_depth": 1 << 16}
    wide = BitSerial(dm=248, dk=8, dn=255, memory_bits=256, requant_lanes=248, **depths)
    for name, bits in kept_bits(wide, stage).items():
        assert 1 <= kept_bits(SMALL, stage)[name] <= bits <= FORMATS[stage][name].width, name


def test_bits_follow_the_buffers() -> None:
    fetch, execute = kept_bits(SMALL, Stage.FETCH), kept_bits(SMALL, Stage.EXECUTE)
    assert (fetch["tile_stride"], fetch["reserve"], fetch["base"]) == (5, 7, 6)
    assert (execute["k_words"], execute["chunks"], execute["in_width"]) == (7, 6, 7)
    assert (execute["row_tiles"], execute["col_tiles"], execute["a_digits"]) == (6, 7, 4)
    deep = kept_bits(replace(SMALL, rhs_depth=256), Stage.EXECUTE)
    assert (deep["chunks"], deep["in_width"], deep["k_words"]) == (9, 10, 7)
    assert kept_bits(BitSlice(p=4, q=2, **SIZES), Stage.EXECUTE)["w_digits"] == 2
    assert position_bits(SMALL) == 12, "64 places, and offsets from -2048 on"


def test_the_unpacker_gets_what_it_reads() -> None:
    kept, job = kept_layout(SMALL, Stage.FETCH).members, job_layout(SMALL).members
    assert set(kept) - set(job) == {
        *("wait_done", "address", "segments", "segment_beats", "repeats", "reserve")
    }
    assert not {"stage", "hash"} & set(kept)


def test_a_layer_that_needs_more_is_refused() -> None:
    case = Case(channels=1, height=1, width=1, rows=1, kernel=1, padding=7, a_bits=1)
    instructions(case.tiling(SMALL))  # 113 column tiles
    wide = replace(case, padding=8)
    with pytest.raises(CapacityError, match="'layer': Tn, the outer tile loop: 145, .* most 127"):
        instructions(wide.tiling(SMALL))
    with pytest.raises(CapacityError, match="smallest output code"):
        check_kept(SMALL, Stage.RESULT, {"lo": -(1 << 40)}, "layer")
