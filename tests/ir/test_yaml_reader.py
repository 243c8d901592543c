"""YAML means what it looks like, or is refused; nothing a parser throws gets through."""

from pathlib import Path

import pytest

from ir.errors import ConfigError
from ir.yaml_reader import LIMIT_BYTES, dump_yaml, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("-2E5", -2e5),
        (".5e1", 5.0),
        ("0.3", 0.3),
        ("10", 10),
        ("0", 0),
        ("0x10", 16),
        ("on", "on"),
        ("no", "no"),
        ("true", True),
        ("False", False),
        ("2024-01-02", "2024-01-02"),
        ("1e", "1e"),
        ("e3", "e3"),
        ("'010'", "010"),
        ("", None),
    ],
)
def test_plain_words_mean_what_they_look_like(text: str, value: object):
    read = parse_yaml(text, "x.yaml")
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", r"key 'a' appears twice \(line 3\)"),
        ("a: 010", r"'010' would be read as 8: write the plain decimal number.*\(line 1\)"),
        ("a: 1:30", "'1:30' would be read as 90"),
        ("a: &x [1]\nb: *x", r"anchors and aliases are not used here \(line 1\)"),
        ("? [1]\n: 2", "a key must be a plain word"),
        ("a: 'open", "unexpected end of stream"),
        ("a: b: c", r"mapping values are not allowed here \(line 1, column 5\)"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("--- a\n--- b", "another document"),
        ("a: " + "9" * 5000, "is not valid YAML"),
        ("a: !!int x", "is not valid YAML"),
        ("a: !!timestamp x", "is not valid YAML"),
        ("a: !!binary é", "is not valid YAML"),
        ("\x00", "is not valid YAML"),
        ("[" * 50_000, "is nested too deeply"),
        ("x" * (LIMIT_BYTES + 1), "is larger than the 1048576 bytes"),
    ],
)
def test_bad_yaml_is_our_error(text: str, message: str):
    with pytest.raises(ConfigError, match=f"^x.yaml .*{message}") as caught:
        parse_yaml(text, "x.yaml")
    assert len(str(caught.value)) < 300


def test_files_are_bounded_and_must_be_text(tmp_path: Path):
    with pytest.raises(ConfigError, match="none.yaml does not exist"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="binary.yaml is not UTF-8 text"):
        read_yaml(tmp_path / "binary.yaml")
    (tmp_path / "good.yaml").write_text("a: [1, 2]\n")
    assert read_yaml(tmp_path / "good.yaml") == {"a": [1, 2]}


def test_what_is_written_is_read_back_equal():
    value = {
        "small": 1e-7,
        "large": 1e300,
        "text that looks like something": ["1e-3", "on", "010", "2024-01-02", "true", "1:30", ""],
        "nested": {"list": [1, [2]], "flag": True, "nothing": None},
        "ü": "größe",
    }
    assert parse_yaml(dump_yaml(value), "again") == value


def test_shared_and_tuple_values_are_written_plainly():
    pair = [1, 2]
    assert parse_yaml(dump_yaml({"a": pair, "b": pair, "c": (3,)}), "again") == {
        "a": [1, 2],
        "b": [1, 2],
        "c": [3],
    }


def test_the_traps_of_safe_load_are_left_as_they_are_for_others():
    import yaml

    assert yaml.safe_load("on") is True
    assert yaml.safe_load("010") == 8
