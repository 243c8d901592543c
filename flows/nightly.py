"""Runs a long check and keeps its outcome: one line a run in docs/nightly.md.

`python -m flows.nightly NAME COMMAND...` ends with the command's exit code.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ir.files import read_text, write_text

ROOT = Path(__file__).resolve().parents[1]
SHOWN = "docs/nightly.md"
RECORD = ROOT / SHOWN
HEADER = (
    "# Nightly runs\n\n| date (UTC) | commit | target | result | minutes |\n|---|---|---|---|---|\n"
)


def record(name: str, result: str, minutes: float, path: Path = RECORD) -> Path:
    """Append one line to the table at `path`."""
    text = read_text(path) if path.exists() else HEADER
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    line = f"| {date} | {commit()} | {name} | {result} | {minutes:.1f} |\n"
    return write_text(path, text + line)


def commit() -> str:
    """The short hash of the tree, with a + when it differs from it in more than the record."""
    try:
        name = _git("rev-parse", "--short=8", "HEAD")
        changes = ("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{SHOWN}")
        return name + ("+" if _git(*changes) else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main(words: Sequence[str]) -> int:
    """Run words[1:], record it as words[0] with the last line that it printed."""
    name, *command = words
    begin, last = time.monotonic(), ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        for line in process.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
            last = line.strip() or last
    result = "passed" if process.returncode == 0 else f"FAILED ({process.returncode})"
    minutes = (time.monotonic() - begin) / 60
    print(record(name, f"{result}: {last.replace('|', '/')[:120]}", minutes))
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
