"""Every folder of ours has a floor. import-linter's own exhaustiveness stops below top folders."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FREE_OF_FLOORS = {"tests", "examples", "docs", "build", "data"}


def settings() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]


def test_every_package_has_a_floor():
    packages = {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and not path.name.startswith(".") and any(path.glob("**/*.py"))
    } - FREE_OF_FLOORS
    linter = settings()["importlinter"]
    floors = [floor.split(" | ") for floor in linter["contracts"][0]["layers"]]
    assert sorted(name for floor in floors for name in floor) == sorted(packages)
    assert sorted(linter["root_packages"]) == sorted(packages)


def test_every_package_is_installed_and_type_checked():
    packages = set(settings()["importlinter"]["root_packages"])
    found = settings()["setuptools"]["packages"]["find"]["include"]
    assert {name.removesuffix("*") for name in found} == packages
    assert packages <= set(settings()["pyright"]["include"])


def test_every_folder_with_python_files_is_a_package():
    """Without __init__.py the linter sees nothing of a folder."""
    packages = settings()["importlinter"]["root_packages"]
    folders = {file.parent for name in packages for file in (ROOT / name).glob("**/*.py")}
    assert sorted(str(path) for path in folders if not (path / "__init__.py").exists()) == []
