"""The frame of the studies: configs, the verb, pictures; a small comparison as a whole."""

import importlib
import json
import pickle
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from flows import cli
from flows.studies import bops_vs_cycles, compare, kernel_wise
from flows.studies.compare import QUICK, Compare
from flows.study.cell import Cell
from flows.study.picture import curves
from flows.study.setting import FixedOverlay
from flows.study.verb import FOLDER, ONE_CELL
from ir import plugins
from ir.config import load_config
from ir.cost import CostEntry, CostTable
from ir.errors import ConfigError
from ir.plan import uniform_plan
from tests.flows.study.modelled import TINY, modelled, predicted, run_small

CONFIG = Path(compare.__file__).with_suffix(".yaml")
SMALL = (*ONE_CELL, *QUICK, *TINY, "episodes=3", "warmup=2")


def config_of(*overrides: str) -> Compare:
    return load_config(Compare, CONFIG, (*SMALL, *overrides))


@pytest.mark.parametrize("name", plugins.names(FOLDER))
def test_what_a_study_has(name: str) -> None:
    """All that the verb asks of a file; its YAML, and its shorter forms, are a config."""
    module = importlib.import_module(f"flows.studies.{name}")
    for part in ("prepared", "one_cell", "gather", "describe"):
        assert callable(getattr(module, part))
    path = Path(str(module.__file__)).with_suffix(".yaml")
    whole = load_config(module.CONFIG, path)
    quick = load_config(module.CONFIG, path, [*ONE_CELL, *module.QUICK])
    nightly = load_config(module.CONFIG, path, module.NIGHTLY)
    assert whole.name == name and len(quick.setting.cells) == 1
    # Intervals need two repetitions at the least.
    assert 2 <= len(nightly.setting.cells) < len(whole.setting.cells)


@pytest.mark.slow
def test_bit_operations_break_budgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bops_vs_cycles, "simulate_plans", modelled)
    path = Path(bops_vs_cycles.__file__).with_suffix(".yaml")
    quick = (*ONE_CELL, *bops_vs_cycles.QUICK, *TINY, "budgets=6")
    config = load_config(bops_vs_cycles.BopsVsCycles, path, quick)
    prices = predicted(config.setting)
    assert prices.uniform[3] == prices.uniform[4]  # digits of two bits
    result = run_small(bops_vs_cycles, config, (config, prices))
    methods = result["methods"]
    assert methods["cycles"]["broken"] == 0 and methods["cycles"]["plans"] == 6
    broken = [c for c in result["cells"][0]["choices"] if c["cycles"] > c["budget"]]
    assert len(broken) == methods["bit-operations"]["broken"]
    (hypothesis,) = result["hypotheses"]
    assert hypothesis["verdict"] == ("held" if broken else "did not hold")
    assert (
        hypothesis["note"] == f"broken: 0 priced by cycles, {len(broken)} priced by bit-operations"
    )
    told = bops_vs_cycles.describe(result).splitlines()
    assert told[-2].startswith("hypothesis: plans priced by bit-operations break budgets")
    assert told[-1] == f"{len(broken) > 0:d} of 1 hypotheses held"


def test_bit_operations_as_prices() -> None:
    entries = {(b, 5): CostEntry(cycles=1, provenance="measured") for b in (2, 4)}
    model = bops_vs_cycles.bops_model(CostTable({"x": entries}), {"x": 7})
    assert model.table.cycles("x", (4, 5)) == 7 * 20
    assert model.plan_cycles(uniform_plan(["x"], 2, first_a_bits=5)) == 70


@pytest.mark.slow
def test_kernels_against_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kernel_wise, "simulate_plans", modelled)
    path = Path(kernel_wise.__file__).with_suffix(".yaml")
    small = (
        *ONE_CELL,
        *kernel_wise.QUICK,
        *TINY,
        "setting.network.width=8",
        "episodes=3",
        "warmup=2",
    )
    config = load_config(kernel_wise.KernelWise, path, small)
    prices = predicted(config.setting)
    result = run_small(kernel_wise, config, (config, prices))
    methods = result["methods"]
    assert all(m["violations"] == 0 for m in methods.values())
    chosen = result["cells"][0]["choices"]
    for choice in chosen:
        assert choice["cycles"] <= choice["cycles_unsorted"]
        assert choice["evaluations"] == 3 + 2
    assert {c["method"] for c in chosen} == set(kernel_wise.METHODS) and len(chosen) == 6
    by_layer = [c["plan"] for c in chosen if c["method"] == "autoq by layer"]
    assert all(isinstance(bits["w_bits"], int) for plan in by_layer for bits in plan.values())
    assert "autoq, sorted takes fewer cycles than haq at equal loss" in kernel_wise.describe(result)
    with pytest.raises(ConfigError, match=r"shares must lie inside 0\.\.1"):
        replace(config, shares=(0.0, 0.5))


