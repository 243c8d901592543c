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
from flows.synth.tools import find_yosys
from hw.overlay import TOP
from ir.errors import ToolError
from ir.files import read_text, write_text

SELECTOR = "mutant"
SELECTOR_BITS = 16
MUTATED = "mutated_overlay"
PROOF_SECONDS = 120.0
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
        "setattr -mod -set keep_hierarchy 1 ram_*",
        "proc -norom",
        "flatten",
        "opt_clean",
        "write_rtlil flat.il",
        f"mutate -list {count} -seed {seed} -ctrl {SELECTOR} {SELECTOR_BITS} 1 -o list.txt "
        f"{TOP}/* {TOP}/t:$mem* %d",  # memories' contents are not logic
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
  {MUTATED} inner({", ".join(connected)});
endmodule
"""


def is_equivalent(mutant: Mutant, folder: Path) -> bool:
    """Whether yosys proves that the mutant changes nothing.

    Registers and memories are cut open: from any state and any inputs, both designs must go to the
    same next state with the same outputs. Bits of registers that nothing reads are no state. A
    mutant for which that is false, or not decided in PROOF_SECONDS, counts as a change.
    """
    place = folder / f"equiv_{mutant.number}"
    change = re.sub(r"-ctrl \S+ \S+ \S+ ", "", mutant.command)
    script = [
        "read_rtlil ../flat.il",
        "blackbox ram_*",
        f"memory_map {TOP}",
        f"copy {TOP} gate",
        f"rename {TOP} gold",
        change.replace(f"-module {TOP}", "-module gate"),
        "simplemap gold gate",  # bits of their own, so that chains of bits nothing reads are gone
        "opt_clean -purge",
        "splitnets",  # a register is exposed whole or not at all: those of one bit always are
        "expose -dff -evert -evert-dff gold gate",
        "miter -equiv -flatten -make_assert gold gate miter",
        "hierarchy -top miter",
        "opt_expr",
        "opt_merge",
        "opt_clean",
        f"sat -verify -prove-asserts -timeout {int(PROOF_SECONDS)} miter",
    ]
    try:
        _yosys(script, place, "equiv", timeout_s=2 * PROOF_SECONDS)
    except ToolError as error:
        if error.returncode is None and "did not end" not in error.reason:
            raise
        return False
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
