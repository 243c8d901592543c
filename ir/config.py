"""Plain values (a YAML document) into frozen keyword-only dataclasses, every field checked.

    @dataclass(frozen=True, kw_only=True)
    class Training:
        epochs: int = 30
        learning_rate: float = 1e-3

    training = load_config(Training, "examples/digits.yaml", ["epochs=3"])

A wrong key, type or shape is a ConfigError that names file, field and value. Limits of a field's
value are the dataclass's own business, in its `__post_init__`.
Field types: int, float, str, bool, Path, Literal, X | None, unions of these, tuple, dict, and
other such dataclasses.
"""

import dataclasses
import math
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ir.errors import BitwrightError, ConfigError, did_you_mean, shorten
from ir.yaml_reader import parse_yaml, read_yaml

T = TypeVar("T")

LARGEST_INT = 1 << 63


def load_config(cls: type[T], path: str | Path, overrides: Iterable[str] = ()) -> T:
    """The file at `path`, then the `a.b=c` overrides, as a `cls`."""
    document = read_yaml(path)
    return bind(cls, apply_overrides(document, overrides), str(path))


def bind(cls: type[T], document: Any, where: str) -> T:
    """`document` (a mapping) as a `cls`. `where` leads every message."""
    return _dataclass(cls, {} if document is None else document, where, "")


def plain(config: Any) -> Any:
    """The inverse of `bind`: dataclasses to mappings, tuples to lists, paths to text."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        fields = dataclasses.fields(config)
        return {field.name: plain(getattr(config, field.name)) for field in fields if field.init}
    if isinstance(config, dict):
        return {key: plain(value) for key, value in config.items()}
    if isinstance(config, tuple | list):
        return [plain(value) for value in config]
    return str(config) if isinstance(config, Path) else config


def apply_overrides(document: Any, overrides: Iterable[str]) -> Any:
    """A copy of `document` with every `a.b=c` set; `c` is read as YAML."""
    for override in overrides:
        dotted, equals, text = override.partition("=")
        keys = [key.strip() for key in dotted.split(".")]
        if not equals or not all(keys):
            raise ConfigError(f"--set {shorten(override)} must look like a.b=value")
        value = parse_yaml(text, f"the value of --set {dotted}")
        document = _with(document, keys, value, f"--set {dotted}")
    return document


def _with(document: Any, keys: list[str], value: Any, where: str) -> Any:
    if not keys:
        return value
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigError(f"{where}: {shorten(document)} has no field {shorten(keys[0])}")
    return {**document, keys[0]: _with(document.get(keys[0]), keys[1:], value, where)}


def _dataclass(cls: type[T], value: Any, where: str, path: str) -> T:
    if isinstance(value, cls):
        return value
    if not isinstance(value, dict):
        raise _wrong(where, path, "a mapping of fields", value)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore
    for key in value:
        if key not in fields:
            hint = did_you_mean(key, fields) or f"; there is: {', '.join(fields)}"
            raise ConfigError(f"{where}: unknown key {shorten(_join(path, key))}{hint}")
    for name, field in fields.items():
        if name not in value and _required(field):
            raise ConfigError(f"{where}: {_join(path, name)} is missing")
    hints = get_type_hints(cls)
    bound = {key: _value(hints[key], item, where, _join(path, key)) for key, item in value.items()}
    try:
        return cls(**bound)
    except ConfigError as error:
        # Nested configs have named themselves already; the file is named once, outermost.
        place = f"{where}: {path}: " if path else f"{where}: "
        raise type(error)(place + str(error)) from error


def _required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _value(kind: Any, value: Any, where: str, path: str) -> Any:
    """`value` checked against the annotation `kind` and converted to it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _union(arguments, value, where, path)
    if origin is Literal:
        return _literal(arguments, value, where, path)
    if origin is tuple or origin is list:
        return _sequence(arguments, value, where, path)
    if origin is dict:
        return _mapping(arguments, value, where, path)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, where, path)  # type: ignore[arg-type]
    if kind in _SCALARS:
        expected, convert = _SCALARS[kind]
        converted = convert(value)
        if converted is None:
            raise _wrong(where, path, expected, value)
        return converted
    raise TypeError(f"{path}: a config cannot hold the type {kind}")


def _union(kinds: tuple[Any, ...], value: Any, where: str, path: str) -> Any:
    """The first of the kinds that takes the value, its own Python type first (1 as int | float)."""
    if value is None and type(None) in kinds:
        return None
    rest = [kind for kind in kinds if kind is not type(None)]
    if len(rest) == 1:
        return _value(rest[0], value, where, path)
    for kind in sorted(rest, key=lambda kind: kind is not type(value)):
        try:
            return _value(kind, value, where, path)
        except BitwrightError:
            continue
    raise _wrong(where, path, " or ".join(_name(kind) for kind in rest), value)


def _literal(allowed: tuple[Any, ...], value: Any, where: str, path: str) -> Any:
    for choice in allowed:
        if type(choice) is type(value) and choice == value:
            return choice
    listed = ", ".join(map(str, allowed))
    hint = did_you_mean(value, [str(choice) for choice in allowed])
    raise ConfigError(f"{where}: {path} must be one of {listed}, not {shorten(value)}{hint}")


def _sequence(kinds: tuple[Any, ...], value: Any, where: str, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _wrong(where, path, "a list", value)
    if len(kinds) == 1 or (len(kinds) == 2 and kinds[1] is Ellipsis):
        kinds = (kinds[0],) * len(value)
    if len(value) != len(kinds):
        raise _wrong(where, path, f"a list of {len(kinds)}", value)
    items = zip(kinds, value, strict=True)
    return tuple(_value(kind, v, where, f"{path}[{i}]") for i, (kind, v) in enumerate(items))


def _mapping(kinds: tuple[Any, ...], value: Any, where: str, path: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _wrong(where, path, "a mapping", value)
    return {
        _value(kinds[0], key, where, f"a key of {path}"): _value(
            kinds[1], item, where, _join(path, key)
        )
        for key, item in value.items()
    }


def _int(value: Any) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST_INT
    return value if fits else None


def _float(value: Any) -> float | None:
    """Integers and text like "1e-3" (what YAML 1.1 makes of it) are numbers too."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _path(value: Any) -> Path | None:
    return Path(value) if isinstance(value, str | Path) and str(value) else None


_SCALARS: dict[Any, tuple[str, Any]] = {
    int: ("an integer", _int),
    float: ("a finite number", _float),
    bool: ("true or false", lambda value: value if isinstance(value, bool) else None),
    str: ("text", lambda value: value if isinstance(value, str) else None),
    Path: ("a path", _path),
}


def _name(kind: Any) -> str:
    if kind in _SCALARS:
        return _SCALARS[kind][0]
    return "a list" if get_origin(kind) in (tuple, list) else "a mapping"


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _wrong(where: str, path: str, expected: str, value: Any) -> ConfigError:
    named = f"{where}: {path}" if path else where
    quoted = " (a number as text: remove the quotes)" if _quoted_number(value) else ""
    return ConfigError(f"{named} must be {expected}, not {shorten(value)}{quoted}")


def _quoted_number(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lstrip("+-").isdigit()
