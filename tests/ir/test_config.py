"""Documents into dataclasses: every field checked, every message names file, field and value."""

from dataclasses import FrozenInstanceError, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from ir.config import apply_overrides, bind, load_config, plain
from ir.errors import ConfigError
from ir.yaml_reader import dump_yaml, parse_yaml


@dataclass(frozen=True, kw_only=True)
class Training:
    epochs: int
    learning_rate: float = 1e-3
    resume: bool = True
    widths: tuple[int, ...] = (2, 4)
    array: tuple[int, int, int] = (8, 64, 8)

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(f"epochs must be positive, not {self.epochs}")


@dataclass(frozen=True, kw_only=True)
class Job:
    name: str = "digits"
    data: Path = Path("data")
    allocator: Literal["eagl", "uniform"] = "eagl"
    cycle_budget: int | float = 0.3
    seed: int | None = None
    layers: dict[str, int] = field(default_factory=dict)
    training: Training = field(default_factory=lambda: Training(epochs=3))
    extra: Any = None


def read(text: str) -> Job:
    return bind(Job, parse_yaml(text, "job.yaml"), "job.yaml")


def test_an_empty_document_is_all_defaults():
    assert read("") == Job()


def test_every_kind_of_field():
    job = read(
        "{name: on, data: a/b, allocator: uniform, cycle_budget: 5000, seed: 7, layers: {c1: 3},"
        " extra: [1], training: {epochs: 2, learning_rate: 1e-2, resume: false, widths: [],"
        " array: [1, 16, 1]}}"
    )
    assert job == Job(
        name="on",
        data=Path("a/b"),
        allocator="uniform",
        cycle_budget=5000,
        seed=7,
        layers={"c1": 3},
        extra=[1],
        training=Training(epochs=2, learning_rate=0.01, resume=False, widths=(), array=(1, 16, 1)),
    )
    assert isinstance(job.cycle_budget, int)
    with pytest.raises(FrozenInstanceError):
        job.seed = 3  # type: ignore[misc]


def test_float_fields_take_integers_and_numbers_as_text():
    assert bind(Training, {"epochs": 1, "learning_rate": "1e-3"}, "x").learning_rate == 1e-3
    rate = bind(Training, {"epochs": 1, "learning_rate": 1}, "x").learning_rate
    assert rate == 1.0
    assert isinstance(rate, float)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nam: x", r"unknown key 'nam' \(did you mean 'name'\?\)"),
        ("zzzzz: x", "unknown key 'zzzzz'; there is: name, data, allocator"),
        ("training: {epoch: 3}", r"unknown key 'training.epoch' \(did you mean 'epochs'\?\)"),
        ("3: x", "unknown key '3'"),
        ("training: {}", "training.epochs is missing"),
        ("training: {epochs: 0}", "training: epochs must be positive, not 0"),
        ("training: {epochs: 1.5}", "training.epochs must be an integer, not 1.5"),
        ("training: {epochs: true}", "training.epochs must be an integer, not True"),
        ("training: {epochs: '3'}", r"training.epochs must be an integer, not '3' \(a number as"),
        ("training: {epochs: 99999999999999999999}", "training.epochs must be an integer"),
        ("training: {epochs: }", "training.epochs must be an integer, not None"),
        ("training: {epochs: 1, learning_rate: fast}", "learning_rate must be a finite number"),
        ("training: {epochs: 1, learning_rate: .nan}", "learning_rate must be a finite number"),
        ("training: {epochs: 1, learning_rate: 1e999}", "learning_rate must be a finite number"),
        ("training: {epochs: 1, learning_rate: true}", "learning_rate must be a finite number"),
        ("training: {epochs: 1, resume: on}", "resume must be true or false, not 'on'"),
        ("training: {epochs: 1, resume: 1}", "resume must be true or false, not 1"),
        ("training: {epochs: 1, widths: 3}", "widths must be a list, not 3"),
        ("training: {epochs: 1, widths: [1, x]}", r"widths\[1\] must be an integer, not 'x'"),
        ("training: {epochs: 1, array: [1, 2]}", r"array must be a list of 3, not \[1, 2\]"),
        ("training: 3", "training must be a mapping of fields, not 3"),
        ("name: 3", "name must be text, not 3"),
        ("name: true", "name must be text, not True"),
        ("data: 3", "data must be a path, not 3"),
        ("data: ''", "data must be a path, not ''"),
        ("allocator: eagel", r"one of eagl, uniform, not 'eagel' \(did you mean 'eagl'\?\)"),
        ("allocator: [eagl]", "allocator must be one of eagl, uniform"),
        ("cycle_budget: much", "must be an integer or a finite number, not 'much'"),
        ("seed: x", "seed must be an integer, not 'x'"),
        ("layers: 3", "layers must be a mapping, not 3"),
        ("layers: {c1: x}", "layers.c1 must be an integer, not 'x'"),
        ("layers: {3: 3}", "a key of layers must be text, not 3"),
        ("- 1", r"^job.yaml must be a mapping of fields, not \[1\]"),
        ("text", "^job.yaml must be a mapping of fields, not 'text'"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str):
    with pytest.raises(ConfigError, match=message) as caught:
        read(text)
    assert str(caught.value).startswith("job.yaml")


def test_long_values_are_cut():
    with pytest.raises(ConfigError, match="seed must be an integer") as caught:
        read("seed: " + "x" * 10_000)
    assert len(str(caught.value)) < 200


def test_overrides_replace_and_make_fields():
    document = {"name": "a", "training": {"epochs": 3, "resume": True}}
    changed = apply_overrides(document, ["training.epochs=9", "seed=1", "layers={c1: 2}"])
    assert changed == {
        "name": "a",
        "seed": 1,
        "layers": {"c1": 2},
        "training": {"epochs": 9, "resume": True},
    }
    assert document == {"name": "a", "training": {"epochs": 3, "resume": True}}
    assert apply_overrides(None, ["training.epochs=9"]) == {"training": {"epochs": 9}}
    assert apply_overrides({}, ["name=a=b"]) == {"name": "a=b"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs", "--set 'epochs' must look like a.b=value"),
        ("=3", "must look like a.b=value"),
        ("a..b=3", "must look like a.b=value"),
        ("name.first=x", "--set name.first: 'digits' has no field 'first'"),
        ("seed=[", "the value of --set seed is not valid YAML"),
        ("seed=010", "'010' would be read as 8"),
    ],
)
def test_bad_overrides_are_named(override: str, message: str):
    with pytest.raises(ConfigError, match=message):
        apply_overrides({"name": "digits"}, [override])


def test_a_file_with_overrides(tmp_path: Path):
    (tmp_path / "job.yaml").write_text("training: {epochs: 5}\n")
    job = load_config(Job, tmp_path / "job.yaml", ["training.learning_rate=1e-2"])
    assert job.training == Training(epochs=5, learning_rate=0.01)
    with pytest.raises(ConfigError, match="job.yaml: unknown key 'training.lr'"):
        load_config(Job, tmp_path / "job.yaml", ["training.lr=1"])


def test_plain_is_the_inverse_of_bind():
    job = read("{cycle_budget: 0.25, layers: {a/b: 2}, training: {epochs: 2, widths: [3]}}")
    text = dump_yaml(plain(job))
    assert bind(Job, parse_yaml(text, "again"), "again") == job


def test_a_field_type_that_no_config_can_hold_is_our_own_mistake():
    @dataclass(frozen=True, kw_only=True)
    class Wrong:
        value: complex = 0j

    with pytest.raises(TypeError, match="a config cannot hold the type"):
        bind(Wrong, {"value": 1}, "x")
