"""What synthesis made of an overlay computes the same, in the same cycles."""

from __future__ import annotations

import pytest

from sim_tests.netlists import NETLISTS, run_netlist


@pytest.mark.slow
def test_a_netlist_is_exact_and_takes_the_predicted_cycles() -> None:
    assert run_netlist(NETLISTS[0], jobs=6) > 6 * 100
