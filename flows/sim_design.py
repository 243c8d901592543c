"""What a simulator is made of: the bench around an overlay, as texts and flags."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flows import toolchain
from hw.cells import cell_models
from ir.errors import ConfigError
from ir.files import read_text

Kind = Literal["harness", "cocotb"]
Start = Literal["fast", "unique"]

SIM_TESTS = Path(__file__).resolve().parents[1] / "sim_tests"
BENCH_SOURCES = (
    "bench_top.sv",
    "axi_rules.sv",
    "faults.sv",
    "mem_timing.sv",
    "due_times.sv",
    "fall_through.sv",
)
OVERLAY_SOURCE = "overlay.sv"
HARNESS_SOURCES = ("harness.cpp", "device.h", "memory.h", "script.h")
BUS_WIDTHS = (32, 64, 128, 256)


@dataclass(frozen=True, kw_only=True)
class Design:
    """What to simulate. `sources`: {file name: text}, Verilog and for a harness its C++.

    `kind`: "harness", a C++ program around the model (sim_tests/harness.cpp), fast; or "cocotb",
    cocotb's main around the model, all signals of the top reachable from Python.
    `top`: the top module. `parameters`: integers of the top. `waves`: the simulator can write a
    VCD (slower). `coverage`: it counts how often lines ran and bits toggled (sim_tests/harness.cpp
    leaves coverage.dat). `start`: what flip-flops without reset hold at first: "fast" (whatever is
    quickest) or "unique" (random).
    """

    sources: Mapping[str, str]
    top: str
    kind: Kind
    parameters: Mapping[str, int] = field(default_factory=dict)
    waves: bool = False
    coverage: bool = False
    start: Start = "fast"

    def __post_init__(self) -> None:
        if self.kind not in ("harness", "cocotb"):
            raise ConfigError(f"simulator kind must be harness or cocotb, not {self.kind!r}")
        if self.start not in ("fast", "unique"):
            raise ConfigError(f"start must be fast or unique, not {self.start!r}")
        for name in self.sources:
            if Path(name).name != name:
                raise ConfigError(f"source {name!r} must be a file name without a folder")

    @property
    def verilog_files(self) -> list[str]:
        return [name for name in self.sources if name.endswith((".v", ".sv"))]

    @property
    def cpp_files(self) -> list[str]:
        return [name for name in self.sources if name.endswith(".cpp")]

    def verilate_flags(self) -> list[str]:
        flags = ["--cc", "--prefix", "Vtop", "--top-module", self.top, "--no-timing", "-Wno-fatal"]
        flags += list(toolchain.SPEED_FLAGS)
        if self.start == "unique":
            flags += ["--x-assign", "unique", "--x-initial", "unique"]
        if self.kind == "cocotb":
            flags.append("--vpi")
        if self.waves:
            flags.append("--trace-vcd")
        if self.coverage:  # plain --coverage breaks on Amaranth's Verilog
            flags += ["--coverage-line", "--coverage-toggle"]
        return flags + [f"-G{name}={value}" for name, value in sorted(self.parameters.items())]

    def compile_flags(self) -> list[str]:
        """For g++, on every unit, the shared runtime included."""
        traced = int(self.waves)
        return [
            "-std=gnu++17",
            "-march=native",
            "-fno-strict-aliasing",
            "-w",  # generated code
            "-DVERILATOR=1",
            f"-DVM_COVERAGE={int(self.coverage)}",
            "-DVM_SC=0",
            f"-DVM_TRACE={traced}",
            f"-DVM_TRACE_VCD={traced}",
            "-DVM_TRACE_FST=0",
            "-DVM_TRACE_SAIF=0",
        ]

    def control_file(self) -> str:
        """Verilator's .vlt: the silenced warnings, and for cocotb the signals of the top."""
        lines = ["`verilator_config", *(f"lint_off -rule {rule}" for rule in toolchain.LINT_OFF)]
        if self.kind == "cocotb":
            # Only the top's: making every signal public costs a factor of eight in speed.
            lines.append(f'public_flat_rw -module "{self.top}" -var "*"')
        if self.coverage:  # of the overlay alone, not of the bench around it
            others = [name for name in self.verilog_files if name != OVERLAY_SOURCE]
            lines += [f'coverage_off -file "{name}"' for name in others]
        return "\n".join(lines) + "\n"


def overlay_design(
    verilog: str | Path,
    *,
    memory_bits: int,
    kind: Kind,
    waves: bool = False,
    start: Start = "fast",
) -> Design:
    """The bench around an overlay. `verilog`: its text, or the Path of its file.

    Models of the fabric's own cells (hw/cells/) are added for those that the text instantiates.

    `memory_bits`: the overlay's F. ConfigError: F is none of 32, 64, 128, 256, or the file
    cannot be read.
    """
    if memory_bits not in BUS_WIDTHS:
        raise ConfigError(f"memory_bits must be one of {BUS_WIDTHS}, not {memory_bits!r}")
    text = read_text(verilog) if isinstance(verilog, Path) else verilog
    extra = HARNESS_SOURCES if kind == "harness" else ()
    cells = {path.name: read_text(path) for path in cell_models(text).values()}
    sources = {name: read_text(SIM_TESTS / name) for name in (*BENCH_SOURCES, *extra)}
    return Design(
        sources={OVERLAY_SOURCE: text, **cells, **sources},
        top="bench_top",
        kind=kind,
        parameters={"F": memory_bits},
        waves=waves,
        start=start,
    )
