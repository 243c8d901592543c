"""The clock model: how fast nextpnr places an overlay, from its sizes alone.

period_ns = sum over parts of coefficient * quantity(part)

An overlay is as fast as its slowest path, and the stages' paths are made alike; what the sizes add
is longer counters, more levels of multiplexers, and wires across more cells. The coefficients are
fitted to placed overlays by `make characterize` and lie in clock_coefficients/<family>.json
together with the placer's version, the overlays and the errors seen. One seed moves a placement by
several per cent: the model cannot be nearer than that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import log2
from pathlib import Path
from typing import Any

from codegen.resources import predict_resources
from hw.config import OverlayConfig
from ir.errors import ConfigError
from ir.files import read_json

FOLDER = Path(__file__).with_name("clock_coefficients")


@dataclass(frozen=True, kw_only=True)
class ClockModel:
    """A fit: {part: nanoseconds of one}.

    device: the part that was placed on. tool, version: of the placer. hardware: commit of what was
    placed. errors: {fit, held_out: {overlays, mean, max}} of the clock, relative to the placed one.
    overlays: those behind it, with sizes, cells, the clock reached and what the model says.
    """

    family: str
    device: str
    tool: str
    version: str
    hardware: str
    period_ns: Mapping[str, float]
    errors: Mapping[str, Any]
    overlays: tuple[Mapping[str, Any], ...]


def quantities(config: OverlayConfig, family: str) -> dict[str, float]:
    """{part: how many of it}.

    fixed     1: the registers' own delay, and the paths that all overlays have
    spread    doublings of the predicted LUTs over 1,024: how far wires go
    rotation  levels of the rotator between the activation banks and the columns
    address   bits of the longest buffer's address: counters and their comparisons
    """
    luts = predict_resources(config, family).luts
    deepest = max(config.lhs_depth, config.rhs_depth, config.ring_depth, config.table_depth)
    return {
        "fixed": 1.0,
        "spread": max(0.0, log2(luts / 1024)),
        "rotation": float((config.dn - 1).bit_length()),
        "address": float((deepest - 1).bit_length()),
    }


def clock_families() -> list[str]:
    """The families that have a clock model."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


@lru_cache(maxsize=8)
def load_clock_model(family: str) -> ClockModel:
    """The fit for a family. ConfigError: there is none, as where no open tool places it."""
    place = FOLDER / f"{family}.json"
    if not place.is_file():
        known = ", ".join(clock_families()) or "none"
        raise ConfigError(f"there is no clock model for family {family!r}; there is: {known}")
    try:
        document = read_json(place)
        document["overlays"] = tuple(document["overlays"])
        return ClockModel(**document)
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{place} is no clock model; run make characterize") from error


def predict_clock_mhz(config: OverlayConfig, family: str, model: ClockModel | None = None) -> float:
    """What a placement of the overlay reaches, as the model says; errors as load_clock_model."""
    fit = model or load_clock_model(family)
    amounts = quantities(config, fit.family)
    return 1000 / sum(value * amounts[part] for part, value in fit.period_ns.items())
