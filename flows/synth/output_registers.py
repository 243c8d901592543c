"""Registers directly behind a block RAM or a multiplier of the ECP5, moved into it.

A DP16KD shows its word 5.8 ns after the clock, and its own output register in a fifth of that; a
MULT18X18D takes 4 ns and more, and has one too; but yosys leaves both unused. So where flip-flops
take a port's outputs, and nothing else does, they are replaced: REGMODE = OUTREG with their enable
at OCE, REG_OUTPUT_CLK = CLK0 with their enable at CE0. They have no reset and begin at zero, as the
register inside does. The simulated netlist (flows/synth/netlist.py) is the one with the registers
moved.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flows.synth.nets import FLIP_FLOP, Cell, Cells, Sinks, sinks_of

Bits = list[Any]

OUTPUTS = 18
"""Of a block RAM's port."""
WIDE = 36
"""Both ports' outputs, read by port B; bits of a product."""


@dataclass(frozen=True, kw_only=True)
class _Port:
    """Outputs that have a register of their own inside a cell.

    clock: what runs it, None where that is free; use(clock, enable): switches it on.
    """

    outputs: tuple[str, ...]
    clock: Bits | None
    use: Callable[[Bits, Bits], None]


def move_output_registers(netlist: dict[str, Any]) -> int:
    """Change yosys' JSON netlist in place; the flip-flops that are gone."""
    return sum(_move(module) for module in netlist["modules"].values())


def _move(module: Mapping[str, Any]) -> int:
    cells, sinks = module["cells"], sinks_of(module)
    gone = 0
    for cell in [cell for cell in cells.values() if cell["type"] in PORTS]:
        for port in PORTS[cell["type"]](cell):
            found = _registers(cell, port, cells, sinks)
            for output, name in found.items():
                flip_flop = cells.pop(name)
                port.use(flip_flop["connections"]["CLK"], _enable(flip_flop))
                cell["connections"][output] = flip_flop["connections"]["Q"]
            gone += len(found)
    return gone


def _block_ram(cell: Cell) -> Iterator[_Port]:
    """Port A and port B, or both as one."""
    wide = int(cell["parameters"]["DATA_WIDTH_B"], 2) == WIDE
    for ports in ("AB",) if wide else ("A", "B"):

        def use(clock: Bits, enable: Bits, ports: str = ports) -> None:
            for port in ports:
                cell["parameters"][f"REGMODE_{port}"] = "OUTREG"
                _connect(cell, f"OCE{port}", enable)

        outputs = tuple(f"DO{port}{place}" for port in ports for place in range(OUTPUTS))
        yield _Port(outputs=outputs, clock=cell["connections"][f"CLK{ports[-1]}"], use=use)


def _multiplier(cell: Cell) -> Iterator[_Port]:
    """The product."""

    def use(clock: Bits, enable: Bits) -> None:
        cell["parameters"] |= {
            "REG_OUTPUT_CLK": "CLK0",
            "REG_OUTPUT_CE": "CE0",
            "REG_OUTPUT_RST": "RST0",
        }
        for port, bits in (("CLK0", clock), ("CE0", enable), ("RST0", ["0"])):
            _connect(cell, port, bits)

    yield _Port(outputs=tuple(f"P{place}" for place in range(WIDE)), clock=None, use=use)


PORTS: Mapping[str, Callable[[Cell], Iterator[_Port]]] = {
    "DP16KD": _block_ram,
    "MULT18X18D": _multiplier,
}


def _connect(cell: Cell, port: str, bits: Bits) -> None:
    cell["connections"][port] = bits
    cell["port_directions"][port] = "input"


def _registers(cell: Cell, port: _Port, cells: Cells, sinks: Sinks) -> dict[str, str]:
    """{output: its flip-flop}; empty unless each used one has one, of one clock and enable."""
    found: dict[str, str] = {}
    clocks = [port.clock] if port.clock else []
    enables = []
    for output in port.outputs:
        bits = cell["connections"].get(output)
        taken = sinks.get(bits[0], []) if bits else []
        if not taken:
            continue
        name, pin = taken[0]
        if len(taken) > 1 or not name or not _plain(cells[name], pin):
            return {}
        found[output] = name
        clocks.append(cells[name]["connections"]["CLK"])
        enables.append(_enable(cells[name]))
    same = all(clock == clocks[0] for clock in clocks) and all(
        enable == enables[0] for enable in enables
    )
    return found if same else {}


def _plain(cell: Cell, pin: str) -> bool:
    """Whether it is a flip-flop that `pin` sets, without reset, zero at first."""
    if cell["type"] != FLIP_FLOP or pin != "DI":
        return False
    parameters = cell["parameters"]
    return (
        parameters["REGSET"] == "RESET"
        and parameters["CLKMUX"] == "CLK"
        and parameters["CEMUX"].strip() in ("1", "CE")
        and cell["connections"]["LSR"] == ["0"]
    )


def _enable(flip_flop: Cell) -> Bits:
    """A net, or "1". yosys puts a space behind texts that read as numbers."""
    always = flip_flop["parameters"]["CEMUX"].strip() == "1"
    return ["1"] if always else flip_flop["connections"]["CE"]
