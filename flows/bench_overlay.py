"""The overlay of a bench: an array with standard buffers, or with those the user asks for."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from codegen.buffers import fit_buffers
from codegen.shape import LayerShape
from hw.config import OverlayConfig
from ir.errors import ConfigError
from ir.plugins import load

STANDARD = {"lhs_depth": 2048, "rhs_depth": 4096, "ring_depth": 1024, "table_depth": 512}
"""Buffers of a bench's overlay: one simulator serves nearly all jobs of an array."""

DEPTHS = ("lhs_depth", "rhs_depth", "ring_depth")
"""Those that have an option."""


@dataclass(frozen=True, kw_only=True)
class BenchOverlay:
    """array: (Dm, Dk, Dn). depths: buffers by name, as they are, in place of the standard's."""

    array: tuple[int, int, int]
    style: str = "bit_serial"
    memory_bits: int = 64
    memory_latency: int = 20
    depths: dict[str, int] = field(default_factory=dict)

    def config(self, shapes: Sequence[LayerShape]) -> OverlayConfig:
        """The array's standard overlay; layers that need deeper buffers get deeper ones."""
        dm, dk, dn = self.array
        style = load("hw/overlays", self.style, OverlayConfig)
        config = style(
            dm=dm,
            dk=dk,
            dn=dn,
            memory_bits=self.memory_bits,
            requant_lanes=half_the_rows(dm),
        )
        fitted = fit_buffers(config, shapes)
        standard = {name: max(depth, getattr(fitted, name)) for name, depth in STANDARD.items()}
        return replace(fitted, **standard | self.depths)


def half_the_rows(dm: int) -> int:
    """The standard number of requantizer lanes: the largest divisor of dm up to dm / 2."""
    return max((lanes for lanes in range(1, dm // 2 + 1) if dm % lanes == 0), default=1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options from which `overlay_of` makes an overlay."""
    parser.add_argument("--array", required=True, metavar="DMxDKxDN")
    parser.add_argument("--style", default="bit_serial")
    parser.add_argument("--memory-bits", type=int, default=64)
    parser.add_argument("--memory-latency", type=int, default=20)
    for name in DEPTHS:
        option = name.replace("_", "-")
        parser.add_argument(f"--{option}", type=int, metavar="WORDS", help="default: what it needs")


def overlay_of(arguments: argparse.Namespace) -> BenchOverlay:
    """What the options say. ConfigError names the one that is wrong."""
    given: dict[str, Any] = {name: getattr(arguments, name) for name in DEPTHS}
    return BenchOverlay(
        array=numbers(arguments.array, 3, "array"),  # type: ignore[arg-type]
        style=arguments.style,
        memory_bits=arguments.memory_bits,
        memory_latency=arguments.memory_latency,
        depths={name: depth for name, depth in given.items() if depth is not None},
    )


def numbers(text: str, count: int, option: str) -> tuple[int, ...]:
    """`count` numbers with an x between them. ConfigError names the option."""
    if not re.fullmatch(r"\d{1,6}(x\d{1,6})*", text) or text.count("x") != count - 1:
        form = "x".join(["N"] * count)
        raise ConfigError(f"--{option} must have the form {form}, not {text!r}")
    return tuple(int(part) for part in text.split("x"))
