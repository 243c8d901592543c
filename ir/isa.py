"""The instruction set: ONE table for decoder, assembler, disassembler and docs/isa.md.

A program is a string of `INSTRUCTION_BITS`-bit words in external memory. Each belongs to one of
three stages, which run nested-loop instructions from their own queues and meet through counted
tokens: one instruction covers a layer's loop.

Source: BISMO's fetch / execute / result stages. Ours differs in that an instruction holds the whole
loop nest of a layer, in that tokens are counts of tiles, and in that every layout lives here alone
(BISMO keeps three copies).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from ir.errors import EncodingError

INSTRUCTION_BITS = 512
"""Every instruction has this width: a whole number of bus words for each legal memory width."""

ADDRESS_BITS = 32


class Stage(enum.IntEnum):
    """Which queue an instruction goes to."""

    FETCH = 0
    EXECUTE = 1
    RESULT = 2


class Kind(enum.IntEnum):
    """What a fetch instruction fills."""

    LHS = 0
    RHS = 1
    PARAMS = 2
    TAPS = 3
    PROGRAM = 4
    ROWS = 5


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field: `width` bits, two's complement when `signed`, and its meaning.

    least, most: what the hardware accepts, where that is less than the bits hold.
    """

    width: int
    doc: str
    signed: bool = False
    least: int | None = None
    most: int | None = None

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest value the field holds."""
        if self.signed:
            return -(1 << (self.width - 1)), (1 << (self.width - 1)) - 1
        return 0, (1 << self.width) - 1


def _f(width: int, doc: str, *, signed: bool = False, most: int | None = None) -> Field:
    return Field(width=width, doc=doc, signed=signed, most=most)


def _n(width: int, doc: str, *, most: int | None = None) -> Field:
    """A count: the hardware would go round all its values for 0."""
    return Field(width=width, doc=doc, least=1, most=most)


_STAGE = {"stage": _f(2, "queue: 0 fetch, 1 execute, 2 result")}

FORMATS: dict[Stage, dict[str, Field]] = {
    Stage.FETCH: {
        **_STAGE,
        "kind": _f(3, "buffer to fill: 0 lhs, 1 rhs, 2 params, 3 taps, 4 program, 5 rows", most=5),
        "wait_done": _f(1, "take one layer-done token before the first burst"),
        "address": _f(ADDRESS_BITS, "byte address of the first segment, on a bus word"),
        "segments": _n(16, "contiguous segments; the lhs space is checked before each"),
        "segment_beats": _n(24, "bus words of a segment"),
        "repeats": _n(24, "passes over all segments (weights that do not stay on the chip)"),
        "reserve": _f(24, "lhs: words of each bank that a segment fills"),
        "units": _n(24, "units to unpack: row tiles, pixels (window: positions), or one"),
        "groups": _n(24, "groups of pieces in a unit: planes of a pixel, or words of a row tile"),
        "chunks": _n(16, "pieces in a group"),
        "piece_bits": _f(12, "bits of each piece but a group's last"),
        "tail_bits": _n(12, "bits of a group's last piece"),
        "tail_words": _f(5, "rhs: words of a group's last piece; the others fill rhs_ways words"),
        "base": _f(16, "params, taps: first table entry"),
        "width": _f(16, "rhs: pixels in a row of the tensor"),
        "stride": _f(4, "rhs: stride of the layer; pixels are sorted into stride^2 phases"),
        "phase_words": _f(24, "rhs: distance of two phases in a bank; 0 with a window"),
        "phase_row_words": _f(24, "rhs: distance of two rows of phases: stride * phase_words"),
        "tile_stride": _f(24, "rhs: words of a pixel in its bank"),
        "pitch_banks": _f(8, "rhs: virtual row width mod Dn"),
        "pitch_words": _f(24, "rhs: (virtual row width div Dn) * tile_stride"),
        "plane_words": _f(16, "rhs: words from one plane of a pixel to the next, on the chip"),
        "inner": _f(16, "rhs: where in each plane's words this tensor's begin (concatenation)"),
        "keep": _f(1, "rhs: the next rhs fetch goes on where this one ends"),
        "silent": _f(1, "rhs: gives no tokens; another tensor of the same pixels follows"),
        "window": _f(4, "rhs: kernel columns packed into a word, 0 for none"),
        "slot_bits": _f(6, "rhs, window: bits of a pixel's plane in a word, 4, 8, 16 or 32"),
        "window_first": _f(4, "rhs, window: position x with which a row's first word is complete"),
        "pushes": _f(16, "rhs: positions of a row; with a window zeros at its right end included"),
        "hash": _f(32, "fingerprint of the overlay the program was made for"),
    },
    Stage.EXECUTE: {
        **_STAGE,
        "row_tiles": _n(16, "Tm, the inner tile loop"),
        "col_tiles": _n(24, "Tn, the outer tile loop"),
        "block_first": _n(16, "column tiles of the first block"),
        "block": _n(16, "column tiles of each further block"),
        "row_table": _f(1, "digits, coding and word offset come from the row table"),
        "row_base": _f(16, "first entry in the row table"),
        "w_digits": _n(4, "digit-planes of the weights", most=8),
        "a_digits": _n(4, "digit-planes of the activations", most=8),
        "w_signed": _f(1, "the weights' top digit is signed"),
        "a_signed": _f(1, "the activations' top digit is signed"),
        "w_bipolar": _f(1, "weights are {-1,+1}: take 2*acc - column sum"),
        "pad_ones": _f(1, "outside the image all digits are one instead of zero"),
        "turns": _n(8, "times a tile is computed, each with further kernel positions"),
        "split": _f(1, "K comes in parts: each turn takes weights of its own, and sums are added"),
        "taps": _n(16, "kernel positions of a turn"),
        "tap_table": _f(1, "the tap table is used; else there is one tap, all zeros"),
        "tap_base": _f(16, "first entry in the tap table"),
        "chunks": _n(16, "words of Dk channels at a kernel position"),
        "k_words": _n(24, "Tk = taps * chunks"),
        "lhs_stream": _f(1, "weights come anew for every column tile"),
        "tile_stride": _f(24, "rhs words from one column tile to the next"),
        "plane_words": _f(16, "rhs words from one plane of a pixel to the next"),
        "in_height": _f(16, "rows of the input tensor"),
        "in_width": _f(16, "columns of the input tensor"),
        "stride": _n(4, "stride of the layer"),
        "wrap_x": _n(16, "virtual width * stride"),
        "rhs_first": _f(24, "input tiles needed by column tile 0"),
        "rhs_step": _f(8, "further input tiles needed by each next column tile"),
        "rhs_total": _f(24, "input tiles of the layer, the most ever waited for"),
        "tile_cycles": _n(16, "cycles that draining a tile takes: columns * period"),
        "ring_words": _n(16, "result ring words that a column tile may need"),
    },
    Stage.RESULT: {
        **_STAGE,
        "row_tiles": _n(16, "Tm, the inner tile loop"),
        "col_tiles": _n(24, "Tn, the outer tile loop"),
        "block_first": _n(16, "column tiles of the first block"),
        "block": _n(16, "column tiles of each further block"),
        "turns": _n(8, "turns of a tile, of whose codes the largest is kept"),
        "split": _f(1, "the sums of the turns are added instead, and requantized with the last"),
        "columns": _n(8, "array columns drained of each tile"),
        "period": _n(8, "cycles a column"),
        "selects": _n(8, "row groups requantized in a column: Dm / R for each threshold"),
        "elements": _f(1, "write 32-bit elements instead of digit-planes"),
        "steps": _n(8, "ring writes a column: planes, or rows when elements"),
        "step_bits": _f(24, "distance of two writes: bits of a pixel's plane, or 32"),
        "row_bits": _f(24, "distance of two row tiles in a plane"),
        "pixel_bits": _f(24, "bits of a pixel"),
        "last_units": _f(12, "write units of the last row tile in a plane"),
        "last_rows": _f(12, "rows of the last row tile that are written as elements"),
        "out_width": _n(16, "columns of the output tensor"),
        "pitch": _n(16, "virtual width: columns that the tiles walk over in a row"),
        "pixels": _n(24, "pixels of the output tensor"),
        "ring_words": _n(16, "as in the execute instruction"),
        "param_base": _f(16, "first requantizer parameter row"),
        "shift": _f(6, "right shift of the requantizer"),
        "lo": _f(32, "smallest output code", signed=True),
        "hi": _f(32, "largest output code", signed=True),
        "address": _f(ADDRESS_BITS, "byte address of the output tensor, on a bus word"),
        "last": _f(1, "last layer of the program: raise irq after its last write"),
    },
}

TAP: dict[str, Field] = {
    "offset": _f(24, "rhs words to add to the column tile's address", signed=True),
    "rotate": _f(8, "bank of the array's first column"),
    "dy": _f(12, "input row relative to the output row * stride", signed=True),
    "dx": _f(12, "input column relative to the output column * stride", signed=True),
}
"""An entry of the tap table: where a kernel position lies relative to a column tile."""

PARAM: dict[str, Field] = {
    "multiplier": _f(16, "M of y = clip((acc*M + B) >> n, lo, hi)", signed=True),
    "offset": _f(48, "B: bias, batch norm and rounding", signed=True),
}
"""An entry of the requantizer table, one for each output channel."""

ROW: dict[str, Field] = {
    "digits": _f(4, "digit-planes of the row tile's weights"),
    "bipolar": _f(1, "they are {-1,+1}"),
    "offset": _f(24, "rhs words to add: which channels of a pixel the row tile reads"),
}
"""An entry of the row table: how the row tiles of a layer differ."""

ENTRY_BITS = 64
"""Tap, row and requantizer entries lie on 64-bit boundaries in memory."""


SLOT_BITS = (4, 8, 16, 32)
"""Bits of a pixel's plane with which neighbours can be packed into one word: `slot_bits`."""


