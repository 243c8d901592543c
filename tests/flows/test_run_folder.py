"""The run's folder: where it lies, what it says of itself, who owns it."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from flows.project import Project
from flows.run_folder import folder_of, open_run
from ir.errors import ConfigError

PROJECT = Project(name="t")


def quiet(text: str) -> None:
    """Nobody listens."""


def test_a_run_describes_itself(tmp_path: Path) -> None:
    with open_run(PROJECT, "bitwright codesign t.yaml", say=quiet, build=tmp_path) as run:
        assert run.path == folder_of(PROJECT, tmp_path) == tmp_path / "t" / PROJECT.hash
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["command"] == "bitwright codesign t.yaml"
    assert manifest["seed"] == 0 and "torch" in manifest["versions"]
    assert yaml.safe_load((run / "config.resolved.yaml").read_text())["allocator"] == "eagl"
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["start", "end"]


def test_latest_points_to_the_newest(tmp_path: Path) -> None:
    for seed in (0, 1, 0):
        project = replace(PROJECT, seed=seed)
        with open_run(project, "c", say=quiet, build=tmp_path):
            assert os.readlink(tmp_path / "t" / "latest") == project.hash


def test_what_killed_runs_left_under_temporary_names_goes(tmp_path: Path) -> None:
    place = folder_of(PROJECT, tmp_path) / "model"
    place.mkdir(parents=True)
    (place / ".123-abcdef.tmp").write_text("half a file")
    with open_run(PROJECT, "c", say=quiet, build=tmp_path):
        assert list(place.iterdir()) == []


def test_half_a_line_of_events_goes(tmp_path: Path) -> None:
    events = folder_of(PROJECT, tmp_path) / "events.jsonl"
    events.parent.mkdir(parents=True)
    events.write_text('{"event": "step"}\n{"event": "st')
    with open_run(PROJECT, "c", say=quiet, build=tmp_path):
        pass
    found = [json.loads(line)["event"] for line in events.read_text().splitlines()]
    assert found == ["step", "start", "end"]


def test_a_file_in_the_way_of_the_build_folder(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot write .*build.*choose a folder that can be wri"):
        with open_run(PROJECT, "c", say=quiet, build=tmp_path / "build"):
            pass


def test_a_folder_named_latest_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "t" / "latest").mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot write .*latest"):
        with open_run(PROJECT, "c", say=quiet, build=tmp_path):
            pass
