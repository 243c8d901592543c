"""What a family's cells are called, what they count for, and how yosys maps to them."""

from collections.abc import Mapping
from dataclasses import dataclass

from ir.errors import ConfigError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """How a family is synthesized, and what its cells count for.

    command   yosys: flattened down to modules that are kept, without input and output pads
    logic     {cell: LUTs}; storage {cell: LUTs used as memory or shift register}
    carry     {cell: LUTs lost to it}: none where carry logic stands beside the LUTs
    bram      {cell: blocks} of 18 Kbit, on iCE40 of 4 Kbit
    fracturable  two small LUTs share a site: counted by packing.py
    """

    command: str
    logic: Mapping[str, int]
    storage: Mapping[str, int]
    carry: Mapping[str, int]
    ffs: tuple[str, ...]
    bram: Mapping[str, int]
    dsps: tuple[str, ...]
    fracturable: bool = False

    def counts(self, cells: Mapping[str, int]) -> dict[str, int | None]:
        """{luts, lut_cells, lut_memory, lut_carry, comb, carry, ff, bram, dsp} of {cell: number}.

        comb: LUTs and those lost to carries, where carries take any (ECP5), else None.
        """

        def weighed(weights: Mapping[str, int]) -> int:
            return sum(cells.get(name, 0) * weight for name, weight in weights.items())

        logic, memory, lost = (weighed(w) for w in (self.logic, self.storage, self.carry))
        return {
            "luts": logic + memory + lost,
            "lut_cells": logic,
            "lut_memory": memory,
            "lut_carry": lost,
            "comb": logic + lost if any(self.carry.values()) else None,
            "carry": sum(cells.get(name, 0) for name in self.carry),
            "ff": sum(cells.get(name, 0) for name in self.ffs),
            "bram": weighed(self.bram),
            "dsp": sum(cells.get(name, 0) for name in self.dsps),
        }


_ICE40_FFS = tuple(
    f"SB_DFF{edge}{enable}{reset}"
    for edge in ("", "N")
    for enable in ("", "E")
    for reset in ("", "SR", "R", "SS", "S")
)

FABRICS = {
    "xc7": Fabric(
        command="synth_xilinx -family xc7 -flatten -noiopad",
        logic={f"LUT{n}": 1 for n in range(1, 7)} | {"LUT6_2": 1, "INV": 1},
        storage={
            "RAM32M": 4,
            "RAM64M": 4,
            "RAM32X1D": 2,
            "RAM64X1D": 2,
            "RAM128X1D": 4,
            "SRL16E": 1,
            "SRLC32E": 1,
        },
        carry={"CARRY4": 0},
        ffs=("FDRE", "FDSE", "FDCE", "FDPE"),
        bram={"RAMB18E1": 1, "RAMB36E1": 2},
        dsps=("DSP48E1",),
        fracturable=True,
    ),
    # A DPR16X4 is four LUTs of data, and the two of the slice that writes it are lost.
    "ecp5": Fabric(
        command="synth_ecp5",
        logic={"LUT4": 1},
        storage={"TRELLIS_DPR16X4": 6},
        carry={"CCU2C": 2},
        ffs=("TRELLIS_FF",),
        bram={"DP16KD": 1, "PDPW16KD": 1},
        dsps=("MULT18X18D", "MULT9X9D", "ALU54B"),
    ),
    "ice40": Fabric(
        command="synth_ice40",
        logic={"SB_LUT4": 1},
        storage={},
        carry={"SB_CARRY": 0},
        ffs=_ICE40_FFS,
        bram={"SB_RAM40_4K": 1},
        dsps=("SB_MAC16",),
    ),
}


def find_fabric(family: str) -> Fabric:
    """The fabric of a family. ConfigError for one that is not there."""
    if family not in FABRICS:
        raise ConfigError(
            f"cannot synthesize for family {family!r}{did_you_mean(family, FABRICS)}; "
            f"there is: {', '.join(sorted(FABRICS))}"
        )
    return FABRICS[family]
