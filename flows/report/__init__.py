"""`bitwright report`: report.html of a finished run, made again from the facts in its folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.lock import hold
from flows.model_run import is_model, settings_of
from flows.project import load_project
from flows.report.model_page import write_model_page
from flows.report.page import FACTS, check_facts, write_page
from flows.run_folder import folder_of
from ir.errors import ConfigError

COSTS = FACTS["costs"]
"""What only a run that trained has."""

__all__ = ["describe", "run"]


def run(config: Path, overrides: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """Where the report lies. config: a YAML file or an ONNX model, with the settings of its run, or
    the folder of a run. ConfigError: the run has not been finished, or was changed since.
    """
    folder = _folder(config, overrides)
    summary = folder / "report/summary.json"
    if not summary.exists():
        verb = "verify" if is_model(config) else "codesign"
        raise ConfigError(f"{folder} holds no finished run; run first: bitwright {verb} {config}")
    with hold(folder / "lock"):
        check_facts(folder, config)
        page = write_page(folder) if (folder / COSTS).exists() else write_model_page(folder)
    return {"run": str(folder), "files": {"report": str(page), "summary": str(summary)}}


def _folder(config: Path, overrides: tuple[str, ...]) -> Path:
    if config.is_dir():
        if overrides:
            raise ConfigError(f"--set does not change {config}: give the config instead of a run")
        return config
    if is_model(config):
        return folder_of(settings_of(config, overrides))
    return folder_of(load_project(config, overrides))


def describe(result: Mapping[str, Any]) -> str:
    """The paths."""
    return "\n".join(result["files"].values())
