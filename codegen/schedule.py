"""The instructions of a layer: from a tiling and addresses to the fields of ir/isa.py."""

from __future__ import annotations

from dataclasses import dataclass

from codegen.tiling import Tiling, ceil_div
from ir.isa import ENTRY_BITS, Kind, Stage

Instruction = tuple[Stage, dict[str, int]]


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where a layer's data lies, in bytes."""

    weights: int
    params: int
    taps: int
    input: int
    output: int


def table_base(tiling: Tiling, index: int) -> int:
    """Layers use the tables' halves in turn: the next layer's entries can be fetched ahead."""
    return index % 2 * (tiling.config.table_depth // 2)


def _table_fetches(tiling: Tiling, at: Addresses, base: int) -> list[Instruction]:
    lanes = tiling.config.requant_lanes
    once = {
        "segments": 1,
        "repeats": 1,
        "units": 1,
        "base": base,
        "tail_bits": ENTRY_BITS,
        "piece_bits": ENTRY_BITS,
    }
    return [
        (
            Stage.FETCH,
            once
            | {
                "kind": Kind.PARAMS,
                "address": at.params,
                "chunks": lanes,
                "segment_beats": tiling.param_beats,
                "groups": tiling.param_rows,
            },
        ),
        (
            Stage.FETCH,
            once
            | {
                "kind": Kind.TAPS,
                "address": at.taps,
                "chunks": 1,
                "segment_beats": tiling.tap_beats,
                "groups": len(tiling.taps),
            },
        ),
    ]


def _weight_fetch(tiling: Tiling, at: Addresses) -> Instruction:
    repeats = tiling.col_tiles if tiling.lhs_stream else 1
    return (
        Stage.FETCH,
        {
            "kind": Kind.LHS,
            "address": at.weights,
            "segments": tiling.row_tiles,
            "segment_beats": tiling.row_tile_beats,
            "repeats": repeats,
            "reserve": tiling.lhs_words,
            "units": tiling.row_tiles * repeats,
            "groups": tiling.lhs_words,
            "chunks": tiling.config.dm,
            "piece_bits": tiling.word_bits,
            "tail_bits": tiling.word_bits,
        },
    )


def _input_fetch(tiling: Tiling, at: Addresses, wait: bool) -> Instruction:
    shape = tiling.shape
    pitch_tiles, pitch_banks = divmod(tiling.virtual_width, tiling.config.dn)
    return (
        Stage.FETCH,
        {
            "kind": Kind.RHS,
            "wait_done": int(wait),
            "address": at.input,
            "segments": 1,
            "segment_beats": tiling.input_beats,
            "repeats": 1,
            "units": tiling.input_pixels,
            "groups": shape.activations.bits,
            "chunks": tiling.chunks,
            "piece_bits": tiling.config.dk,
            "tail_bits": tiling.tail_bits,
            "width": shape.width,
            "stride": shape.stride,
            "phase_words": tiling.phase_words,
            "phase_row_words": shape.stride * tiling.phase_words,
            "tile_stride": tiling.tile_stride,
            "pitch_banks": pitch_banks,
            "pitch_words": pitch_tiles * tiling.tile_stride,
        },
    )


def _execute(tiling: Tiling, base: int) -> Instruction:
    shape, width = tiling.shape, tiling.virtual_width
    first, step, total = tiling.rhs_tokens
    return (
        Stage.EXECUTE,
        {
            "row_tiles": tiling.row_tiles,
            "col_tiles": tiling.col_tiles,
            "w_bits": shape.weights.bits,
            "a_bits": shape.activations.bits,
            "w_signed": int(shape.weights.signed and not shape.weights.bipolar),
            "a_signed": int(shape.activations.signed),
            "taps": len(tiling.taps),
            "tap_base": base,
            "chunks": tiling.chunks,
            "k_words": tiling.k_words,
            "lhs_words": tiling.lhs_words,
            "lhs_stream": int(tiling.lhs_stream),
            "tile_stride": tiling.tile_stride,
            "in_height": shape.height,
            "in_width": shape.width,
            "stride": shape.stride,
            "step_x": tiling.config.dn % width * shape.stride,
            "step_y": tiling.config.dn // width * shape.stride,
            "wrap_x": width * shape.stride,
            "rhs_first": first,
            "rhs_step": step,
            "rhs_total": total,
            "tile_cycles": tiling.columns * tiling.period,
            "ring_words": tiling.ring_words,
        },
    )


def _result(
    tiling: Tiling, at: Addresses, base: int, requantize: dict[str, int], last: bool
) -> Instruction:
    shape, config = tiling.shape, tiling.config
    rows_before = (tiling.row_tiles - 1) * config.dm
    plane_units = ceil_div(tiling.row_bits - rows_before, config.write_unit)
    return (
        Stage.RESULT,
        requantize
        | {
            "row_tiles": tiling.row_tiles,
            "col_tiles": tiling.col_tiles,
            "columns": tiling.columns,
            "period": tiling.period,
            "elements": int(shape.elements),
            "steps": tiling.steps,
            "step_bits": 32 if shape.elements else tiling.row_bits,
            "row_bits": config.dm * (32 if shape.elements else 1),
            "pixel_bits": tiling.pixel_bits,
            "last_units": 0 if shape.elements else plane_units,
            "last_rows": shape.rows - rows_before,
            "out_width": shape.out_width,
            "pitch": tiling.virtual_width,
            "pixels": shape.pixels,
            "ring_words": tiling.ring_words,
            "param_base": base,
            "bipolar": int(shape.weights.bipolar),
            "address": at.output,
            "last": int(last),
        },
    )


def layer_instructions(
    tiling: Tiling, at: Addresses, *, index: int, requantize: dict[str, int], last: bool
) -> tuple[list[Instruction], list[Instruction]]:
    """Instructions of layer `index`: those that may run ahead of the layer before it, and the rest.

    Weights that stay come first, so that they are fetched while the layer before runs. Weights that
    do not stay wait for the array to free their words, which needs the input: they come after it.
    requantize: shift, lo, hi.
    """
    base = table_base(tiling, index)
    ahead = [
        _result(tiling, at, base, requantize, last),
        _execute(tiling, base),
        *_table_fetches(tiling, at, base),
    ]
    weights, activations = _weight_fetch(tiling, at), _input_fetch(tiling, at, index > 0)
    if tiling.lhs_stream:
        return ahead, [activations, weights]
    return [*ahead, weights], [activations]
