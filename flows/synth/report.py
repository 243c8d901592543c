"""What nextpnr reports: clocks, utilization, and that a part is too small."""

import re
from pathlib import Path
from typing import Any

from ir.errors import CapacityError, ConfigError, ToolError
from ir.files import read_json, read_text

_UTILIZATION = re.compile(r"Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%")


def read_report(path: Path) -> dict[str, Any]:
    """{clocks, fmax_mhz, met, utilization, critical_path} of a nextpnr report.

    ConfigError: the report has no clock, so nothing in the design is registered.
    """
    report = read_json(path)
    clocks = report["fmax"]
    if not clocks:
        raise ConfigError("the design has no path between registers: there is no clock to measure")
    tightest = min(clocks.values(), key=lambda clock: clock["achieved"] / clock["constraint"])
    return {
        "clocks": {
            name: {kind: round(float(value), 2) for kind, value in clock.items()}
            for name, clock in clocks.items()
        },
        "fmax_mhz": round(float(tightest["achieved"]), 2),
        "met": tightest["achieved"] >= tightest["constraint"],
        "utilization": {
            name: {"used": int(cell["used"]), "available": int(cell["available"])}
            for name, cell in report["utilization"].items()
            if cell["used"]
        },
        "critical_path": _critical_path(report),
    }


def _critical_path(report: dict[str, Any]) -> list[str]:
    """The slowest path between registers, a line for each step: ns so far, what, where."""
    paths = [
        path["path"]
        for path in report.get("critical_paths", ())
        if "<async>" not in (path["from"], path["to"])
    ]
    slowest = max(paths, key=lambda path: sum(step["delay"] for step in path), default=[])
    lines, passed = [], 0.0
    for step in slowest:
        passed += step["delay"]
        place = step.get("net") or step["to"]["cell"]
        lines.append(f"{passed:6.2f} {step['type']} {place}")
    return lines


def raise_if_too_large(log: Path, part: str, error: ToolError) -> None:
    """CapacityError when nextpnr's log shows that the design needs more cells than the part has."""
    if not log.is_file():
        return
    over = {
        name: (int(used), int(available))
        for name, used, available in _UTILIZATION.findall(read_text(log))
        if int(used) > int(available)
    }
    if over:
        needs = ", ".join(f"{name}: {used} of {has}" for name, (used, has) in over.items())
        raise CapacityError(f"the design does not fit {part}: {needs}; log: {log}") from error
