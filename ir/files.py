"""Files land whole or not at all: temporary name in the same folder, fsync, rename.

Every failure of the file system becomes a ConfigError that names the path and the need.
Text is UTF-8 with plain newlines under every locale.
"""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ir.errors import ConfigError, shorten

READ_LIMIT_BYTES = 1 << 30


@contextlib.contextmanager
def staged(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`; it takes the final name when the block ends well.

    For tools and libraries that insist on writing a file themselves. After an exception the
    temporary file is gone and whatever stood at `path` is untouched. Folders are made.
    """
    final = Path(path)
    # Short and of our own making: the final name may already be as long as a name can be.
    temporary = final.parent / f".{os.getpid()}-{secrets.token_hex(6)}.tmp"
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        os.replace(temporary, final)
        _flush(final.parent)
    except OSError as error:
        raise ConfigError(_write_failed(final, error)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_bytes(path: str | Path, data: bytes | bytearray | memoryview) -> Path:
    """Write `data` whole or not at all. ConfigError with path and size when it cannot be done."""
    size = memoryview(data).nbytes
    try:
        with staged(path) as temporary:
            temporary.write_bytes(data)
    except ConfigError as error:
        raise ConfigError(f"{error} (needs {size} bytes)") from error.__cause__
    return Path(path)


def write_text(path: str | Path, text: str) -> Path:
    """Like `write_bytes`, in UTF-8."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any, indent: int | None = 1) -> Path:
    """Like `write_text`. numpy scalars and arrays, tuples and paths are written as plain JSON."""
    return write_text(path, to_json(value, indent) + "\n")


def to_json(value: Any, indent: int | None = None) -> str:
    """One JSON document that every reader accepts: no NaN, no infinity (ValueError)."""
    return json.dumps(value, indent=indent, allow_nan=False, default=_plain)


def read_bytes(path: str | Path, limit_bytes: int = READ_LIMIT_BYTES) -> bytes:
    """The whole regular file. ConfigError: missing, unreadable, not a file, above the limit."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path} is not a regular file")
        with open(path, "rb") as file:
            data = file.read(limit_bytes + 1)
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise ConfigError(f"cannot read {shorten(str(path))}: {error}") from error
    if len(data) > limit_bytes:
        raise ConfigError(f"{path} is larger than the {limit_bytes} bytes allowed for such a file")
    return data


def read_text(path: str | Path, limit_bytes: int = READ_LIMIT_BYTES) -> str:
    """The whole file as UTF-8 text. ConfigError as in `read_bytes`, or when it is not UTF-8."""
    data = read_bytes(path, limit_bytes)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start})") from error


def read_json(path: str | Path, limit_bytes: int = READ_LIMIT_BYTES) -> Any:
    """The JSON document in a file. ConfigError for whatever the parser makes of a bad one."""
    return parse_json(read_text(path, limit_bytes), str(path))


def parse_json(text: str, where: str) -> Any:
    """`text` as JSON; duplicate keys, NaN and infinity are refused. `where` names it in errors."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where} is not valid JSON: {shorten(str(error), 200)}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen = [key for key, _ in pairs]
        twice = next(key for key in seen if seen.count(key) > 1)
        raise ValueError(f"key {shorten(twice)} appears twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number of JSON")


def _plain(value: Any) -> Any:
    """numpy values by their own conversion: ir/files.py serves packages that have no numpy."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _flush(path: Path) -> None:
    """Ask the disk, not only the kernel, to hold what was written."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_failed(path: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"cannot write {path}: {reason}; free space or choose a folder that can be written"
