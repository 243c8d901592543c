"""`bitwright report`: report.html of a finished run, made again from the facts in its folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.lock import hold
from flows.project import load_project
from flows.report.page import check_facts, write_page
from flows.run_folder import folder_of
from ir.errors import ConfigError

__all__ = ["describe", "run"]


def run(config: Path, overrides: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """Where the report lies. ConfigError: the run has not been finished, or was changed since."""
    folder = folder_of(load_project(config, overrides))
    summary = folder / "report/summary.json"
    if not summary.exists():
        raise ConfigError(f"{folder} holds no finished run; run first: bitwright codesign {config}")
    with hold(folder / "lock"):
        check_facts(folder, config)
        page = write_page(folder)
    return {"run": str(folder), "files": {"report": str(page), "summary": str(summary)}}


def describe(result: Mapping[str, Any]) -> str:
    """The paths."""
    return "\n".join(result["files"].values())
