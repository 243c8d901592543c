"""What synthesis made of an overlay computes the same, in the same cycles."""

from __future__ import annotations

import pytest

from ir.errors import ToolError
from sim_tests import netlists
from sim_tests.netlists import NETLISTS, main, run_netlist
from sim_tests.random_jobs import random_job, run_jobs


@pytest.mark.slow
def test_a_netlist_is_exact_and_takes_the_predicted_cycles() -> None:
    assert run_netlist(NETLISTS[0], jobs=6) > 6 * 100


@pytest.mark.slow
def test_jobs_run_on_the_text_they_are_given() -> None:
    with pytest.raises(ToolError):
        run_jobs([random_job(NETLISTS[0], 0)], verilog="module bitwright_overlay(); endmodule\n")


def test_the_command_runs_all_netlists_or_those_that_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(netlists, "run_netlist", lambda overlay: ran.append(overlay) or 1000)
    assert main([]) == 0 and ran == list(NETLISTS)
    assert main([NETLISTS[1]]) == 0 and ran[len(NETLISTS) :] == [NETLISTS[1]]
    assert "1,000 cycles as predicted" in capsys.readouterr().out
    assert main(["1x16x1"]) == 2 and len(ran) == len(NETLISTS) + 1
    assert "no netlist '1x16x1'" in capsys.readouterr().err
