"""The overlay of a bench: an array with standard buffers, or with those the user asks for."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from codegen.buffers import buffer_needs, fit_buffers
from codegen.shape import LayerShape
from hw.config import OverlayConfig
from ir.errors import ConfigError
from ir.plugins import load

STANDARD = {"lhs_depth": 2048, "rhs_depth": 4096, "ring_depth": 1024, "table_depth": 512}
"""Buffers of a bench's overlay: one simulator serves nearly all jobs of an array."""

BUFFERS = ("lhs_depth", "rhs_depth", "ring_depth", "rhs_ways", "requant_lanes")
"""Sizes that have an option."""

WAYS = (4, 8)
"""Fewest and most activation words that are written at once, unless the user says otherwise."""


@dataclass(frozen=True, kw_only=True)
class BenchOverlay:
    """array: (Dm, Dk, Dn). digits: bits of a weight's and an activation's digit, None: the style's.
    buffers: their sizes by name (and k_split), in place of the standard's.
    """

    array: tuple[int, int, int]
    style: str = "bit_serial"
    digits: tuple[int, int] | None = None
    memory_bits: int = 64
    memory_latency: int = 20
    buffers: dict[str, int] = field(default_factory=dict)

    def config(self, shapes: Sequence[LayerShape]) -> OverlayConfig:
        """The array's standard overlay; layers that need deeper buffers get deeper ones.

        Without layers the buffers are the standard's, or the user's.
        """
        dm, dk, dn = self.array
        style = load("hw/overlays", self.style, OverlayConfig)
        config = style(
            dm=dm,
            dk=dk,
            dn=dn,
            memory_bits=self.memory_bits,
            requant_lanes=half_the_rows(dm),
            **self._digits(style),
        )
        config = replace(config, rhs_ways=standard_ways(config))
        fitted = fit_buffers(config, shapes) if shapes else replace(config, **STANDARD)
        standard = {name: max(depth, getattr(fitted, name)) for name, depth in STANDARD.items()}
        return replace(fitted, **standard | self._cut(config, shapes) | self.buffers)

    def _cut(self, config: OverlayConfig, shapes: Sequence[LayerShape]) -> dict[str, int]:
        """Sums in parts where the user's weight banks are shorter than a layer's row tile."""
        most = self.buffers.get("lhs_depth")
        if most is None or not shapes or buffer_needs(config, shapes).tiles <= 2 * most:
            return {}
        return {"k_split": 1}

    def _digits(self, style: type[OverlayConfig]) -> dict[str, int]:
        """The digits as the style's fields."""
        if self.digits is None or (self.digits == (1, 1) and not _has_digits(style)):
            return {}
        if not _has_digits(style):
            p, q = self.digits
            raise ConfigError(
                f"style {self.style!r} has digits of 1x1 bits, not {p}x{q}; --style bit_slice has "
                "others"
            )
        return dict(zip(("p", "q"), self.digits, strict=True))


def _has_digits(style: type[OverlayConfig]) -> bool:
    """Whether the width of digits is the user's choice."""
    return {"p", "q"} <= {field.name for field in fields(style)}


def half_the_rows(dm: int) -> int:
    """The standard number of requantizer lanes: the largest divisor of dm up to dm / 2."""
    return max((lanes for lanes in range(1, dm // 2 + 1) if dm % lanes == 0), default=1)


def standard_ways(config: OverlayConfig) -> int:
    """Activation words written at once: at least twice what the memory brings, a power of two.

    A pixel's plane that is a little longer than two words would take three turns with two ways.
    """
    least = -(-2 * config.memory_bits // config.rhs_bits)
    fewest, most = WAYS
    return min(most, max(fewest, 1 << (least - 1).bit_length()))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options from which `overlay_of` makes an overlay."""
    parser.add_argument("--array", required=True, metavar="DMxDKxDN")
    parser.add_argument("--style", default="bit_serial")
    parser.add_argument("--digits", default=None, metavar="PxQ", help="bits of weight x activation")
    parser.add_argument("--memory-bits", type=int, default=64)
    parser.add_argument("--memory-latency", type=int, default=20)
    for name in BUFFERS:
        option = name.replace("_", "-")
        parser.add_argument(f"--{option}", type=int, metavar="N", help="default: the bench's")
    parser.add_argument(
        "--k-split",
        action="store_const",
        const=1,
        help="sums too long for --lhs-depth in parts",
    )


def overlay_of(arguments: argparse.Namespace) -> BenchOverlay:
    """What the options say. ConfigError names the one that is wrong."""
    given: dict[str, Any] = {name: getattr(arguments, name) for name in (*BUFFERS, "k_split")}
    return BenchOverlay(
        array=numbers(arguments.array, 3, "array"),  # type: ignore[arg-type]
        style=arguments.style,
        digits=numbers(arguments.digits, 2, "digits") if arguments.digits else None,  # type: ignore[arg-type]
        memory_bits=arguments.memory_bits,
        memory_latency=arguments.memory_latency,
        buffers={name: size for name, size in given.items() if size is not None},
    )


def numbers(text: str, count: int, option: str) -> tuple[int, ...]:
    """`count` numbers with an x between them. ConfigError names the option."""
    if not re.fullmatch(r"\d{1,6}(x\d{1,6})*", text) or text.count("x") != count - 1:
        form = "x".join(["N"] * count)
        raise ConfigError(f"--{option} must have the form {form}, not {text!r}")
    return tuple(int(part) for part in text.split("x"))
