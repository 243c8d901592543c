"""The instructions of a layer: from a tiling and addresses to the fields of ir/isa.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from codegen.tiling import Tiling
from codegen.words import ceil_div
from hw.kept import check_kept, kept_bits
from ir.isa import ENTRY_BITS, Kind, Stage

Instruction = tuple[Stage, dict[str, int]]


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where a layer's data lies, in bytes. others: the further tensors that are fetched."""

    weights: int
    params: int
    taps: int
    rows: int
    input: int
    output: int
    others: tuple[int, ...] = ()


def table_base(tiling: Tiling, index: int) -> int:
    """Layers use the tables' halves in turn: the next layer's entries can be fetched ahead."""
    return index % 2 * (tiling.config.table_depth // 2)


def _fetch(kind: Kind, address: int, beats: int, **fields: int) -> Instruction:
    """A fetch of one segment of `beats` bus words, unless `fields` say otherwise."""
    common = {"segments": 1, "repeats": 1, "units": 1, "chunks": 1}
    return Stage.FETCH, common | {
        "kind": kind,
        "address": address,
        "segment_beats": beats,
    } | fields


def _table_fetches(tiling: Tiling, at: Addresses, base: int) -> list[Instruction]:
    """Kernel positions, row table if row tiles differ, requantizer parameters."""
    config = tiling.config
    piece = config.param_lanes * ENTRY_BITS
    chunks = ceil_div(config.requant_lanes, config.param_lanes)
    tail = config.requant_lanes * ENTRY_BITS - (chunks - 1) * piece
    tables = []
    if tiling.tap_table:
        tables.append((Kind.TAPS, at.taps, len(tiling.taps)))
    if tiling.row_table:
        tables.append((Kind.ROWS, at.rows, tiling.row_tiles))
    entries = [
        _fetch(
            kind,
            address,
            ceil_div(count * ENTRY_BITS, config.memory_bits),
            groups=count,
            base=base,
            piece_bits=ENTRY_BITS,
            tail_bits=ENTRY_BITS,
        )
        for kind, address, count in tables
    ]
    params = _fetch(
        Kind.PARAMS,
        at.params,
        tiling.param_beats,
        groups=tiling.param_rows,
        chunks=chunks,
        piece_bits=piece,
        tail_bits=tail,
        base=base,
    )
    return [*entries, params]


def row_tile_beats(tiling: Tiling, digits: int) -> int:
    """Bus words of a row tile's weights, in a turn."""
    config = tiling.config
    bits = digits * tiling.k_words * config.dm * config.lhs_word_bits
    return ceil_div(bits, config.memory_bits)


def weight_fetches(
    tiling: Tiling, address: int, begin: int = 0, end: int | None = None, repeats: int = 1
) -> list[Instruction]:
    """Row tiles [begin, end), one fetch for each run of equal digits, the whole `repeats` times."""
    config, turns, fetches = tiling.config, tiling.weight_turns, []
    pieces = ceil_div(config.dm, config.lhs_rows)
    piece = config.lhs_rows * config.lhs_word_bits
    tail = config.dm * config.lhs_word_bits - (pieces - 1) * piece
    offsets = [0]
    for digits in tiling.row_digits:
        offsets.append(offsets[-1] + turns * row_tile_beats(tiling, digits) * config.bus_bytes)
    tile = begin
    for digits, run in groupby(tiling.row_digits[begin:end]):
        count = len(list(run))
        words = digits * tiling.k_words
        fetches.append(
            _fetch(
                Kind.LHS,
                address + offsets[tile],
                row_tile_beats(tiling, digits),
                segments=count * turns,
                units=count * turns,
                reserve=words,
                groups=words,
                chunks=pieces,
                piece_bits=piece,
                tail_bits=tail,
            )
        )
        tile += count
    if len(fetches) == 1:
        stage, fields = fetches[0]
        return [(stage, fields | {"repeats": repeats, "units": fields["units"] * repeats})]
    return fetches * repeats


def _pixel_pieces(tiling: Tiling, part: int) -> dict[str, int]:
    """How a tensor's planes of a pixel are cut into pieces of up to rhs_ways words.

    Planes that fill their words follow one another on the chip as they do in memory: then a pixel
    is one string, and a piece may cross from plane to plane.
    """
    config = tiling.config
    planes, words, bits = tiling.a_digits, tiling.part_words[part], tiling.part_bits[part]
    if bits == words * config.rhs_bits and words == tiling.chunks:
        planes, words, bits = 1, words * planes, bits * planes
    pieces, piece = ceil_div(words, config.rhs_ways), config.rhs_ways * config.rhs_bits
    return {
        "groups": planes,
        "chunks": pieces,
        "piece_bits": piece,
        "tail_bits": bits - (pieces - 1) * piece,
        "tail_words": words - (pieces - 1) * config.rhs_ways,
    }


def input_pieces(tiling: Tiling, part: int) -> int:
    """Pieces of tensor `part` of a layer's input."""
    cut = _pixel_pieces(tiling, part)
    return _positions(tiling, tiling.input_pixels) * cut["groups"] * cut["chunks"]


def _positions(tiling: Tiling, pixels: int) -> int:
    """What pixels are as they pass: with packed neighbours a row's zeros are positions too."""
    return pixels // tiling.shape.width * tiling.pushes if tiling.window else pixels


def input_fetches(
    tiling: Tiling, addresses: Sequence[int], *, wait: bool, cut: int = 0
) -> tuple[list[Instruction], list[Instruction]]:
    """The tensors of a layer, in two parts that meet at pixel `cut`: (one, the other)."""
    fields = [_input_fields(tiling, part) for part in range(len(addresses))]
    if 0 < cut < tiling.input_pixels and len(addresses) == 1:
        return (
            [_pixels_fetch(tiling, addresses[0], (0, cut), fields[0] | {"wait_done": int(wait)})],
            [_pixels_fetch(tiling, addresses[0], (cut, tiling.input_pixels), fields[0])],
        )
    fields[0] |= {"wait_done": int(wait)}
    fetches = [
        _pixels_fetch(tiling, address, (0, tiling.input_pixels), values)
        for address, values in zip(addresses, fields, strict=True)
    ]
    return fetches, []


def _input_fields(tiling: Tiling, part: int) -> dict[str, int]:
    """Fields of the fetch of tensor `part`, but for which pixels: all but the last are silent."""
    config, shape = tiling.config, tiling.shape
    pitch_tiles, pitch_banks = divmod(tiling.virtual_width, config.dn)
    common = _pixel_pieces(tiling, part) | {
        "inner": sum(tiling.part_words[:part]),
        "silent": int(part + 1 < len(tiling.part_words)),
        "width": shape.width,
        "pushes": tiling.pushes,
        "stride": shape.stride,
        "phase_words": 0 if tiling.window else tiling.phase_words,
        "phase_row_words": tiling.phases_per_row * tiling.phase_words,
        "tile_stride": tiling.tile_stride,
        "plane_words": tiling.chunks,
        "pitch_banks": pitch_banks,
        "pitch_words": pitch_tiles * tiling.tile_stride,
    }
    if tiling.window:
        common |= {
            "window": tiling.window,
            "slot_bits": tiling.channel_bits,
            "window_first": tiling.window - 1 - shape.padding[1],
        }
    return common


def _pixels_fetch(
    tiling: Tiling, address: int, pixels: tuple[int, int], fields: dict[str, int]
) -> Instruction:
    """The fetch of `pixels` (begin, end) of the tensor at `address`."""
    config, (begin, end) = tiling.config, pixels
    pixel_bits = fields["groups"] * (
        (fields["chunks"] - 1) * fields["piece_bits"] + fields["tail_bits"]
    )
    word = begin * pixel_bits // config.memory_bits
    beats = ceil_div(end * pixel_bits, config.memory_bits) - word
    units = _positions(tiling, end - begin)
    place = {"units": units, "keep": int(end < tiling.input_pixels)}
    return _fetch(Kind.RHS, address + word * config.bus_bytes, beats, **fields, **place)


def _execute(tiling: Tiling, base: int) -> Instruction:
    shape, config, width = tiling.shape, tiling.config, tiling.virtual_width
    first, step, total = tiling.rhs_tokens
    everywhere = (1 << kept_bits(config, Stage.EXECUTE)["in_width"]) - 1  # edges lie in the words
    return (
        Stage.EXECUTE,
        {
            "row_tiles": tiling.row_tiles,
            "col_tiles": tiling.col_tiles,
            "block_first": min(tiling.order.block_first, tiling.col_tiles),
            "block": min(tiling.order.block, tiling.col_tiles),
            "row_table": int(tiling.row_table),
            "row_base": base,
            "w_digits": max(tiling.row_digits),
            "a_digits": tiling.a_digits,
            "w_signed": int(shape.weights.signed),
            "a_signed": int(shape.activations.signed and not shape.activations.bipolar),
            "w_bipolar": int(all(tiling.row_bipolar)),
            "turns": tiling.turns,
            "split": int(tiling.weight_turns > 1),
            "taps": len(tiling.taps) // tiling.turns,
            "tap_table": int(tiling.tap_table),
            "tap_base": base,
            "pad_ones": int(shape.pad_ones),
            "chunks": tiling.chunk_words,
            "k_words": tiling.k_words,
            "lhs_stream": int(not tiling.order.resident),
            "tile_stride": tiling.tile_stride,
            "plane_words": tiling.chunks,
            "in_height": shape.height,
            "in_width": everywhere if tiling.window else shape.width,
            "stride": shape.stride,
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
    plane_units = ceil_div(tiling.row_bits - rows_before * config.q, config.write_unit)
    return (
        Stage.RESULT,
        requantize
        | {
            "row_tiles": tiling.row_tiles,
            "col_tiles": tiling.col_tiles,
            "block_first": min(tiling.order.block_first, tiling.col_tiles),
            "block": min(tiling.order.block, tiling.col_tiles),
            "turns": tiling.turns,
            "split": int(tiling.weight_turns > 1),
            "columns": tiling.columns,
            "period": tiling.period,
            "selects": tiling.selects,
            "elements": int(shape.elements),
            "steps": tiling.steps,
            "step_bits": 32 if shape.elements else tiling.row_bits,
            "row_bits": config.dm * (32 if shape.elements else config.q) if rows_before else 0,
            "pixel_bits": tiling.pixel_bits,
            "last_units": 0 if shape.elements else plane_units,
            "last_rows": shape.rows - rows_before,
            "out_width": shape.out_width,
            "pitch": tiling.virtual_width,
            "pixels": shape.pixels,
            "ring_words": tiling.ring_words,
            "param_base": base,
            "address": at.output,
            "last": int(last),
        },
    )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """When a layer's operands are fetched.

    ahead: row tiles of weights that are fetched before the layer ahead is done
    cut: input pixels (0: all) that are fetched before the rest of the weights
    """

    ahead: int
    cut: int = 0


def layer_instructions(
    tiling: Tiling,
    at: Addresses,
    *,
    index: int,
    requantize: dict[str, int],
    last: bool,
    plan: Plan,
) -> tuple[list[Instruction], list[Instruction]]:
    """Instructions of layer `index`: those that may run ahead of the layer before it, and the rest.

    Tables come before operands, whose tokens tell the array that all is there. What the first
    layer fetches comes first of all, so that its reads are under way while the rest of the program
    arrives.  requantize: shift, lo, hi. CapacityError: the overlay keeps too few bits of a field.
    """
    base, first = table_base(tiling, index), index == 0
    stages = [_result(tiling, at, base, requantize, last), _execute(tiling, base)]
    fetches = [
        *_table_fetches(tiling, at, base),
        *weight_fetches(tiling, at.weights, 0, plan.ahead),
    ]
    inputs, later = input_fetches(tiling, (at.input, *at.others), wait=not first, cut=plan.cut)
    blocks = 1 + ceil_div(max(tiling.col_tiles - tiling.order.block_first, 0), tiling.order.block)
    rest = weight_fetches(tiling, at.weights, plan.ahead)
    if not tiling.order.resident:
        rest += weight_fetches(tiling, at.weights, repeats=blocks - 1) if blocks > 1 else []
    operands = [*inputs, *rest, *later]
    for stage, values in [*stages, *fetches, *operands]:
        check_kept(tiling.config, stage, values, tiling.shape.name)
    if first:
        return [*fetches, *stages], operands
    return [*stages, *fetches], operands
