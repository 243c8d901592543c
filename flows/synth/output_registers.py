"""Registers directly behind a block RAM of the ECP5, moved into the block RAM.

A DP16KD shows its word 5.8 ns after the clock, and its own output register shows it in a tenth of
that; but yosys leaves that register unused. So a netlist in which flip-flops take a port's
outputs, and nothing else does, has them replaced: REGMODE = OUTREG, their enable at OCE. They have
no reset and begin at zero, as the block RAM's register does. The simulated netlist
(flows/synth/netlist.py) is the one with the registers moved.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

Cells = dict[str, dict[str, Any]]
Sinks = Mapping[int, list[tuple[str, str]]]

BLOCK_RAM = "DP16KD"
FLIP_FLOP = "TRELLIS_FF"
OUTPUTS = 18
"""Of a port."""
WIDE = 36
"""Both ports' outputs, read by port B."""


def move_output_registers(netlist: dict[str, Any]) -> int:
    """Change yosys' JSON netlist in place; the flip-flops that are gone."""
    return sum(_move(module) for module in netlist["modules"].values())


def _move(module: Mapping[str, Any]) -> int:
    cells, sinks = module["cells"], _sinks(module)
    gone = 0
    for cell in [cell for cell in cells.values() if cell["type"] == BLOCK_RAM]:
        wide = int(cell["parameters"]["DATA_WIDTH_B"], 2) == WIDE
        for ports in ("AB",) if wide else ("A", "B"):
            registers = _registers(cell, ports, cells, sinks)
            if registers:
                _take_in(cell, ports, registers, cells)
                gone += len(registers)
    return gone


def _sinks(module: Mapping[str, Any]) -> Sinks:
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


def _outputs(cell: Mapping[str, Any], ports: str) -> Iterator[tuple[str, Any]]:
    for port in ports:
        for place in range(OUTPUTS):
            bits = cell["connections"].get(f"DO{port}{place}")
            if bits:
                yield f"DO{port}{place}", bits[0]


def _registers(cell: Mapping[str, Any], ports: str, cells: Cells, sinks: Sinks) -> dict[str, str]:
    """{output: its flip-flop}; empty unless each used output has one, and all have one enable."""
    clock = cell["connections"][f"CLK{ports[-1]}"]
    found: dict[str, str] = {}
    enables: set[Any] = set()
    for output, net in _outputs(cell, ports):
        taken = sinks.get(net, [])
        if not taken:
            continue
        name, port = taken[0]
        if len(taken) > 1 or not name or not _plain(cells[name], port, clock):
            return {}
        found[output] = name
        enables.add(_enable(cells[name]))
    return found if len(enables) == 1 else {}


def _plain(cell: Mapping[str, Any], port: str, clock: list[Any]) -> bool:
    """Whether it is a flip-flop of that clock that `port` sets, without reset, zero at first."""
    if cell["type"] != FLIP_FLOP or port != "DI":
        return False
    parameters, connections = cell["parameters"], cell["connections"]
    return (
        parameters["REGSET"] == "RESET"
        and parameters["CLKMUX"] == "CLK"
        and parameters["CEMUX"].strip() in ("1", "CE")
        and connections["CLK"] == clock
        and connections["LSR"] == ["0"]
    )


def _enable(flip_flop: Mapping[str, Any]) -> Any:
    """A net, or "1". yosys puts a space behind texts that read as numbers."""
    always = flip_flop["parameters"]["CEMUX"].strip() == "1"
    return "1" if always else flip_flop["connections"]["CE"][0]


def _take_in(cell: dict[str, Any], ports: str, registers: Mapping[str, str], cells: Cells) -> None:
    enable = _enable(cells[next(iter(registers.values()))])
    for output, name in registers.items():
        cell["connections"][output] = cells.pop(name)["connections"]["Q"]
    for port in ports:
        cell["parameters"][f"REGMODE_{port}"] = "OUTREG"
        cell["connections"][f"OCE{port}"] = [enable]
        cell["port_directions"][f"OCE{port}"] = "input"
