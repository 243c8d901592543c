"""Pairs of LUTs: what fits a site, and what the greedy method makes of small netlists."""

import numpy as np
import pytest

from flows.synth.packing import packed_sites


def lut(*nets: int | str, kind: str = "") -> dict:
    """A LUT with these nets at its inputs; a text is a constant."""
    ports = {f"I{index}": [net] for index, net in enumerate(nets)}
    return {
        "type": kind or f"LUT{len(nets)}",
        "connections": ports | {"O": [0]},
    }


@pytest.mark.parametrize(
    ("first", "second", "sites"),
    [
        ((1, 2, 3, 4, 5), (1, 2, 3, 4, 5), 1),  # the same five
        ((1, 2, 3, 4, 5), (1, 2, 3, 4, 6), 2),  # six different ones
        ((1, 2, 3, 4), (4, 5), 1),
        ((1, 2, 3, 4), (5, 6), 2),
        ((1, 2), (3, 4, 5), 1),  # unrelated, but small
        ((1, "0", 3), (4, 5, 6), 1),  # a constant takes no input
    ],
)
def test_two_luts_share_a_site_with_five_inputs(first, second, sites):
    assert packed_sites([lut(*first), lut(*second)]) == sites


def test_wide_luts_and_pairs_made_by_hand_fill_a_site():
    wide = lut(1, 2, 3, 4, 5, 6)
    made = lut(1, 2, 3, 4, 5, 6, kind="LUT6_2")
    assert packed_sites([wide, made, lut(1, 2)]) == 3


def test_an_inverter_is_a_lut_and_other_cells_are_none():
    assert packed_sites([lut(1, kind="INV"), lut(2, 3), lut(4, kind="FDRE")]) == 1


def test_the_partner_that_shares_most_is_taken():
    # 1..4 with (1,2,3,5) leaves the two others, which share nothing with it, to each other
    cells = [lut(1, 2, 3, 4), lut(1, 9), lut(1, 2, 3, 5), lut(8, 9)]
    assert packed_sites(cells) == 2


def test_multiplexers_with_a_common_select_share_sites():
    select = 1
    cells = [lut(select, 10 + 2 * n, 11 + 2 * n) for n in range(100)]
    assert packed_sites(cells) == 50


def test_a_net_that_feeds_many_takes_an_input_of_each_pair():
    """Two of their own beside the common one fit twice into five inputs, two and three do not."""
    nets = iter(range(100, 1000))
    narrow = [lut(1, next(nets), next(nets)) for _ in range(35)]
    wider = [lut(1, next(nets), next(nets), next(nets)) for _ in range(35)]
    assert packed_sites(narrow + wider) == 35 - 17 + 35


@pytest.mark.parametrize("seed", range(5))
def test_bounds_on_random_netlists(seed: int):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 7, 200)
    cells = [lut(*rng.choice(60, size, replace=False).tolist()) for size in sizes]
    sites = packed_sites(cells)
    wide = int((sizes == 6).sum())
    assert wide + -(-(len(cells) - wide) // 2) <= sites <= len(cells)
    assert sites == packed_sites(cells)
