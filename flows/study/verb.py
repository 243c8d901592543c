"""`bitwright study NAME`: a comparison with statistics, into build/study/<name>/latest.

A file in `flows/studies/` is a study: `CONFIG`, the dataclass of its YAML file, which lies beside
it; `QUICK`, overrides for a minute instead of hours, beside one fold and one seed; `NIGHTLY`,
overrides for some minutes, with repetitions enough for intervals; prepared(config, steps) -> what
its cells share; one_cell and gather as of runner.run_study; and describe(result) -> text. A killed
study goes on where it stopped.
"""

import argparse
import importlib
import shlex
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from flows import console
from flows.study.runner import run_study
from flows.study.setting import StudyConfig
from ir import plugins
from ir.config import load_config
from ir.errors import ConfigError

FOLDER = "flows/studies"
HELP = "a comparison of methods, with statistics"
ONE_CELL = ("setting.folds=1", "setting.seeds=1")


def add_arguments(verbs: Any, common: argparse.ArgumentParser) -> None:
    """The verb and its options. common: those that every verb has."""
    parser = verbs.add_parser("study", parents=[common], help=HELP)
    parser.add_argument("study", metavar="|".join(plugins.names(FOLDER)), help="which one")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="one repetition, to see that it runs")
    size.add_argument("--nightly", action="store_true", help="fewer repetitions, some minutes")
    parser.add_argument("--config", type=Path, help="instead of the study's own YAML file")
    parser.add_argument("--folds", type=int, help="test folds to repeat it on")
    parser.add_argument("--seeds", type=int, help="seeds for each fold")
    parser.add_argument("--jobs", type=int, default=1, help="repetitions at once (default 1)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="a.b=value",
        help="put this value in place of the config's (any number of times)",
    )
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run one study; the exit code."""
    if arguments.jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, not {arguments.jobs}")
    path = plugins.path(FOLDER, arguments.study)
    module = importlib.import_module(f"flows.studies.{arguments.study}")
    overrides = _overrides(module, arguments)
    config = load_config(module.CONFIG, arguments.config or path.with_suffix(".yaml"), overrides)
    words = ["bitwright", "study", arguments.study]
    words += ["--config", str(arguments.config)] if arguments.config else []
    words += [word for override in overrides for word in ("--set", override)]
    with console.quiet_stdout(arguments.json):
        result = run_module(module, config, shlex.join(words), arguments.jobs)
    console.print_result(result, module.describe, arguments.json)
    return 0


def run_module(
    module: ModuleType, config: StudyConfig, command: str, jobs: int = 1
) -> dict[str, Any]:
    """A study's results, and where they lie."""
    return run_study(
        config,
        partial(module.prepared, config),
        module.one_cell,
        module.gather,
        command=command,
        jobs=jobs,
    )


def _overrides(module: ModuleType, arguments: argparse.Namespace) -> list[str]:
    """What --quick or --nightly changes, then the folds and seeds, then what --set says."""
    found = [*ONE_CELL, *module.QUICK] if arguments.quick else []
    found += module.NIGHTLY if arguments.nightly else []
    for name in ("folds", "seeds"):
        value = getattr(arguments, name)
        found += [] if value is None else [f"setting.{name}={value}"]
    return [*found, *arguments.overrides]
