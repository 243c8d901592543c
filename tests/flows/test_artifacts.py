"""Published groups of files: made once, whole, refused or made again when they were changed."""

from pathlib import Path

import pytest

from flows.artifacts import CHECKPOINT, publish, published, refuse_damaged_checkpoint
from flows.run_folder import RunFolder
from ir.errors import ConfigError


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(path=tmp_path)


def never() -> dict[str, bytes]:
    raise AssertionError("must not be made again")


def test_a_group_is_made_once(run: RunFolder) -> None:
    files, made = publish(run, "hw", "k1", lambda: {"hw/a.v": b"module", "hw/b": b""})
    assert made and set(files) == {"hw/a.v", "hw/b"}
    assert (run / "hw/a.v").read_bytes() == b"module"
    assert publish(run, "hw", "k1", never) == (files, False)
    assert published(run, "hw") == "k1"


def test_another_key_replaces_the_group_and_removes_what_is_left_over(run: RunFolder) -> None:
    publish(run, "hw", "k1", lambda: {"hw/a": b"1", "hw/old": b"1"})
    publish(run, "hw", "k2", lambda: {"hw/a": b"2"})
    assert (run / "hw/a").read_bytes() == b"2"
    assert not (run / "hw/old").exists()
    assert published(run, "hw") == "k2"


@pytest.mark.parametrize("damage", [lambda f: f.write_bytes(b"x"), lambda f: f.unlink()])
def test_a_damaged_group_is_noticed_and_made_again(run: RunFolder, damage) -> None:
    publish(run, "hw", "k1", lambda: {"hw/a": b"1"})
    damage(run / "hw/a")
    assert published(run, "hw") is None
    publish(run, "hw", "k1", lambda: {"hw/a": b"1"})
    assert (run / "hw/a").read_bytes() == b"1"


def test_a_kill_while_files_are_written_leaves_no_entry(run: RunFolder) -> None:
    publish(run, "model", "k1", lambda: {"model/a": b"1"})

    def killed() -> dict[str, bytes]:
        return {"model/a": b"2", "model/\0": b"cannot be written"}

    with pytest.raises((ConfigError, ValueError)):
        publish(run, "model", "k2", killed)
    assert published(run, "model") is None


@pytest.mark.parametrize("text", ["", "[1]", '{"hw": 3}', '{"hw": {"key": 1}}'])
def test_a_damaged_list_of_artifacts_makes_everything_again(run: RunFolder, text: str) -> None:
    publish(run, "hw", "k1", lambda: {"hw/a": b"1"})
    (run / "artifacts.json").write_text(text)
    assert published(run, "hw") is None
    assert publish(run, "hw", "k1", lambda: {"hw/a": b"1"})[1]


def test_a_changed_checkpoint_is_refused_until_it_is_deleted(run: RunFolder) -> None:
    publish(run, "model", "k1", lambda: {CHECKPOINT: b"weights"})
    refuse_damaged_checkpoint(run)
    (run / CHECKPOINT).write_bytes(b"weight")
    with pytest.raises(ConfigError, match="checkpoint .*model/checkpoint.pt is corrupt.*delete it"):
        refuse_damaged_checkpoint(run)
    (run / CHECKPOINT).unlink()
    refuse_damaged_checkpoint(run)


def test_files_outside_the_run_are_never_removed(run: RunFolder, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_text("keep me")
    publish(run, "hw", "k1", lambda: {"hw/a": b"1"})
    place = run / "artifacts.json"
    listed = place.read_text().replace('"hw/a"', f'"../{outside.name}"')
    place.write_text(listed)
    publish(run, "hw", "k2", lambda: {"hw/b": b"1"})
    assert outside.read_text() == "keep me"
    outside.unlink()
