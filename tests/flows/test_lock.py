"""One owner at a time, and a dead owner's lock is free."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.lock import hold
from ir.errors import ConfigError

OWNER = """
import sys, time
from flows.lock import hold
with hold(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other_owner(tmp_path):
    """A process that holds tmp_path/lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_names_its_owner(tmp_path):
    with hold(tmp_path / "new" / "lock"):
        assert (tmp_path / "new" / "lock").read_text() == f"{os.getpid()}\n"


def test_waits_for_the_owner_and_says_so(tmp_path, other_owner):
    said: list[str] = []
    with pytest.raises(ConfigError, match=f"process {other_owner.pid} still works on .* after 0.2"):
        with hold(tmp_path / "lock", timeout_s=0.2, waiting=said.append):
            pytest.fail("two owners at once")
    assert said == [f"process {other_owner.pid} works on {tmp_path}; waiting for it"]


def test_takes_over_from_a_dead_owner(tmp_path, other_owner):
    os.kill(other_owner.pid, signal.SIGKILL)
    other_owner.wait()
    with hold(tmp_path / "lock", timeout_s=1):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_is_free_again_after_an_error(tmp_path):
    with pytest.raises(KeyError), hold(tmp_path / "lock"):
        raise KeyError
    with hold(tmp_path / "lock", timeout_s=0):
        pass


def test_refuses_a_folder_it_cannot_write():
    with pytest.raises(ConfigError, match="cannot write /proc/nowhere/lock: .* can be written"):
        with hold(Path("/proc/nowhere/lock")):
            pytest.fail("held")
