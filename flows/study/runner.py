"""Runs a study: its cells side by side, its results into the run's folder."""

import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread
from typing import Any

from flows.progress import Progress
from flows.run_folder import BUILD, open_run
from flows.steps import Steps
from flows.study.setting import StudyConfig
from ir.files import write_json, write_text

Row = Mapping[str, Any]


def folds_of(rows: Sequence[Row]) -> list[int]:
    """Of each repetition."""
    return [row["fold"] for row in rows]


@dataclass(frozen=True, kw_only=True)
class Findings:
    """results: everything, plain JSON values. table: one row a line of the CSV. picture: SVG."""

    results: dict[str, Any]
    table: Sequence[Row]
    picture: str


def run_study(
    config: StudyConfig,
    prepare: Callable[[Steps], Any],
    work: Callable[[Any, int, int, Path], Row],
    gather: Callable[[Any, list[Row]], Findings],
    *,
    command: str,
    jobs: int = 1,
) -> dict[str, Any]:
    """All cells, then the findings as results.json, results.csv and picture.svg.

    prepare: what all cells share, made once. work: (shared, fold, seed, folder) -> a cell's row,
    a function of a module where jobs > 1. gather: the rows in the cells' order -> findings.
    """
    progress = Progress(len(config.setting.cells) + 2)
    with open_run(config, command, say=progress.say, build=BUILD / "study") as run:
        shared = prepare(Steps(run, progress))
        rows = cells(config, shared, work, run.path, progress, jobs)
        progress.begin("statistics")
        found = gather(shared, rows)
        write_json(run / "results.json", found.results)
        write_text(run / "results.csv", _csv(found.table))
        write_text(run / "picture.svg", found.picture)
        progress.end(str(run / "results.json"))
        files = [str(run / name) for name in ("results.json", "results.csv", "picture.svg")]
        return {**found.results, "run": str(run.path), "files": files}


def cells(
    config: StudyConfig,
    shared: Any,
    work: Callable[[Any, int, int, Path], Row],
    folder: Path,
    progress: Progress,
    jobs: int,
) -> list[Row]:
    """The row of every cell, in the cells' order, whoever ends first. Once one fails, or the user
    stops, what has not begun does not begin."""
    places = config.setting.cells
    if jobs == 1:
        return [_announced(progress, work, (shared, fold, seed, folder)) for fold, seed in places]
    # Fresh processes: torch's threads do not survive a fork.
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_end_with_parent
    ) as pool:
        waiting = {pool.submit(work, shared, *cell, folder): cell for cell in places}
        found = {}
        try:
            for done in as_completed(waiting):
                fold, seed = waiting[done]
                progress.begin(f"fold {fold}, seed {seed}")
                found[waiting[done]] = done.result()
                progress.end("done")
        except BaseException:  # an interrupt among them
            pool.shutdown(cancel_futures=True)
            raise
        return [found[cell] for cell in places]


def _end_with_parent() -> None:
    """A worker whose parent was killed would train on beside the run that takes over its folder."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _announced(
    progress: Progress, work: Callable[..., Row], arguments: tuple[Any, int, int, Path]
) -> Row:
    progress.begin(f"fold {arguments[1]}, seed {arguments[2]}")
    row = work(*arguments)
    progress.end("done")
    return row


def _csv(rows: Sequence[Row]) -> str:
    paper = io.StringIO()
    writer = csv.DictWriter(paper, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return paper.getvalue()