def most(stage: Stage, name: str) -> int:
    """The largest value that the hardware accepts in a field."""
    field = FORMATS[stage][name]
    return field.range[1] if field.most is None else field.most


def layout(fields: Mapping[str, Field]) -> data.StructLayout:
    """The hardware view of a format, least significant field first."""
    return data.StructLayout(
        {name: signed(f.width) if f.signed else unsigned(f.width) for name, f in fields.items()}
    )


def pack(fields: Mapping[str, Field], values: Mapping[str, int]) -> int:
    """Fields to an integer. Raises EncodingError for a missing, unknown or out-of-range value."""
    unknown = values.keys() - fields.keys()
    missing = fields.keys() - values.keys()
    if unknown or missing:
        raise EncodingError(f"fields: unknown {sorted(unknown)}, missing {sorted(missing)}")
    word, position = 0, 0
    for name, field in fields.items():
        value, (low, high) = int(values[name]), field.range
        if not low <= value <= high:
            raise EncodingError(f"{name} = {value} does not fit its field ({low} to {high})")
        word |= (value & ((1 << field.width) - 1)) << position
        position += field.width
    return word


def unpack(fields: Mapping[str, Field], word: int) -> dict[str, int]:
    """Inverse of `pack`."""
    values, position = {}, 0
    for name, field in fields.items():
        value = (word >> position) & ((1 << field.width) - 1)
        if field.signed and value >> (field.width - 1):
            value -= 1 << field.width
        values[name] = value
        position += field.width
    return values


