"""The command line's parser: options are written whole, and a usage error is one of ours."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from ir.errors import ConfigError


class Parser(argparse.ArgumentParser):
    """As are the parsers of its verbs: each reports what it does not know with its own --help."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        """ConfigError: an argument that is not known. Argparse leaves it to the first parser."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        """One message, also as JSON."""
        raise ConfigError(f"{message}\n  usage: {self.prog} --help says more")
