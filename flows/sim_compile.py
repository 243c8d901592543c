"""From Verilog to an executable: verilate, then compile with make rules of our own.

Verilator's own rules break on a path with spaces and rebuild its C++ runtime for every design;
ours keep paths in the environment, where the shell quotes them, and share the runtime's objects.
"""

from collections.abc import Sequence
from pathlib import Path

import cocotb_tools.config

from flows import toolchain
from flows.sim_design import Design

# Generated C++ below this size compiles fastest as one unit: every unit reads large headers.
UNIT_BYTES = 400_000
# Above this size (netlists of cells) optimising takes minutes, far longer than a short job runs.
NETLIST_BYTES = 20_000_000
# Generated C++ that runs once per simulation: optimising it costs time and gains none.
SLOW_SUFFIX = "__Slow.cpp"


def verilate(design: Design, work: Path, verilator: toolchain.Verilator, log: Path) -> None:
    """Write the sources into `work` and the model's C++ into `work`/model. ToolError with log."""
    for name, text in design.sources.items():
        (work / name).write_text(text, encoding="utf-8")
    (work / "control.vlt").write_text(design.control_file(), encoding="utf-8")
    command = [verilator.binary, *design.verilate_flags(), "-Mdir", "model", "control.vlt"]
    toolchain.run(
        [*command, *design.verilog_files],
        log,
        cwd=work,
        env=toolchain.environment(verilator),
        expects=[work / "model" / "Vtop.cpp"],
    )


def runtime_objects(design: Design) -> list[str]:
    """The parts of Verilator's runtime that this design links."""
    names = ["verilated", "verilated_threads"]
    if design.kind == "cocotb":
        names += ["verilated_vpi", "verilated_dpi"]
    if design.waves:
        names.append("verilated_vcd_c")
    if design.coverage:
        names.append("verilated_cov")
    return names


def compile_runtime(
    design: Design, folder: Path, verilator: toolchain.Verilator, log: Path, jobs: int
) -> None:
    """The runtime's objects into `folder`, each whole or not at all; those there stay."""
    names = runtime_objects(design)
    flags = " ".join(design.compile_flags())
    rules = [f"all: {' '.join(f'{name}.o' for name in names)}"]
    for name in names:
        source = f'"$$VERILATOR_ROOT/include/{name}.cpp"'
        rules += [
            f"{name}.o:",
            f"\tg++ -O2 {flags} {_includes()} -c {source} -o {name}.new && mv {name}.new {name}.o",
        ]
    _make(rules, folder, verilator, log, jobs, expects=[f"{name}.o" for name in names])


def compile_design(
    design: Design,
    work: Path,
    runtime: Path,
    verilator: toolchain.Verilator,
    log: Path,
    jobs: int,
) -> None:
    """The executable `work`/<top> from the model in `work` and the objects in `runtime`."""
    flags = " ".join([*design.compile_flags(), f"-DMEMORY_BITS={design.parameters.get('F', 0)}"])
    units = _units(work, jobs, "-O1" if design.coverage else "-O3")
    for path in design.cpp_files:
        units[Path(path).stem] = ("-O3", [path])
    if design.kind == "cocotb":
        main = cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"
        (work / "cocotb_main.cc").write_bytes(main.read_bytes())
        units["cocotb_main"] = ("-O2", ["cocotb_main.cc"])
    rules = [_link_rule(design, list(units))]
    for name, (optimise, files) in units.items():
        text = "".join(f'#include "{file}"\n' for file in files)
        (work / f"unit_{name}.cc").write_text(text, encoding="utf-8")
        rules += [
            f"unit_{name}.o:",
            f"\tg++ {optimise} {flags} {_includes()} -I. -Imodel -c unit_{name}.cc -o $@",
        ]
    _make(rules, work, verilator, log, jobs, expects=[design.top], runtime=runtime)


def _units(work: Path, jobs: int, fast_code: str) -> dict[str, tuple[str, list[str]]]:
    """{unit: (optimisation, generated files)}: the fast code in equal shares, the slow in one."""
    files = sorted((work / "model").glob("*.cpp"), key=lambda path: -path.stat().st_size)
    fast = [path for path in files if not path.name.endswith(SLOW_SUFFIX)]
    slow = [path.name for path in files if path.name.endswith(SLOW_SUFFIX)]
    total = sum(path.stat().st_size for path in files)
    fast_code = fast_code if total < NETLIST_BYTES else "-O0"
    count = 1 if total < UNIT_BYTES else 2 * jobs
    shares: list[list[Path]] = [[] for _ in range(count)]
    for path in fast:
        min(shares, key=_bytes).append(path)
    units = {
        f"fast_{i}": (fast_code, [path.name for path in share])
        for i, share in enumerate(shares)
        if share
    }
    if slow:
        units["slow"] = ("-O0", slow)
    return units


def _bytes(share: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in share)


def _includes() -> str:
    return '-I"$$VERILATOR_ROOT/include" -I"$$VERILATOR_ROOT/include/vltstd"'


def _link_rule(design: Design, units: Sequence[str]) -> str:
    objects = " ".join(f"unit_{unit}.o" for unit in units)
    runtime = " ".join(f'"$$RUNTIME/{name}.o"' for name in runtime_objects(design))
    libraries = "-pthread"
    if design.kind == "cocotb":
        libraries += ' -Wl,-rpath,"$$COCOTB" -L"$$COCOTB" -lcocotbvpi_verilator'
    return f"{design.top}: {objects}\n\tg++ -o $@ {objects} {runtime} {libraries}"


def _make(
    rules: Sequence[str],
    folder: Path,
    verilator: toolchain.Verilator,
    log: Path,
    jobs: int,
    *,
    expects: Sequence[str],
    runtime: Path | None = None,
) -> None:
    toolchain.find_program("g++")
    (folder / "rules.mk").write_text("\n".join(rules) + "\n", encoding="utf-8")
    environment = toolchain.environment(verilator) | {
        "RUNTIME": str(runtime or ""),
        "COCOTB": str(cocotb_tools.config.libs_dir),
        "MAKEFLAGS": "",  # those are for Verilator's rules
    }
    toolchain.run(
        [toolchain.find_program("make"), "-f", "rules.mk", "-j", str(jobs)],
        log,
        cwd=folder,
        env=environment,
        expects=[folder / name for name in expects],
    )
