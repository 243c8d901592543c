"""Mutants of a design: small changes of its netlist, all in one, one of them switched on at a time.

yosys draws them (`mutate -list`), builds them in behind a selector (`mutate -ctrl`) and, for those
that no test notices, tries to prove that they change nothing.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows import toolchain
from flows.synth import find_yosys
from hw.overlay import TOP
from ir.errors import ToolError
from ir.files import read_text, write_text

SELECTOR = "mutant"
SELECTOR_BITS = 16
MUTATED = "mutated_overlay"
INDUCTION = 4
MITER_CYCLES = 8
PROOF_SECONDS = 240.0
_SOURCE = re.compile(r"-src design\.v:(\d+)")
_PLACE = re.compile(r"-wire (\S+)")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """Number `number` (from 1; 0 is the design itself): yosys' words for it, and where it is."""

    number: int
    command: str

    @property
    def mode(self) -> str:
        """What happens to the bit: inv, const0, const1, cnot0, cnot1."""
        return self.command.split("-mode ", 1)[1].split()[0]

    @property
    def line(self) -> int:
        """Line of the design's Verilog, 0 when yosys names none."""
        found = _SOURCE.search(self.command)
        return int(found.group(1)) if found else 0

    def __str__(self) -> str:
        wire = _PLACE.search(self.command)
        cell = self.command.split("-cell ", 1)[1].split()[0]
        return f"{self.number} {self.mode} {wire.group(1) if wire else cell}"


def draw(verilog: str, *, count: int, seed: int, folder: Path) -> list[Mutant]:
    """`count` mutants of `verilog`, and in `folder` the files that the other functions use.

    ToolError: yosys is missing or fails.
    """
    write_text(folder / "design.v", verilog)
    script = [
        "read_verilog design.v",
        f"hierarchy -top {TOP}",
        "proc",
        "flatten",
        "opt_clean",
        "write_rtlil flat.il",
        f"mutate -list {count} -seed {seed} -ctrl {SELECTOR} {SELECTOR_BITS} 1 -o list.txt",
    ]
    _yosys(script, folder, "draw", expects=["flat.il", "list.txt"])
    lines = read_text(folder / "list.txt").splitlines()
    return [Mutant(number=number, command=line) for number, line in enumerate(lines, 1)]


def mutated_verilog(ports: dict[str, dict[str, int | str]], folder: Path) -> str:
    """The design with all mutants inside; `+mutant=N` on the simulator's command line chooses."""
    script = [
        "read_rtlil flat.il",
        "script list.txt",
        f"rename {TOP} {MUTATED}",
        "write_verilog -noattr mutated.v",
    ]
    _yosys(script, folder, "mutate", expects=["mutated.v"])
    return read_text(folder / "mutated.v") + _wrapper(ports)


def _wrapper(ports: dict[str, dict[str, int | str]]) -> str:
    """The overlay's module around the mutated one."""
    declared = [
        f"{p['direction']} wire [{int(p['width']) - 1}:0] {name}" for name, p in ports.items()
    ]
    connected = [f".{name}({name})" for name in [*ports, SELECTOR]]
    return f"""
module {TOP}({", ".join(declared)});
  reg [{SELECTOR_BITS - 1}:0] {SELECTOR} = 0;
  initial if (!$value$plusargs("{SELECTOR}=%d", {SELECTOR})) {SELECTOR} = 0;
  {MUTATED} design({", ".join(connected)});
endmodule
"""


def is_equivalent(mutant: Mutant, folder: Path) -> bool:
    """Whether yosys proves that the mutant changes nothing that can be seen at the ports.

    Memories are cut out: they take what comes in, and what comes out is any value, the same for
    both. First by induction over pairs of equal registers; a mutant that it cannot decide counts as
    a change.
    """
    place = folder / f"equiv_{mutant.number}"
    command = mutant.command.replace("-ctrl", "-none-ctrl")
    command = re.sub(r"-none-ctrl \S+ \S+ \S+ ", "", command)
    script = [
        "read_rtlil ../flat.il",
        "memory_collect",
        f"copy {TOP} gate",
        f"rename {TOP} gold",
        "cd gate",
        command.replace(f"-module {TOP}", "-module gate"),
        "cd ..",
        "equiv_make gold gate equiv",
        "hierarchy -top equiv",
        "equiv_simple",
        f"equiv_induct -seq {INDUCTION}",
        "equiv_status -assert",
    ]
    try:
        _yosys(script, place, "equiv", timeout_s=PROOF_SECONDS)
    except ToolError as error:
        if error.returncode is None and "did not end" not in error.reason:
            raise
        return False
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return True


def _yosys(
    script: Sequence[str],
    folder: Path,
    name: str,
    *,
    expects: Sequence[str] = (),
    timeout_s: float = 600.0,
) -> None:
    yosys = find_yosys()
    write_text(folder / f"{name}.ys", "\n".join(script) + "\n")
    toolchain.run(
        [yosys.binary, "-q", "-l", f"{name}.log", "-s", f"{name}.ys"],
        folder / f"{name}.printed",
        cwd=folder,
        expects=[folder / file for file in expects],
        timeout_s=timeout_s,
    )
