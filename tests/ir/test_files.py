"""Files land whole or not at all, and every failure names the path."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ir import files
from ir.errors import ConfigError


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_bytes_and_json_come_back(tmp_path: Path):
    files.write_text(tmp_path / "deep" / "a.txt", "größe\n")
    assert files.read_text(tmp_path / "deep" / "a.txt") == "größe\n"
    files.write_bytes(tmp_path / "b", b"\x00\xff")
    assert files.read_bytes(tmp_path / "b") == b"\x00\xff"
    assert files.write_json(tmp_path / "c.json", {"a": [1, 2.5, None]}) == tmp_path / "c.json"
    assert files.read_json(tmp_path / "c.json") == {"a": [1, 2.5, None]}
    assert leftovers(tmp_path) == ["b", "c.json", "deep"]


def test_json_takes_numpy_values_and_paths():
    value = {"n": np.int64(3), "f": np.float32(0.5), "a": np.arange(2), "p": Path("x/y")}
    assert files.to_json(value) == '{"n": 3, "f": 0.5, "a": [0, 1], "p": "x/y"}'


def test_json_refuses_what_is_no_json():
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.to_json(float("nan"))
    with pytest.raises(TypeError, match="object cannot be written as JSON"):
        files.to_json(object())


def test_a_failure_in_the_block_leaves_the_old_file(tmp_path: Path):
    files.write_text(tmp_path / "a", "old")
    with pytest.raises(KeyError), files.staged(tmp_path / "a") as temporary:
        temporary.write_text("new, half")
        raise KeyError
    assert files.read_text(tmp_path / "a") == "old"
    assert leftovers(tmp_path) == ["a"]


def test_a_tool_that_leaves_no_file_is_noticed(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot write .*a: No such file"):
        with files.staged(tmp_path / "a"):
            pass
    assert leftovers(tmp_path) == []


def test_the_umask_decides_the_mode(tmp_path: Path):
    before = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_full_disk_names_path_and_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ConfigError, match=r"cannot write .*/a: No space left.*\(needs 5 bytes\)"):
        files.write_text(tmp_path / "a", "12345")
    assert leftovers(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named():
    with pytest.raises(ConfigError, match="cannot write /proc/nothing/here/a: "):
        files.write_text("/proc/nothing/here/a", "x")


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path):
    files.write_text(tmp_path / "a", "x")
    with pytest.raises(ConfigError, match="cannot write .*/a/b: (Not a directory|File exists)"):
        files.write_text(tmp_path / "a" / "b", "x")


def test_the_longest_file_name_can_be_written(tmp_path: Path):
    files.write_text(tmp_path / ("n" * 255), "x")
    assert leftovers(tmp_path) == ["n" * 255]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expecting property name"),
        ("[" * 100_000, "recursion"),
        ('{"a": 1, "a": 2}', "key 'a' appears twice"),
        ("[NaN]", "NaN is not a number of JSON"),
        ("9" * 5000, "limit"),
        ("", "Expecting value"),
    ],
)
def test_bad_json_is_our_error(tmp_path: Path, text: str, message: str):
    files.write_text(tmp_path / "bad.json", text)
    with pytest.raises(ConfigError, match=f"bad.json is not valid JSON: .*{message}"):
        files.read_json(tmp_path / "bad.json")


def test_reading_names_what_is_wrong(tmp_path: Path):
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        files.read_text(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="is not a regular file"):
        files.read_text(tmp_path)
    with pytest.raises(ConfigError, match="is not a regular file"):
        files.read_text("/dev/zero")
    with pytest.raises(ConfigError, match="cannot read .*null"):
        files.read_text("a\0b")
    files.write_bytes(tmp_path / "latin", b"gr\xf6sse")
    with pytest.raises(ConfigError, match=r"latin is not UTF-8 text \(byte 2\)"):
        files.read_text(tmp_path / "latin")
    with pytest.raises(ConfigError, match="latin is larger than the 3 bytes"):
        files.read_bytes(tmp_path / "latin", limit_bytes=3)


WRITER = """
import sys
from ir.files import write_bytes
print("ready", flush=True)
for n in range(10**9):
    write_bytes(sys.argv[1], bytes([n % 256]) * 200_000)
"""


@pytest.mark.parametrize("delay_ms", [1, 7, 20])
def test_a_killed_writer_leaves_no_half_file(tmp_path: Path, delay_ms: int):
    target = tmp_path / "file"
    command = [sys.executable, "-c", WRITER, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        while not target.exists():
            time.sleep(0.001)
        time.sleep(delay_ms / 1000)
        writer.kill()
    data = target.read_bytes()
    assert len(data) == 200_000
    assert len(set(data)) == 1
