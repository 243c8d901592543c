"""One file = one plug-in: the file's name is its name on the command line and in configs.

`folder` is written as in the repository ("quant/allocators"). Files that start with an
underscore belong to the folder and are no plug-ins. Listing imports nothing.
"""

import importlib
import importlib.util
import inspect
from pathlib import Path
from typing import TypeVar

from ir.errors import ConfigError, UnknownPluginError

Base = TypeVar("Base")


def names(folder: str, suffix: str = ".py") -> list[str]:
    """The plug-ins of a folder, sorted: the stems of its files, without those led by `_`."""
    files = _location(folder).glob(f"*{suffix}")
    return sorted(file.stem for file in files if not file.stem.startswith(("_", ".")))


def path(folder: str, name: str, suffix: str = ".py") -> Path:
    """The file of a plug-in. UnknownPluginError lists what there is."""
    known = names(folder, suffix)
    if name not in known:  # also answers "../../etc/passwd": only names that were found pass
        raise UnknownPluginError(kind(folder), name, known)
    return _location(folder) / f"{name}{suffix}"


def load(folder: str, name: str, base: type[Base]) -> type[Base]:
    """The one public subclass of `base` that the plug-in's file defines.

    UnknownPluginError: no such file. ConfigError: the file defines none, or several.
    """
    file = path(folder, name)
    module = importlib.import_module(f"{_package(folder)}.{name}")
    found = [
        thing
        for label, thing in vars(module).items()
        if inspect.isclass(thing)
        and issubclass(thing, base)
        and thing.__module__ == module.__name__
        and not label.startswith("_")
    ]
    if len(found) != 1:
        listed = ", ".join(thing.__name__ for thing in found) or "none"
        raise ConfigError(
            f"{file} must define one public subclass of {base.__name__}, it defines: {listed}"
        )
    return found[0]


def kind(folder: str) -> str:
    """What one plug-in of the folder is called: 'allocator' for 'quant/allocators'."""
    word = folder.rstrip("/").rsplit("/", 1)[-1]
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


def _package(folder: str) -> str:
    return folder.strip("/").replace("/", ".")


def _location(folder: str) -> Path:
    """The folder on disk, found from the top package alone: importing quant would load torch."""
    top, *rest = folder.strip("/").split("/")
    spec = importlib.util.find_spec(top)
    places = list(spec.submodule_search_locations or []) if spec else []
    found = [place for place in (Path(root, *rest) for root in places) if place.is_dir()]
    if not found:
        raise ConfigError(f"there is no folder {folder} in this installation")
    return found[0]
