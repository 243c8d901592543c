"""What the stages keep of an instruction: as many bits of each field as this overlay can need.

A field of ir/isa.py holds what the largest overlay may need. Bits beyond those given here are
looked at once, by hw/check.py, which refuses an instruction with a one there; codegen refuses a
layer that would need them. Behind the check no register, adder or comparison is wider.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from amaranth.hdl import Module, Value, signed, unsigned
from amaranth.lib import data, stream

from hw.config import OverlayConfig, piece_bits
from hw.ring import plane_units
from ir.errors import CapacityError
from ir.isa import ENTRY_BITS, FORMATS, INSTRUCTION_BITS, TAP, Stage
from ir.precision import MAX_OPERAND_BITS

MOST_PROGRAM = (1 << 16) - 1
"""Instructions of a program's first piece: the register's bits."""

MOST_THRESHOLDS = 15
"""Of a channel: outputs with thresholds have at most 4 bits."""

WRAPS = {
    Stage.FETCH: (
        "phase_words",
        "phase_row_words",
        "tile_stride",
        "pitch_words",
        "plane_words",
        "inner",
    ),
    Stage.EXECUTE: ("tile_stride", "plane_words"),
    Stage.RESULT: (),
}
"""Distances in a bank: modulo its depth, which is their limit as hw/check.py knows."""

_JUDGED = ("stage", "hash")
"""Fields that are of no use behind the check."""

_READ_BY_ISSUER = ("wait_done", "address", "segments", "segment_beats", "repeats", "reserve")


def position_bits(config: OverlayConfig) -> int:
    """Of a position on the input's grid to which a kernel's offset was added, negative or not."""
    beyond = 1 << (TAP["dx"].width - 1)
    return min(16, (config.places + beyond).bit_length())


@lru_cache(maxsize=64)
def kept_bits(config: OverlayConfig, stage: Stage) -> dict[str, int]:
    """{field: bits that the stage keeps}, at least one, never more than the field has."""
    most = {Stage.FETCH: _fetch, Stage.EXECUTE: _execute, Stage.RESULT: _result}[stage](config)
    bits = {name: max(value.bit_length(), 1) for name, value in most.items()}
    bits |= dict.fromkeys(WRAPS[stage], (config.rhs_depth - 1).bit_length())
    return {n: min(bits.get(n, field.width), field.width) for n, field in FORMATS[stage].items()}


def kept_layout(
    config: OverlayConfig, stage: Stage, *, without: Collection[str] = ()
) -> data.StructLayout:
    """The stage's instruction behind the check."""
    fields = FORMATS[stage]
    return data.StructLayout(
        {
            name: signed(bits) if fields[name].signed else unsigned(bits)
            for name, bits in kept_bits(config, stage).items()
            if name not in (*_JUDGED, *without)
        }
    )


def fetch_layout(config: OverlayConfig) -> data.StructLayout:
    """What the issuer keeps."""
    return kept_layout(config, Stage.FETCH)


def job_layout(config: OverlayConfig) -> data.StructLayout:
    """What the unpacker needs of a fetch instruction."""
    return kept_layout(config, Stage.FETCH, without=_READ_BY_ISSUER)


def keep(target: data.View, source: data.View) -> list[Any]:
    """Each field of `target` takes that of `source`, which may be wider and have others."""
    return [getattr(target, name).eq(getattr(source, name)) for name, _ in target.shape()]


def hand_over(m: Module, source: stream.Interface, target: stream.Interface) -> None:
    """Connect a queue's instructions to a stage that keeps less of them."""
    m.d.comb += [
        target.valid.eq(source.valid),
        source.ready.eq(target.ready),
        *keep(target.payload, source.payload),
    ]


def left_out(now: data.View, config: OverlayConfig, stage: Stage) -> list[Value]:
    """The bits of an instruction that nobody keeps, which must be zero."""
    rest = [
        now[name][bits:]
        for name, bits in kept_bits(config, stage).items()
        if name not in (*WRAPS[stage], *_JUDGED)
    ]
    return [bits for bits in rest if len(bits)]


