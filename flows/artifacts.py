"""What a run hands out: model/, hw/, program/ and images/, in groups that belong together.

artifacts.json holds the digest of every file and what each group was made from. A group's entry
is taken out before its files are written and put back after: a killed run leaves a group without
an entry, which is made again, and never an entry with other files.
"""

from collections.abc import Callable, Mapping
from typing import Any

from flows.run_folder import RunFolder, file_digest
from ir.errors import ConfigError
from ir.files import read_json, write_bytes, write_json

FILE = "artifacts.json"
CHECKPOINT = "model/checkpoint.pt"


def publish(
    run: RunFolder, group: str, key: str, make: Callable[[], Mapping[str, bytes]]
) -> tuple[dict[str, str], bool]:
    """({name: digest} of the group's files, whether they were made now).

    Nothing happens when files made for the same `key` are there, whole. make: {name below the
    run's folder: bytes}.
    """
    entry = _entries(run).get(group)
    if entry is not None and entry["key"] == key and _damaged(run, entry) is None:
        return entry["files"], False
    files = make()
    _keep(run, group, None)
    for name, data in files.items():
        write_bytes(run / name, data)
    digests = {name: file_digest(run / name) for name in files}
    for name in _left_over(run, entry, digests):
        (run / name).unlink(missing_ok=True)
    _keep(run, group, {"key": key, "files": digests})
    run.event("published", group=group, files=len(files))
    return digests, True


def published(run: RunFolder, group: str) -> str | None:
    """The key of a group whose files are all there, whole; None: it must be made."""
    entry = _entries(run).get(group)
    return entry["key"] if entry is not None and _damaged(run, entry) is None else None


def refuse_damaged_checkpoint(run: RunFolder) -> None:
    """ConfigError when the published checkpoint is no longer what was written.

    Everything else that is damaged is made again; weights may have been put there on purpose.
    """
    for entry in _entries(run).values():
        expected = entry["files"].get(CHECKPOINT)
        place = run / CHECKPOINT
        if expected is not None and place.exists() and file_digest(place) != expected:
            raise ConfigError(
                f"checkpoint {place} is corrupt: it is not the one that this run wrote; delete it "
                "to have it written again"
            )


def _entries(run: RunFolder) -> dict[str, Any]:
    """artifacts.json; {} when it is missing, or no such file: then everything is made again."""
    place = run / FILE
    try:
        entries = read_json(place) if place.exists() else {}
        for entry in entries.values():
            assert isinstance(entry["key"], str) and isinstance(entry["files"], dict)
    except (ConfigError, KeyError, TypeError, AttributeError, AssertionError):
        return {}
    return entries


def _keep(run: RunFolder, group: str, entry: Mapping[str, Any] | None) -> None:
    rest = {name: value for name, value in _entries(run).items() if name != group}
    write_json(run / FILE, rest if entry is None else rest | {group: dict(entry)})


def _damaged(run: RunFolder, entry: Mapping[str, Any]) -> str | None:
    """The first file of a group that is missing or changed."""
    for name, expected in entry["files"].items():
        try:
            whole = file_digest(run / name) == expected
        except ConfigError:
            whole = False
        if not whole:
            return name
    return None


def _left_over(
    run: RunFolder, entry: Mapping[str, Any] | None, digests: Mapping[str, str]
) -> list[str]:
    """Files of the group as it was that it no longer has, inside the run's folder."""
    root = run.path.resolve()
    names = [] if entry is None else [name for name in entry["files"] if name not in digests]
    return [name for name in names if (run / name).resolve().is_relative_to(root)]
