"""Inverters before the resets of the ECP5's flip-flops, moved into them.

A reset that is active low, as AXI's is, reaches flip-flops all over the chip. yosys puts one LUT4
before all of them, which nextpnr places where it likes: 50 rows from either end, once. A TRELLIS_FF
inverts its LSR itself (LSRMUX = INV), so an inverter that nothing else reads is left out.
"""

from collections.abc import Mapping
from typing import Any

from flows.synth.nets import FLIP_FLOP, Cell, sinks_of

PINS = "ABCD"
"""Of a LUT4, that of the least weight in INIT first."""


def invert_resets(netlist: dict[str, Any]) -> int:
    """Change yosys' JSON netlist in place; the inverters that are gone."""
    return sum(_invert(module) for module in netlist["modules"].values())


def _invert(module: Mapping[str, Any]) -> int:
    cells, sinks = module["cells"], sinks_of(module)
    gone = 0
    for name, cell in list(cells.items()):
        plain = _only_input(cell) if cell["type"] == "LUT4" else None
        takers = sinks.get(cell["connections"]["Z"][0], []) if plain is not None else []
        if takers and all(_takes(cells.get(taker), pin) for taker, pin in takers):
            for taker, _ in takers:
                cells[taker]["parameters"]["LSRMUX"] = "INV"
                cells[taker]["connections"]["LSR"] = [plain]
            del cells[name]
            gone += 1
    return gone


def _takes(cell: Cell | None, pin: str) -> bool:
    """Whether `pin` is a flip-flop's reset that is not inverted yet."""
    return (
        cell is not None
        and cell["type"] == FLIP_FLOP
        and pin == "LSR"
        and cell["parameters"]["LSRMUX"] == "LSR"
    )


def _only_input(cell: Cell) -> int | None:
    """The net that a LUT4 inverts, None where it does something else."""
    init = int(cell["parameters"]["INIT"], 2)
    for place, pin in enumerate(PINS):
        inverts = sum(1 << entry for entry in range(16) if not entry >> place & 1)
        net = cell["connections"].get(pin, ["0"])[0]
        if init == inverts and isinstance(net, int):
            return net
    return None
