"""How much of each part an overlay has: what the resource model multiplies its coefficients with.

A part is called stage.part; a stage's coefficients are fitted to the blocks that make it
(flows/resource_fit.py), each stage by itself.
"""

from __future__ import annotations

from hw.config import OverlayConfig, piece_bits
from hw.fabric import fabric_of, find_fabric
from hw.kept import kept_bits, position_bits
from hw.ring import ELEMENT_BITS, most_units, units_per_word
from hw.unpack import piece_grain
from ir.isa import Stage

STAGES = ("array", "operands", "unpacker", "execute", "result", "ring", "control", "memory")
"""`array` has its units, `result` its requantizers, `control` all that is not named; `memory` is
LUTs that hold the small memories which block_ram.py does not count."""


def quantities(config: OverlayConfig, family: str) -> dict[str, float]:
    """{part: how many of it} of an overlay that is made of a family's cells."""
    stages_of = {
        "array": _array(config, family),
        "operands": _operands(config),
        "unpacker": _unpacker(config),
        "execute": _execute(config),
        "result": _result(config),
        "ring": _ring(config),
        "control": {"fixed": 1, "bus": config.memory_bits, "kept": _kept(config, Stage.FETCH)},
        "memory": _memory(config),
    }
    assert tuple(stages_of) == STAGES
    return {
        f"{stage}.{part}": float(amount)
        for stage, parts in stages_of.items()
        for part, amount in parts.items()
    }


def _array(config: OverlayConfig, family: str) -> dict[str, float]:
    """Units (one-bit weights: one more row, for column sums), their lanes and accumulators.

    Lanes are made of the fabric's own cells, and know how many `tables` and `registers` they are:
    a family whose lanes are left to the synthesizer has no model.
    """
    units = (config.dm + config.column_sums) * config.dn
    size = find_fabric(fabric_of(family)).lanes.size(config.dk, config.p, config.q)
    assert size is not None, family
    return {
        "fixed": 1,
        "unit": units,
        "tables": units * size.tables,
        "wide_unit": 0 if config.p * config.q == 1 else units,
        "registers": units * size.registers,
        "accumulator": units * config.acc_bits,
        "operand": config.dm * config.lhs_bits + config.dn * config.rhs_bits,
    }


def _operands(config: OverlayConfig) -> dict[str, float]:
    """Banks, the choice of a bank's part, the rotation, and the port that writes them."""
    word, columns, ways = config.rhs_bits, config.dn, config.rhs_ways
    turns = (columns - 1).bit_length()
    return {
        "fixed": 1,
        "bank": columns,
        "mask": word * columns,
        "rotator": word * columns * turns,
        "part": word * columns * (ways - 1),
        "port": word * ways * (ways.bit_length() - 1),
        "pack": word,
        "row": config.dm,
    }


def _unpacker(config: OverlayConfig) -> dict[str, float]:
    """Held words, the shifter that cuts pieces out of them, counters."""
    piece, grain = piece_bits(config), piece_grain(config)
    steps = (config.memory_bits // grain - 1).bit_length()
    return {
        "fixed": 1,
        "held": -(-piece // config.memory_bits) * config.memory_bits,
        "shift": piece * steps,
        "mask": piece,
        "bits": piece if grain == 1 else 0,
        "ways": config.rhs_ways,
    }


def _execute(config: OverlayConfig) -> dict[str, float]:
    """Bits of the columns' positions, of the instruction, and of the addresses in a word."""
    return {
        "fixed": 1,
        "column": config.dn * position_bits(config),
        "kept": _kept(config, Stage.EXECUTE),
        "depth": _address_bits(config),
    }


def _result(config: OverlayConfig) -> dict[str, float]:
    """Drain selection, requantizers, codes collected row by row."""
    lanes = config.requant_lanes
    return {
        "fixed": 1,
        "lane": lanes,
        "lane_bit": lanes * config.acc_bits,
        "doubled": lanes * config.acc_bits * config.column_sums,
        "select": config.acc_bits * (config.dm - lanes),
        "row": config.dm,
        "row_bit": config.dm * ELEMENT_BITS,
        "sum_bit": config.dm * config.acc_bits,
        "kept": _kept(config, Stage.RESULT),
    }


def _ring(config: OverlayConfig) -> dict[str, float]:
    """Multiplexers that place results in a bus word, and what chooses them."""
    legs = most_units(config) - 1
    return {
        "fixed": 1,
        "place": config.memory_bits * legs,
        "choice": units_per_word(config) * legs,
        "unit": units_per_word(config),
    }


def _memory(config: OverlayConfig) -> dict[str, float]:
    """Ledgers and places; a tile's codes between turns; its sums where K is split."""
    words = config.dn * config.row_groups
    sums = -(-words // 16) * (config.requant_lanes + 1) * config.acc_bits
    return {"fixed": 1, "turns": config.dm if config.dn > 1 else 0, "sums": config.k_split * sums}


def _kept(config: OverlayConfig, stage: Stage) -> int:
    """Bits that a stage keeps of its instruction: so wide are its counters and adders."""
    return sum(kept_bits(config, stage).values())


def _address_bits(config: OverlayConfig) -> int:
    """Bits of the addresses of all buffers."""
    depths = (config.lhs_depth, config.rhs_depth, config.ring_depth, config.table_depth)
    return sum((depth - 1).bit_length() for depth in depths)
