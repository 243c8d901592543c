"""Project configs: what is refused, with which words, and what a hash stands for."""

from pathlib import Path
from typing import Any

import pytest

from flows.project import Project, load_project
from ir import plugins
from ir.config import plain
from ir.errors import BitwrightError, ConfigError, UnknownPluginError
from ir.files import read_text, write_text
from ir.plan import uniform_plan
from quant.recipe import load_preset

ROOT = Path(__file__).resolve().parents[2]
PLAN = uniform_plan(["a", "b"], 2, first_a_bits=5)


def project(**values: Any) -> Project:
    return Project(name="t", **values)


@pytest.mark.parametrize(
    "example", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.stem
)
def test_every_example_loads(example: Path) -> None:
    assert load_project(example).name == example.stem


@pytest.mark.parametrize(
    ("override", "kind", "message"),
    [
        ("choises=[2,4]", ConfigError, "unknown key 'choises'.*did you mean 'choices'"),
        ("network.wdth=4", ConfigError, "unknown key 'network.wdth'.*'width'"),
        ("choices=[0,2]", ConfigError, "choices must be 1 to 8 bits, not 0"),
        ("choices=[2,9]", ConfigError, "choices must be 1 to 8 bits, not 9"),
        ("choices=[4,2]", ConfigError, "choices must be different widths in ascending order"),
        ("choices=[]", ConfigError, "choices must be different widths in ascending order"),
        ("allocator=aegl", UnknownPluginError, "unknown allocator 'aegl'.*did you mean 'eagl'"),
        ("board=ulx", UnknownPluginError, "unknown board 'ulx'.*there is: .*ulx3s_85f"),
        ("quantizer=lqs", UnknownPluginError, "unknown quantizer 'lqs'.*'lsq'"),
        ("network.name=lstm", UnknownPluginError, "unknown net 'lstm'.*there is: d4, mlp"),
        ("overlay.style=bit", UnknownPluginError, "unknown overlay 'bit'.*bit_serial"),
        ("overlay.digits=2by2", ConfigError, "overlay: digits must have the form PxQ, as 2x2, not"),
        ("overlay.digits=2x2", ConfigError, "'bit_serial' has no digits of 2x2 bits; it has: 1x1"),
        ("cycle_budget=1.5", ConfigError, "cycle_budget as a fraction must be 0 to 1, not 1.5"),
        ("cycle_budget=0", ConfigError, "cycle_budget must be at least 1 cycle, not 0"),
        ("rounds=0", ConfigError, "rounds must be 1 to 100, not 0"),
        ("seed=-1", ConfigError, r"seed must be 0 to 2\^31 - 1, not -1"),
        ("name=../up", ConfigError, "name must be letters, digits"),
        ("data.fold=5", ConfigError, "data: fold must be 0 to 4, not 5"),
        ("overlay.luts=0", ConfigError, "overlay: luts must be at least 1, not 0"),
        ("overlay.bram_blocks=0", ConfigError, "overlay: bram_blocks must be at least 1, not 0"),
        ("network.width=0", ConfigError, "network: width must be a positive integer, not 0"),
        ("training.tune_epochs=0", ConfigError, "training: epochs must be a positive integer"),
        ("training.recipe=lsk", UnknownPluginError, r"unknown recipe 'lsk' \(did you mean 'lsq'"),
    ],
)
def test_what_is_wrong_is_named(override: str, kind: type[BitwrightError], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        load_project(ROOT / "examples" / "digits.yaml", (override,))
    assert caught.value.exit_code == 2


def test_equal_configs_share_a_folder_and_different_ones_do_not() -> None:
    assert project().hash == project(seed=0).hash
    assert project().hash != project(seed=1).hash
    assert len(project().hash) == 8


def test_the_resolved_config_is_the_same_project(tmp_path: Path) -> None:
    from flows.run_folder import resolved

    first = load_project(ROOT / "examples" / "digits.yaml")
    (tmp_path / "again.yaml").write_text(resolved(first), encoding="utf-8")
    again = load_project(tmp_path / "again.yaml")
    assert plain(again) == plain(first)
    assert again.hash == first.hash


@pytest.mark.parametrize(
    ("choices", "budget", "priced"),
    [
        ((2, 4), 0.3, (2, 4, 8)),
        ((2, 4), 5000, (2, 4)),
        ((3,), 5000, (2, 3, 4)),
        ((2, 3, 4, 5, 6, 7, 8), 0.3, (2, 3, 4, 5, 6, 7, 8)),
    ],
)
def test_what_is_priced(choices: tuple[int, ...], budget: int | float, priced) -> None:
    assert project(choices=choices, cycle_budget=budget).priced == priced


def test_recipes_carry_the_seed_and_never_freeze_more_than_there_is() -> None:
    training = project().training
    assert training.of_float(7).seed == 7
    short = type(training)(tune_epochs=2, frozen_norm_epochs=5)
    assert short.of_plan(PLAN, 3).frozen_norm_epochs == 2
    assert short.of_plan(PLAN, 3).seed == 3


def test_a_preset_by_name_and_what_replaces_it() -> None:
    lsq = load_project(
        ROOT / "examples" / "digits.yaml",
        ("training.recipe=lsq", "training.tune_epochs=7", "training.distillation={weight: 0.5}"),
    ).training.of_plan(PLAN, 0)
    assert (lsq.optimizer, lsq.weight_decay) == ("sgd", 0.25e-4)
    assert (lsq.epochs, lsq.distillation.weight) == (7, 0.5)
    assert project().training.of_plan(PLAN, 0) == load_preset("short").recipe


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("clk_period_ns: 16.0", "clk_period_ns: 30.3", "no ECP5 PLL .*clk_period_ns"),
        ("uart_baud: 500000", "uart_baud: 4000000", "makes no uart_baud of 4000000: it has 15.62"),
    ],
)
def test_a_board_without_a_top_is_refused_with_the_config(
    old: str, new: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not when the chip is emitted, after the training."""
    text = read_text(plugins.path("boards", "ulx3s_85f", ".yaml"))
    assert old in text
    file = write_text(tmp_path / "mine.yaml", text.replace(old, new))
    find = plugins.path

    def path(folder: str, name: str, suffix: str = ".py") -> Path:
        return file if name == "mine" else find(folder, name, suffix)

    monkeypatch.setattr(plugins, "path", path)
    with pytest.raises(ConfigError, match=f"mine.yaml: .*{message}"):
        project(board="mine").load_board()
