"""Who reads a net of yosys' JSON netlist."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

Cell = dict[str, Any]
Cells = dict[str, Cell]
Sinks = Mapping[int, list[tuple[str, str]]]

FLIP_FLOP = "TRELLIS_FF"


def sinks_of(module: Mapping[str, Any]) -> Sinks:
    """{net: the (cell, port) that it goes to}; the module's own ports have the cell ""."""
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for name, port in module["ports"].items():
        for bit in port["bits"]:
            found[bit].append(("", name))
    for name, cell in module["cells"].items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"].get(port) != "output":
                for bit in bits:
                    found[bit].append((name, port))
    return found
