"""The modules of a Verilog text: which there are, what they instantiate, and each of them once.

Amaranth writes a copy of a component for each of its instances. `unify` leaves one module where
copies are equal, which makes the text, its simulator and its synthesis smaller. Only text as
Amaranth's writer lays it out is understood: one module after the other, an instance's module and
name on one line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

_MODULE = re.compile(r"(?:^\(\*[^\n]*\*\)\n)*^module (\S+?)\s*\(.*?^endmodule\n?", re.M | re.S)
_INSTANCE = re.compile(r"^(  )(\\\S+ |[A-Za-z_]\w*)( +(?:\\\S+|\w+) +\()$", re.M)
_COUNTED = re.compile(r"\\\$auto\$verilog_backend\.cc:\d+:dump_module\$\d+ ")
_KEYWORDS = frozenset({"assign", "always", "initial", "module", "if", "case", "begin"})


def split_modules(verilog: str) -> dict[str, str]:
    """{module: its text with the attributes before it}, in the order of the text."""
    return {found[1]: found[0] for found in _MODULE.finditer(verilog)}


def instances(module: str) -> Counter[str]:
    """{name: how often it is instantiated} in the text of a module."""
    names = (found[2].rstrip() for found in _INSTANCE.finditer(module))
    return Counter(name for name in names if name not in _KEYWORDS)


def unify(verilog: str) -> str:
    """`verilog` with one module where several are equal but for their names: the first stays.

    Children are compared before their parents, so that equal trees become one.
    """
    kept: dict[str, str] = {}
    chosen: dict[str, str] = {}
    by_body: dict[str, str] = {}
    modules = split_modules(verilog)
    for name in _children_first(modules):
        text = _INSTANCE.sub(lambda found: _renamed(found, chosen), modules[name])
        text = _COUNTED.sub(r"\\$initial ", text)
        body = text.replace(f"module {name}", "module ", 1)
        chosen[name] = by_body.setdefault(body, name)
        if chosen[name] == name:
            kept[name] = text
    first = verilog[: verilog.find(next(iter(modules.values())))] if modules else verilog
    return first + "\n".join(kept[name] for name in modules if name in kept)


def totals(verilog: str, top: str) -> Counter[str]:
    """{module: how many of it the design has}, the top included; modules of others left out."""
    modules = split_modules(verilog)
    found: Counter[str] = Counter()

    def count(name: str, times: int) -> None:
        found[name] += times
        for child, number in instances(modules[name]).items():
            if child in modules:
                count(child, number * times)

    count(top, 1)
    return found


def _renamed(found: re.Match[str], chosen: Mapping[str, str]) -> str:
    """An instance's line, with the module that was kept for the one it names."""
    name = found[2].rstrip()
    kept = chosen.get(name, name)
    return f"{found[1]}{_written(kept)}{found[3]}"


def _written(name: str) -> str:
    """A name in Verilog: an escaped one ends with a space."""
    return f"{name} " if name.startswith("\\") else name


def _children_first(modules: Mapping[str, str]) -> list[str]:
    """Names in an order in which a module follows those it instantiates."""
    order: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in order:
            return
        for child in instances(modules[name]):
            if child in modules:
                visit(child)
        order[name] = None

    for name in modules:
        visit(name)
    return list(order)
