"""Loss over cycles at a ladder of budgets: a small study as a whole."""

from dataclasses import replace
from pathlib import Path

import pytest

from flows.studies import frontier
from flows.studies.frontier import QUICK, Frontier, describe
from flows.study.cell import Cell
from flows.study.verb import ONE_CELL
from ir.config import load_config
from ir.errors import ConfigError, UnknownPluginError
from tests.flows.study.modelled import TINY, modelled, predicted, run_small

CONFIG = Path(frontier.__file__).with_suffix(".yaml")


def config_of(*overrides: str) -> Frontier:
    return load_config(Frontier, CONFIG, overrides)


def test_configs_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match=r"shares must lie inside 0\.\.1, not \[0\.5, 1\.0\]"):
        config_of("shares=[0.5, 1]")
    with pytest.raises(UnknownPluginError, match="unknown allocator 'alpz'"):
        config_of("allocators=[alpz]")


@pytest.mark.slow
def test_a_small_study_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(frontier, "simulate_plans", modelled)
    names = ("eagl", "alps", "random", "uniform")
    config = replace(config_of(*ONE_CELL, *QUICK, *TINY), allocators=names)
    shared = (config, predicted(config.setting))
    result = run_small(frontier, config, shared)
    methods = result["methods"]
    assert list(methods) == list(names)
    for name, found in methods.items():
        assert found["violations"] == 0
        cycles = [at["cycles"]["mean"] for at in found["frontier"]]
        assert cycles == sorted(cycles) and len(cycles) == 3, name
        assert 0 < found["hypervolume"]["mean"] < 1
    # A layer alone at each width but the widest, from the widest plan: asked at every budget.
    assert methods["alps"]["evaluations"]["mean"] == 4 * 6 + 1
    assert methods["eagl"]["evaluations"]["mean"] == 0
    areas = [methods[name]["hypervolume"]["mean"] for name in ("eagl", "uniform")]
    told = result["hypotheses"][1]
    assert told["said"] == "hypervolume of eagl above uniform's"
    assert told["effect"]["mean"] == pytest.approx(areas[0] - areas[1])
    assert describe(result).splitlines()[-1] == "0 of 4 hypotheses held, 4 not tested"

    # Again: nothing is searched, nothing trained.
    monkeypatch.setattr(Cell, "_tune", None)
    monkeypatch.setattr("flows.study.search.allocate", None)
    assert run_small(frontier, config, shared)["methods"] == methods