def check_kept(config: OverlayConfig, stage: Stage, values: dict[str, int], layer: str) -> None:
    """CapacityError: an instruction of the layer needs more bits than are kept."""
    for name, bits in kept_bits(config, stage).items():
        value = values.get(name, 0)
        if name not in (*WRAPS[stage], *_JUDGED) and value >> bits not in (0, -1):
            raise CapacityError(
                f"layer {layer!r}: {FORMATS[stage][name].doc}: {value}, an overlay with these "
                f"buffers takes at most {(1 << bits) - 1}"
            )


def _row_tiles(config: OverlayConfig) -> int:
    """Row tiles whose requantizer parameters the table holds."""
    return config.table_depth // config.row_groups


def _loops(config: OverlayConfig) -> dict[str, int]:
    """What execute and result instructions share: loops, turns, and room in the ring.

    Column tiles: an output may have somewhat more pixels than the input on the chip.
    """
    tiles = 2 * config.rhs_depth
    return {
        "row_tiles": _row_tiles(config),
        "col_tiles": tiles,
        "block_first": tiles,
        "block": tiles,
        "turns": config.table_depth,
        "ring_words": config.ring_depth - 1,
    }


def most_period(config: OverlayConfig) -> int:
    """Cycles that a column may take to drain."""
    return max(MOST_THRESHOLDS * config.row_groups, *_steps(config))


def _steps(config: OverlayConfig) -> tuple[int, int]:
    """Ring writes of a column: planes, or rows."""
    return MAX_OPERAND_BITS // config.q, config.dm


def _fetch(config: OverlayConfig) -> dict[str, int]:
    program = INSTRUCTION_BITS // config.memory_bits
    segments = _row_tiles(config) * (config.table_depth if config.k_split else 1)
    repeats = 2 * config.rhs_depth
    bits = max(
        config.dm * config.lhs_word_bits * config.lhs_depth,
        (config.rhs_bits + 7) * config.places,
        config.requant_lanes * ENTRY_BITS * config.table_depth,
    )
    return {
        "segments": segments,
        "segment_beats": max(program * MOST_PROGRAM, bits // config.memory_bits),
        "repeats": repeats,
        "reserve": config.lhs_depth,
        "units": max(segments * repeats, config.places + 15, MOST_PROGRAM),
        "groups": max(config.lhs_depth, config.table_depth, program, MAX_OPERAND_BITS),
        "chunks": max(config.dm, config.rhs_depth // config.rhs_ways, config.requant_lanes),
        "piece_bits": piece_bits(config),
        "tail_bits": piece_bits(config),
        "tail_words": config.rhs_ways,
        "base": config.table_depth - 1,
        "width": config.places + 15,
        "pitch_banks": config.dn - 1,
        "pushes": config.places + 15,
    }


def _execute(config: OverlayConfig) -> dict[str, int]:
    return _loops(config) | {
        "row_base": config.table_depth - 1,
        "tap_base": config.table_depth - 1,
        "w_digits": MAX_OPERAND_BITS // config.p,
        "a_digits": MAX_OPERAND_BITS // config.q,
        "taps": config.table_depth,
        "chunks": config.rhs_depth,
        "k_words": config.lhs_depth,
        "in_height": config.places,
        "in_width": config.places,
        "wrap_x": config.places,
        "rhs_first": config.rhs_depth,
        "rhs_total": config.rhs_depth,
        "tile_cycles": config.dn * most_period(config),
    }


def _result(config: OverlayConfig) -> dict[str, int]:
    ring = config.ring_depth * config.memory_bits - 1
    return _loops(config) | {
        "columns": config.dn,
        "period": most_period(config),
        "selects": most_period(config),
        "steps": max(_steps(config)),
        "step_bits": ring,
        "row_bits": ring,
        "pixel_bits": ring,
        "last_units": plane_units(config),
        "last_rows": config.dm,
        "out_width": config.places,
        "pitch": config.places,
        "pixels": 2 * config.places,
        "param_base": config.table_depth - 1,
    }
