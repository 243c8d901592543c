"""How fast a module is: placed and routed with several seeds, behind a narrow wrapper.

A module of an overlay has more ports than a part has pins, and pins are slow. So the wrapper shifts
the inputs in through registers, takes each output into a register, and folds those into another
shift register.
"""

import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from codegen.modules import split_modules
from flows.synth.place import DEFAULT_CACHE, Design, Placement, implement
from ir.errors import ConfigError

AIM_MHZ = 250.0
"""What nextpnr is told to reach: beyond what these designs do, so that it tries."""

DEVICES = {"ecp5": "LFE5U-85F-6BG381C", "ice40": "iCE40HX8K-CT256"}
"""{family: the part that is placed unless the user says otherwise}: the slowest speed grade."""

WRAPPER = "narrow"
_PORT = re.compile(r"^  (input|output) (?:reg |wire )?(?:\[(\d+):0\] )?(\\\S+|\w+) ?;", re.M)
_CLOCK = re.compile(r"(a|host_)?clk")


@dataclass(frozen=True, kw_only=True)
class Fmax:
    """In MHz over all seeds. placements: one for each seed."""

    median: float
    min: float
    max: float
    placements: tuple[Placement, ...]


def measure_fmax(
    verilog: str,
    *,
    top: str,
    part: str,
    seeds: Sequence[int],
    cache: str | Path = DEFAULT_CACHE,
    say: Callable[[str], None] = lambda text: None,
) -> Fmax:
    """Place and route `top` on `part` once for each seed. Errors as in `implement`."""
    if not seeds:
        raise ConfigError("at least one seed is needed")
    text = verilog + "\n" + narrow(verilog, top)
    design = Design(verilog=text, top=WRAPPER, part=part, clock_mhz=AIM_MHZ)
    placements = []
    for seed in seeds:
        placements.append(implement(design, seed=seed, cache=cache))
        say(f"{part} seed {seed}: {placements[-1].fmax_mhz:.1f} MHz")
    reached = [placement.fmax_mhz for placement in placements]
    return Fmax(
        median=round(statistics.median(reached), 2),
        min=min(reached),
        max=max(reached),
        placements=tuple(placements),
    )


def narrow(verilog: str, top: str) -> str:
    """A module WRAPPER with four pins around `top`. ConfigError: `top` has no clock."""
    ports = _PORT.findall(split_modules(verilog)[top])
    clocks = [name for _, _, name in ports if _CLOCK.fullmatch(name)]
    if not clocks:
        raise ConfigError(f"module {top} has no clock")
    places = {"input": 0, "output": 0}
    connected = [f".{name}(clk)" for name in clocks]
    for direction, high, name in ports:
        if name not in clocks:
            low = places[direction]
            places[direction] = low + int(high or 0) + 1
            bus = "inputs" if direction == "input" else "outputs"
            connected.append(f".{name} ({bus}[{places[direction] - 1}:{low}])")
    joined = ",\n    ".join(connected)
    return f"""module {WRAPPER}(input clk, input serial_in, output serial_out);
  reg [{places["input"] - 1}:0] inputs;
  wire [{places["output"] - 1}:0] outputs;
  reg [{places["output"] - 1}:0] taken;
  reg [{places["output"]}:0] folded;
  always @(posedge clk) begin
    inputs <= {{inputs, serial_in}};
    taken <= outputs;
    folded <= (folded >> 1) ^ taken;
  end
  assign serial_out = folded[0];
  {top} inner (
    {joined}
  );
endmodule
"""
