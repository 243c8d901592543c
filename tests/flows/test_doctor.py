"""The doctor names every tool, judges versions, and says how to mend what is wrong."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

from flows import doctor, toolchain
from ir.errors import ToolError

ROOT = Path(__file__).parents[2]


def test_this_environment_is_well():
    findings = doctor.examine()
    assert doctor.all_ok(findings)
    assert {finding.name for finding in findings} >= {
        "python",
        "torch",
        "verilator",
        "g++",
        "yosys",
    }
    assert doctor.describe(doctor.to_plain(findings)).rstrip().endswith("all tools are here")


def test_every_package_that_verbs_need_is_looked_at():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=]", line)[0] for line in project["dependencies"]}
    assert names | {"qonnx", "z3-solver"} == set(doctor.PACKAGES)


def test_a_missing_verilator_is_a_line_with_its_fix(monkeypatch: pytest.MonkeyPatch):
    def missing() -> toolchain.Verilator:
        raise ToolError("verilator", reason="is not installed")

    monkeypatch.setattr(toolchain, "find_verilator", missing)
    findings = doctor.examine()
    bad = [finding for finding in findings if finding.status != "ok"]
    assert [(f.name, f.status, f.fix) for f in bad] == [("verilator", "missing", "make setup")]
    assert "verilator: make setup" in doctor.describe(doctor.to_plain(findings))


@pytest.mark.parametrize(
    ("version", "status", "fix"),
    [
        ("2.12.9", "wrong version", "make setup; wanted: 2.13.0 or later, below 2.13.1"),
        ("2.13.0+cpu", "ok", ""),
        ("2.13.1", "wrong version", "make setup; wanted: 2.13.0 or later, below 2.13.1"),
        ("2.14", "wrong version", "make setup; wanted: 2.13.0 or later, below 2.13.1"),
        ("unknown", "wrong version", "make setup; wanted: 2.13.0 or later, below 2.13.1"),
    ],
)
def test_versions_are_judged(monkeypatch: pytest.MonkeyPatch, version: str, status: str, fix: str):
    real = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: version if name == "torch" else real(name)
    )
    found = {finding.name: finding for finding in doctor.examine()}["torch"]
    assert (found.status, found.fix) == (status, fix)


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    findings = {finding.name: finding for finding in doctor.examine()}
    assert findings["amaranth"].status == "missing"
    assert doctor.to_plain(list(findings.values()))["ok"] is False
