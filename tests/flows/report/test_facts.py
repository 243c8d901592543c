"""What an overlay takes, beside what each board has, in the same units."""

from boards.loader import load_board
from flows.report.facts import _on_board
from hw.overlays.bit_serial import BitSerial

SMALL = BitSerial(dm=1, dk=8, dn=1, lhs_depth=256, rhs_depth=256, ring_depth=32, table_depth=16)


def test_blocks_of_4_kbit_are_counted_as_blocks_of_18() -> None:
    board = load_board("ice40_hx8k_evn")
    assert (board.bram_blocks_for_buffers, board.budget.bram_block_bits) == (15, 4096)
    found = _on_board(SMALL, board.name)["resources"]["block RAMs of 18 Kbit"]
    assert found == {"needs": found["needs"], "has": 15 * 4096 // 18432}


def test_blocks_of_18_kbit_are_counted_as_they_are() -> None:
    found = _on_board(SMALL, "ulx3s_12f")["resources"]["block RAMs of 18 Kbit"]
    assert found["has"] == load_board("ulx3s_12f").bram_blocks_for_buffers
