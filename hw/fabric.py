"""The fabrics an overlay can be built for, and what its datapath is made of on each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from hw import multiplex, rotate
from hw.accumulator import Accumulate, ecp5_chain, lut4, lut6, portable
from hw.lanes import Lanes
from hw.lanes_lut4 import Ecp5Lanes, Lut4Lanes
from hw.lanes_lut6 import Lut6Lanes, Lut6UltraLanes
from ir.errors import ConfigError, did_you_mean

PORTABLE = "portable"


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """lanes : a component as hw.lanes.Lanes; accumulate : a function as hw.accumulator.portable.

    multiplex, rotate : functions as hw.multiplex.portable and hw.rotate.portable
    cells : the fabric's own cells in them (hw/cells/)
    multiplier_bits : of a multiplier block's wider side, signed; the other takes 16 of them all
    """

    lanes: type[Lanes]
    accumulate: Accumulate
    multiplex: multiplex.Multiplex = multiplex.portable
    rotate: rotate.Rotate = rotate.portable
    cells: tuple[str, ...] = ()
    multiplier_bits: int = 25


FABRICS = {
    PORTABLE: Fabric(lanes=Lanes, accumulate=portable),
    "ecp5": Fabric(lanes=Ecp5Lanes, accumulate=ecp5_chain, cells=("CCU2C",), multiplier_bits=18),
    "ice40": Fabric(lanes=Lut4Lanes, accumulate=lut4, multiplier_bits=18),
    "xc7": Fabric(
        lanes=Lut6Lanes,
        accumulate=lut6,
        multiplex=multiplex.lut6,
        rotate=rotate.lut6,
        cells=("LUT6_2", "CARRY4"),
    ),
    "xcup": Fabric(
        lanes=Lut6UltraLanes,
        accumulate=partial(lut6, cell="CARRY8"),
        multiplex=multiplex.lut6,
        rotate=rotate.lut6,
        cells=("LUT6_2", "CARRY8"),
    ),
}


def find_fabric(name: str) -> Fabric:
    """ConfigError: there is none of that name."""
    if not isinstance(name, str) or name not in FABRICS:
        raise ConfigError(
            f"no fabric {name!r}{did_you_mean(str(name), FABRICS)}; "
            f"there is: {', '.join(sorted(FABRICS))}"
        )
    return FABRICS[name]


def fabric_of(family: str) -> str:
    """The fabric for a board's family: its own structure, or the portable one."""
    return family if family in FABRICS else PORTABLE
