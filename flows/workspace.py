"""What every verb works with: the project, its run's folder, its steps, its data."""

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from boards.loader import Board
from flows import toolchain
from flows.progress import Progress
from flows.project import Project, load_project
from flows.run_folder import RunFolder, open_run
from flows.steps import Steps
from quant.data import Dataset, load_data


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """jobs: programs that may run side by side."""

    project: Project
    run: RunFolder
    steps: Steps
    data: Dataset
    board: Board
    jobs: int = 1

    @property
    def progress(self) -> Progress:
        """Where steps are announced."""
        return self.steps.progress


@contextlib.contextmanager
def open_workspace(
    verb: str, config: Path, overrides: Sequence[str] = (), *, steps: int, jobs: int = 1
) -> Iterator[Workspace]:
    """Everything that is wrong with `config`, and every tool that is missing, is found here.

    steps: how many are to be expected, for the progress lines.
    """
    project = load_project(config, tuple(overrides))
    board = project.load_board()
    toolchain.find_verilator()
    for program in ("g++", "make", "perl"):
        toolchain.find_program(program)
    data = load_data(project.data)
    progress = Progress(steps)
    command = command_line(verb, config, overrides)
    with open_run(project, command, say=progress.say) as run:
        yield Workspace(
            project=project,
            run=run,
            steps=Steps(run, progress),
            data=data,
            board=board,
            jobs=jobs,
        )


def command_line(verb: str, config: Path, overrides: Sequence[str]) -> str:
    """The command that does this again."""
    settings = [word for override in overrides for word in ("--set", override)]
    return shlex.join(["bitwright", verb, str(config), *settings])