@pytest.mark.slow
def test_a_small_comparison_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = config_of("allocators=[exhaustive, eagl, alps, random, uniform]")
    prices = predicted(config.setting)
    result = run_small(compare, config, (config, prices))
    folder = tmp_path / "build/study/compare/latest"
    assert json.loads((folder / "results.json").read_text())["methods"] == result["methods"]
    rows = (folder / "results.csv").read_text().splitlines()
    assert len(rows) == 1 + 3 * len(config.allocators)
    ElementTree.fromstring((folder / "picture.svg").read_text())
    methods = result["methods"]
    assert methods["exhaustive"]["regret"]["mean"] == 0.0
    assert all(m["violations"] == 0 for m in methods.values())
    assert methods["uniform"]["evaluations"]["mean"] == 0
    assert methods["alps"]["evaluations"]["mean"] == 5
    assert methods["eagl"]["search_seconds_cache_off"] < methods["alps"]["search_seconds_cache_off"]
    assert prices.share > 0.6 and result["warning"] == ""
    assert "hypothesis: regret of eagl below random's: not tested" in compare.describe(result)
    *_, cost = result["hypotheses"]
    times = (
        methods["alps"]["search_seconds_cache_off"] / methods["eagl"]["search_seconds_cache_off"]
    )
    assert cost["said"] == "eagl's search is orders of magnitude cheaper than alps's"
    assert cost["verdict"] == ("held" if times >= 10 else "did not hold")
    assert cost["note"] == f"{times:.3g} times, cache off"
    with monkeypatch.context() as bare, pytest.raises(ConfigError, match="leave it out of alloc"):
        bare.setattr(compare, "product", lambda *widths: [])  # no plan of the space is known
        run_small(compare, replace(config, episodes=4), (replace(config, episodes=4), prices))
    monkeypatch.setattr(Cell, "_tune", None)  # a second run trains nothing, and searches nothing
    again = run_small(compare, config, (config, prices))
    kept = ("nll", "cycles", "regret", "hypervolume", "evaluations")
    kept += ("seconds", "search_seconds_cache_off")
    for name, found in methods.items():
        assert {k: found[k] for k in kept} == {k: again["methods"][name][k] for k in kept}


def test_the_committed_config_is_the_contracts() -> None:
    config = load_config(Compare, CONFIG)
    assert (config.setting.folds, config.setting.seeds, config.budgets) == (5, 5, 10)
    assert config.setting.choices == (2, 4)
    plans = len(config.setting.choices) ** 4
    assert plans * len(config.setting.cells) <= 400
    assert len({config.hash, config_of().hash}) == 2


def test_configs_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="allocators must hold exhaustive"):
        config_of("allocators=[eagl]")
    with pytest.raises(ConfigError, match="folds must be 1 to 5, not 6"):
        config_of("setting.folds=6")
    with pytest.raises(ConfigError, match="choices must be two or more widths, ascending"):
        config_of("setting.choices=[4, 2]")
    with pytest.raises(ConfigError, match="seeds must be at least 1, not 0"):
        config_of("setting.seeds=0")
    with pytest.raises(ConfigError, match="budgets must be at least 1, not 0"):
        config_of("budgets=0")
    with pytest.raises(ConfigError, match="a search does not distill"):
        config_of("setting.training.distillation={weight: 0.5}")
    with pytest.raises(ConfigError, match=r"overlay\.sizes: .*unexpected keyword argument 'dx'"):
        FixedOverlay(sizes={"dm": 2, "dk": 16, "dn": 2, "dx": 1}).build()


def test_what_cells_share_reaches_another_process() -> None:
    prices = predicted(config_of().setting)
    there = pickle.loads(pickle.dumps(prices))
    assert there.cycles == prices.cycles and there.uniform == prices.uniform
    plan = next(iter(prices.cycles))
    assert there.cost.plan_cycles(plan) == prices.cycles[plan]
    here, known = prices.cost.plan_bytes, there.cost.plan_bytes
    assert here is not None and known is not None and here(plan) == known(plan)


def test_overlays_on_which_bits_move_little_are_warned_of() -> None:
    config = config_of()
    prices = predicted(config.setting)
    dull = replace(prices, uniform={2: 900, 4: 1000})
    assert dull.share == pytest.approx(100 / 750)
    assert "bit_dependent_share is 0.13, below 0.6" in dull.warning


def test_budgets_lie_evenly_inside_the_range() -> None:
    config = config_of("budgets=4")
    prices = replace(predicted(config.setting), uniform={2: 1000, 4: 2000})
    assert config.cycle_budgets(prices) == [1125, 1375, 1625, 1875]


def test_curves_are_a_picture_of_their_own() -> None:
    drawn = curves({"<a>": [(1.0, 2.0), (3.0, 1.0)], "b": [(1.0, 1.0)]}, "cycles", "loss")
    root = ElementTree.fromstring(drawn)
    circles = [node for node in root.iter() if node.tag.endswith("circle")]
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and len(circles) == 3
    assert "&lt;a&gt;" in drawn


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["study", "comparr"], "unknown study 'comparr' (did you mean 'compare'?)"),
        (["study", "compare", "--quick", "--nightly"], "not allowed with argument --quick"),
        (["study", "compare", "--jobs", "0"], "--jobs must be at least 1, not 0"),
        (["study", "compare", "--folds", "9"], "folds must be 1 to 5, not 9"),
        (["study", "compare", "--set", "budgetz=3"], "unknown key 'budgetz'"),
    ],
)
def test_what_a_user_can_get_wrong(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    assert message in capsys.readouterr().err
