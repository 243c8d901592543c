"""YAML without its traps. The one module of ir/ that may import pyyaml.

Differences from `yaml.safe_load`, each because the plain one changes a value silently:
duplicate keys, aliases (a few lines can stand for gigabytes), `010` (octal 8) and `1:30` (90)
are refused; `on`, `off`, `yes`, `no` and dates stay text; `1e-3` is a number.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from ir.errors import ConfigError, shorten
from ir.files import read_text

LIMIT_BYTES = 1 << 20
MISREAD_NUMBER = re.compile(r"[-+]?0[0-9_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+")


class _Loader(yaml.SafeLoader):
    """SafeLoader whose plain words mean what they look like."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if getattr(event, "anchor", None) is not None:
            raise yaml.YAMLError(f"anchors and aliases are not used here (line {_line(event)})")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.YAMLError(f"a key must be a plain word (line {_line(key)})")
            if key.value in seen:
                raise yaml.YAMLError(f"key {shorten(key.value)} appears twice (line {_line(key)})")
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)

    def construct_yaml_int(self, node: Any) -> int:
        if MISREAD_NUMBER.fullmatch(node.value):
            number = super().construct_yaml_int(node)
            raise yaml.YAMLError(
                f"{shorten(node.value)} would be read as {shorten(number)}: write the plain "
                f"decimal number, or quote it (line {_line(node)})"
            )
        return super().construct_yaml_int(node)


def _line(thing: Any) -> int:
    return thing.start_mark.line + 1


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
# The resolvers are copied first: the tables belong to SafeLoader and are shared by all its users.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in entries if not tag.endswith((":timestamp", ":bool"))]
    for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+\Z"),
    list("-+.0123456789"),
)


def parse_yaml(text: str, where: str) -> Any:
    """One YAML document as plain Python values. ConfigError, whatever the parser throws."""
    if len(text) > LIMIT_BYTES:
        raise ConfigError(f"{where} is larger than the {LIMIT_BYTES} bytes allowed for a config")
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader: builds plain values alone
    except RecursionError as error:
        raise ConfigError(f"{where} is nested too deeply") from error
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise ConfigError(f"{where} is not valid YAML: {_brief(error)}") from error


def read_yaml(path: str | Path) -> Any:
    """The document in a file of at most 1 MiB. ConfigError: unreadable, too large, not YAML."""
    return parse_yaml(read_text(path, LIMIT_BYTES), str(path))


def dump_yaml(value: Any) -> str:
    """Plain values (dicts, lists, numbers, text) as YAML that `parse_yaml` reads back equal."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Quotes what plain YAML would read as something else; writes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.yaml_implicit_resolvers = {
    first: list(entries) for first, entries in yaml.SafeDumper.yaml_implicit_resolvers.items()
}
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+\Z"), list("-+.0123456789")
)
_Dumper.add_representer(tuple, yaml.SafeDumper.represent_list)


def _brief(error: Exception) -> str:
    """The parser's message on one line, with its place, without the quoted input."""
    problem = getattr(error, "problem", None)
    mark = getattr(error, "problem_mark", None)
    text = str(problem or error).splitlines()
    message = text[0] if text else type(error).__name__
    place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark and problem else ""
    return (message if len(message) <= 200 else message[:197] + "...") + place