def encode(stage: Stage, values: Mapping[str, int]) -> int:
    """An instruction word. Fields not named are 0; a value too large raises EncodingError."""
    fields = FORMATS[stage]
    return pack(fields, dict.fromkeys(fields, 0) | {"stage": int(stage)} | dict(values))


def decode(word: int) -> tuple[Stage, dict[str, int]]:
    """Inverse of `encode`. Raises EncodingError for a word that no stage understands."""
    number = word & 0b11
    if number not in {int(s) for s in Stage}:
        raise EncodingError(f"no stage has the number {number}")
    stage = Stage(number)
    return stage, unpack(FORMATS[stage], word)


def words_of(program: bytes) -> Iterator[int]:
    """The instruction words of a program image."""
    size = INSTRUCTION_BITS // 8
    for start in range(0, len(program), size):
        yield int.from_bytes(program[start : start + size], "little")


def disassemble(program: bytes) -> str:
    """One line an instruction: stage and the fields that are not zero."""
    lines = []
    for index, word in enumerate(words_of(program)):
        stage, values = decode(word)
        shown: dict[str, int | str] = {k: v for k, v in values.items() if v and k != "stage"}
        if stage is Stage.FETCH:
            shown["kind"] = Kind(values["kind"]).name
        lines.append(f"{index:4} {stage.name:8}" + " ".join(f"{k}={v}" for k, v in shown.items()))
    return "\n".join(lines) + "\n"


def _limits(field: Field) -> str:
    """What a field may hold, where that is not all that its bits can."""
    words = ["signed"] if field.signed else []
    words += [f"at least {field.least}"] if field.least else []
    words += [f"at most {field.most}"] if field.most is not None else []
    return f" ({', '.join(words)})" if words else ""


def markdown() -> str:
    """docs/isa.md."""
    parts = [
        "# Instruction set",
        "",
        "Generated from `ir/isa.py` by `make docs`; do not edit.",
        "",
        f"Every instruction is {INSTRUCTION_BITS} bits, least significant field first.",
    ]
    tables = {s.name.capitalize(): f for s, f in FORMATS.items()}
    for title, fields in (
        tables | {"Tap table entry": TAP, "Row table entry": ROW, "Requantizer entry": PARAM}
    ).items():
        parts += ["", f"## {title}", "", "| bits | field | meaning |", "|---|---|---|"]
        position = 0
        for name, field in fields.items():
            top = position + field.width - 1
            parts.append(f"| {top}:{position} | `{name}` | {field.doc}{_limits(field)} |")
            position += field.width
    return "\n".join(parts) + "\n"
