"""One owner of a folder's work at a time, among processes of one machine.

The kernel holds the lock for the owner's open file and drops it when the owner ends, however it
ends: nothing has to be cleaned up after a killed run. The file names the owner for the others.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ir.errors import ConfigError

POLL_SECONDS = 0.05


@contextlib.contextmanager
def hold(
    path: str | Path,
    *,
    timeout_s: float | None = None,
    waiting: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; wait for another owner to end first.

    `waiting` is called once with a sentence when there is an owner to wait for. ConfigError:
    the file cannot be written, or the owner still holds it after `timeout_s` seconds.
    """
    handle = _open(Path(path))
    try:
        _acquire(handle, Path(path), timeout_s, waiting)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def owner(path: str | Path) -> str:
    """The process that last took the lock, for a person to read: 'process 123'."""
    try:
        name = Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        name = ""
    return f"process {name}" if name.isdigit() else "another process"


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"cannot write {path}: {reason}; choose a folder that can be written"
        ) from error


def _acquire(
    handle: int, path: Path, timeout_s: float | None, waiting: Callable[[str], None] | None
) -> None:
    ends = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pass
        if waiting:
            waiting(f"{owner(path)} works on {path.parent}; waiting for it")
            waiting = None
        if ends is not None and time.monotonic() > ends:
            raise ConfigError(
                f"{owner(path)} still works on {path.parent} after {timeout_s:g} seconds; "
                "wait for it or end it"
            )
        time.sleep(POLL_SECONDS)
