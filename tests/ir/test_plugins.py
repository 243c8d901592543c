"""File name = plug-in name; an unknown one answers with what there is."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ir import plugins
from ir.errors import ConfigError, UnknownPluginError

FILES = {
    "__init__.py": "",
    "_shared.py": "class Base: pass\n",
    "plain.py": "from kennel.dogs._shared import Base\nclass Plain(Base): pass\n",
    "spotted.py": (
        "from kennel.dogs._shared import Base\n"
        "from kennel.dogs.plain import Plain\n"
        "class _Hidden(Plain): pass\n"
        "class Spotted(_Hidden): pass\n"
    ),
    "empty.py": "x = 1\n",
    "twins.py": (
        "from kennel.dogs._shared import Base\nclass A(Base): pass\nclass B(Base): pass\n"
    ),
    "leash.yaml": "length: 3\n",
}


@pytest.fixture
def dogs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package `kennel` with plug-ins in kennel/dogs."""
    folder = tmp_path / "kennel" / "dogs"
    folder.mkdir(parents=True)
    (tmp_path / "kennel" / "__init__.py").write_text("")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "kennel/dogs"
    for module in [name for name in sys.modules if name.startswith("kennel")]:
        del sys.modules[module]


def base() -> type:
    return importlib.import_module("kennel.dogs._shared").Base


def test_names_are_the_public_files(dogs: str):
    assert plugins.names(dogs) == ["empty", "plain", "spotted", "twins"]
    assert plugins.names(dogs, ".yaml") == ["leash"]


def test_listing_imports_nothing(dogs: str):
    plugins.names(dogs)
    assert not [name for name in sys.modules if name.startswith("kennel")]


def test_load_finds_the_one_public_subclass_defined_there(dogs: str):
    assert plugins.load(dogs, "plain", base()).__name__ == "Plain"
    assert plugins.load(dogs, "spotted", base()).__name__ == "Spotted"


def test_an_unknown_name_lists_what_there_is(dogs: str):
    with pytest.raises(
        UnknownPluginError,
        match=r"unknown dog 'spoted' \(did you mean 'spotted'\?\); there is: empty, plain, spotted",
    ):
        plugins.load(dogs, "spoted", base())


@pytest.mark.parametrize("name", ["../dogs/plain", "_shared", "__init__", "", "plain.py"])
def test_only_names_that_were_found_are_loaded(dogs: str, name: str):
    with pytest.raises(UnknownPluginError, match="unknown dog"):
        plugins.load(dogs, name, base())


@pytest.mark.parametrize(("name", "found"), [("empty", "none"), ("twins", "A, B")])
def test_a_file_must_define_one(dogs: str, name: str, found: str):
    with pytest.raises(
        ConfigError, match=f"{name}.py must define one public subclass of Base, it defines: {found}"
    ):
        plugins.load(dogs, name, base())


def test_path_of_a_file_plugin(dogs: str):
    assert plugins.path(dogs, "leash", ".yaml").read_text() == "length: 3\n"


@pytest.mark.parametrize("folder", ["kennel/cats", "no_such_package/dogs"])
def test_a_folder_that_is_not_there(dogs: str, folder: str):
    with pytest.raises(ConfigError, match=f"there is no folder {folder}"):
        plugins.names(folder)


def test_kind_is_the_singular():
    assert plugins.kind("quant/allocators") == "allocator"
    assert plugins.kind("boards") == "board"
