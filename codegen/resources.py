"""The resource model: LUTs, flip-flops, block RAMs and DSPs of an overlay, from its sizes alone.

luts = memory LUTs (exact, block_ram.py) + sum over parts of coefficient * quantity(part)
ff   = sum over parts of coefficient * quantity(part)
bram = exact                              dsp = exact

A part is something the hardware has as many of as quantities.py says; its coefficients are fitted
to synthesized overlays by `make characterize` and lie in resource_coefficients/<family>.json
together with the tool's version, the overlays and the errors seen. Counts are those of yosys before
packing and placement: what a vendor's tool reports differs.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from codegen.block_ram import map_memories
from codegen.quantities import quantities
from hw.config import OverlayConfig
from hw.fabric import fabric_of, find_fabric
from ir.errors import ConfigError, did_you_mean
from ir.files import read_json

FOLDER = Path(__file__).with_name("resource_coefficients")
COUNTED_AS = {"simulation": "xc7", "xcup": "xc7", "ice40": "ecp5"}
"""Families whose fabric another one's stands for. iCE40 has neither LUT memories nor wide
multiplexers: an overlay takes about twice as many LUTs there."""

BLOCK_BITS = 18432
"""Bits of the block RAM that all families are counted in."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What an overlay takes of a family's fabric. bram: blocks of 18 Kbit."""

    luts: int
    ff: int
    bram: int
    dsp: int

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Coefficients:
    """A fit: {part: LUTs, or flip-flops, of one}.

    hardware: commit of the hardware that was synthesized; later changes are not in the model.
    errors: {count: {fit, held_out: {overlays, mean, max}}}, relative to what was measured.
    overlays: those behind it, with sizes, counts and what the model says of each.
    """

    family: str
    tool: str
    version: str
    hardware: str
    luts: Mapping[str, float]
    ff: Mapping[str, float]
    errors: Mapping[str, Any]
    overlays: tuple[Mapping[str, Any], ...]


def counted_blocks(blocks: int, block_bits: int) -> int:
    """How many blocks of BLOCK_BITS are as much as `blocks` of `block_bits`, rounded down."""
    return blocks * block_bits // BLOCK_BITS


def families() -> list[str]:
    """The families that have a model."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


@lru_cache(maxsize=8)
def load_coefficients(family: str) -> Coefficients:
    """The fit for a family, or for the one of COUNTED_AS. ConfigError: there is none."""
    name = COUNTED_AS.get(family, family)
    known = families()
    if name not in known:
        raise ConfigError(
            f"there is no resource model for family {name!r}{did_you_mean(name, known)}; there is: "
            f"{', '.join(known)}"
        )
    place = FOLDER / f"{name}.json"
    try:
        document = read_json(place)
        document["overlays"] = tuple(document["overlays"])
        return Coefficients(**document)
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{place} is no resource model; run make characterize") from error


def said_by(family: str) -> str:
    """Whose figures a family's are: a prediction, and of which model."""
    model = load_coefficients(family).family
    stands = "" if model == family else f", which stands for {family}"
    return f"predicted by the model of {model}{stands}"


def predict_resources(
    config: OverlayConfig, family: str, coefficients: Coefficients | None = None
) -> Resources:
    """What the model says of an overlay, made of the cells of the family that is counted.

    Raises ConfigError for a family without a model.
    """
    fit = coefficients or load_coefficients(family)
    amounts = quantities(config, fit.family)
    memories = map_memories(config, fit.family)
    return Resources(
        luts=memories.luts + round(_weighed(fit.luts, amounts)),
        ff=round(_weighed(fit.ff, amounts)),
        bram=memories.blocks,
        dsp=dsps(config, fit.family),
    )


def _weighed(coefficients: Mapping[str, float], amounts: Mapping[str, float]) -> float:
    return sum(value * amounts[part] for part, value in coefficients.items())


def dsps(config: OverlayConfig, family: str) -> int:
    """DSP multipliers: one for an accumulator (two bits longer when bipolar), or one a half."""
    width = config.acc_bits + 2 * config.column_sums
    halves = width > find_fabric(fabric_of(family)).multiplier_bits
    return config.requant_lanes * (2 if halves else 1)
