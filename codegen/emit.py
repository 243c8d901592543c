"""Verilog text, ports and register map of an overlay."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict
from functools import lru_cache

from amaranth.back import verilog
from amaranth.hdl import Elaboratable, Shape
from amaranth.lib.wiring import In

from codegen.modules import unify
from hw.config import OverlayConfig
from hw.csr import OFFSETS, REGISTERS
from hw.overlay import TOP, overlay_members
from hw.shared import Library

# The pinned yosys writes the Verilog: another one on PATH would write other text.
os.environ["AMARANTH_USE_YOSYS"] = "builtin"

_MEMORY_ZEROS = re.compile(r"^ *\w+\[\d+\] = \d+'h0+;\n", re.MULTILINE)


@lru_cache(maxsize=8)
def emit_verilog(config: OverlayConfig, *, sources: bool = False) -> str:
    """The overlay as one Verilog file, top module `bitwright_overlay`.

    `sources`: with attributes that name the line of hw/ each part comes from.

    Zero contents of memories are left out: they are nine tenths of the text.
    """
    return emit_component(config.build(), name=TOP, sources=sources)


def emit_component(component: Elaboratable, *, name: str, sources: bool = False) -> str:
    """A component of hw/ as Verilog, its top module called `name`, each distinct module once."""
    library = Library()
    parts = [verilog.convert(component, name=name, platform=library, emit_src=sources)]
    for shared, module in library.modules.items():
        parts.append(
            verilog.convert(module, name=shared, emit_src=sources, strip_internal_attrs=not sources)
        )
    return unify(without_memory_zeros("\n".join(parts)))


def without_memory_zeros(text: str) -> str:
    """Verilog whose memories begin with anything: nothing is read before it was written."""
    return _MEMORY_ZEROS.sub("", text)


def ports(config: OverlayConfig) -> dict[str, dict[str, int | str]]:
    """{port: {direction, width}} of the top module."""
    return {
        name: {
            "direction": "input" if member.flow is In else "output",
            "width": Shape.cast(member.shape).width,
        }
        for name, member in overlay_members(config).items()
    }


def regmap_json() -> str:
    """{register: {offset, access, doc, bits, locked}}."""
    table = {r.name: asdict(r) for r in REGISTERS}
    for entry in table.values():
        del entry["name"]
    return json.dumps(table, indent=1) + "\n"


def regmap_header() -> str:
    """C header with the offsets."""
    lines = ["#ifndef BITWRIGHT_REGMAP_H", "#define BITWRIGHT_REGMAP_H"]
    lines += [
        f"#define BITWRIGHT_{r.name} 0x{r.offset:03x} /* {r.access}: {r.doc} */" for r in REGISTERS
    ]
    return "\n".join([*lines, "#endif", ""])


def regmap_python() -> str:
    """Python module with the offsets."""
    lines = ['"""Byte offsets of the overlay\'s registers."""', ""]
    return "\n".join(
        [*lines, *(f"{r.name} = 0x{r.offset:03x}  # {r.access}: {r.doc}" for r in REGISTERS), ""]
    )


__all__ = [
    "OFFSETS",
    "emit_component",
    "emit_verilog",
    "ports",
    "regmap_header",
    "regmap_json",
    "regmap_python",
]
