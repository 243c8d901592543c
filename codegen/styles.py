"""The styles and digits among which sizing chooses: every file of hw/overlays/, each with its own.

One bit on both sides is the same hardware in every style: it is looked at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hw.config import OverlayConfig
from ir import plugins
from ir.errors import ConfigError

FOLDER = "hw/overlays"
ANY = "auto"

Style = Callable[..., OverlayConfig]
"""An overlay's config from its sizes: a style with its digits."""


def find_styles(name: str = ANY, digits: tuple[int, int] | None = None) -> list[Style]:
    """Those of one style, or of all (`auto`). digits: (p, q) alone; None: all that there are.

    UnknownPluginError: no such style. ConfigError: it has no such digits.
    """
    found: dict[tuple[int, int], Style] = {}
    for style in plugins.names(FOLDER) if name == ANY else [name]:
        kind = plugins.load(FOLDER, style, OverlayConfig)
        choices = kind.digit_choices()
        for p, q in choices:
            found.setdefault((p, q), kind if len(choices) == 1 else _with_digits(kind, p, q))
    if digits is None:
        return list(found.values())
    if digits not in found:
        known = ", ".join(f"{p}x{q}" for p, q in found)
        raise ConfigError(
            f"style {name!r} has no digits of {digits[0]}x{digits[1]} bits; it has: {known}"
        )
    return [found[digits]]


def _with_digits(style: Style, p: int, q: int) -> Style:
    return partial(style, p=p, q=q)
