"""The instruction table: round trips, refusals, and the view the hardware decodes with."""

import random
import re

import pytest

from ir.errors import EncodingError
from ir.isa import (
    ENTRY_BITS,
    FORMATS,
    INSTRUCTION_BITS,
    PARAM,
    ROW,
    TAP,
    Field,
    Kind,
    Stage,
    decode,
    disassemble,
    encode,
    layout,
    markdown,
    pack,
    unpack,
    words_of,
)

TABLES = {**{s.name: FORMATS[s] for s in Stage}, "tap": TAP, "row": ROW, "param": PARAM}


def random_values(fields: dict[str, Field], rng: random.Random) -> dict[str, int]:
    """Random, with the ends of each range among the choices."""
    return {n: rng.choice([*f.range, rng.randint(*f.range)]) for n, f in fields.items()}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("seed", range(5))
def test_pack_round_trip_equals_the_hardware_view(name: str, seed: int) -> None:
    fields = TABLES[name]
    values = random_values(fields, random.Random(seed))
    word = pack(fields, values)
    assert unpack(fields, word) == values
    view = layout(fields).from_bits(word)
    assert {field: getattr(view, field) for field in fields} == values


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("seed", range(5))
def test_encode_round_trip(stage: Stage, seed: int) -> None:
    values = random_values(FORMATS[stage], random.Random(seed)) | {"stage": int(stage)}
    assert decode(encode(stage, values)) == (stage, values)
    assert encode(stage, values) < 1 << INSTRUCTION_BITS


def test_fields_that_are_not_named_are_zero() -> None:
    stage, values = decode(encode(Stage.EXECUTE, {"row_tiles": 3}))
    assert stage is Stage.EXECUTE
    assert {name for name, value in values.items() if value} == {"stage", "row_tiles"}


@pytest.mark.parametrize("name", TABLES)
def test_every_field_refuses_what_does_not_fit(name: str) -> None:
    fields = TABLES[name]
    inside = dict.fromkeys(fields, 0)
    for field, spec in fields.items():
        low, high = spec.range
        for value in (low - 1, high + 1):
            message = f"{field} = {value} does not fit its field ({low} to {high})"
            with pytest.raises(EncodingError, match=re.escape(message)):
                pack(fields, inside | {field: value})


def test_unknown_and_missing_fields() -> None:
    with pytest.raises(EncodingError, match=r"fields: unknown \['depth'\], missing \[\]"):
        encode(Stage.RESULT, {"depth": 1})
    with pytest.raises(EncodingError, match=r"unknown \[\], missing \['dx', 'dy'\]"):
        pack(TAP, {"offset": 0, "rotate": 0})


def test_a_word_of_no_stage() -> None:
    with pytest.raises(EncodingError, match="no stage has the number 3"):
        decode(3)


def test_tables_fit_their_words() -> None:
    for stage in Stage:
        assert layout(FORMATS[stage]).size <= INSTRUCTION_BITS
        assert next(iter(FORMATS[stage])) == "stage"
    assert layout(TAP).size <= ENTRY_BITS and layout(PARAM).size == ENTRY_BITS


def test_disassemble_shows_what_is_not_zero() -> None:
    words = [
        encode(Stage.FETCH, {"kind": Kind.TAPS, "address": 64}),
        encode(Stage.RESULT, {"lo": -8, "last": 1}),
    ]
    program = b"".join(word.to_bytes(INSTRUCTION_BITS // 8, "little") for word in words)
    assert list(words_of(program)) == words
    assert disassemble(program).splitlines() == [
        "   0 FETCH   kind=TAPS address=64",
        "   1 RESULT  lo=-8 last=1",
    ]


def test_markdown_lists_every_field_once() -> None:
    text = markdown()
    for fields in TABLES.values():
        for name, field in fields.items():
            assert f"| `{name}` | {field.doc}" in text
    assert text.count("| bits | field | meaning |") == len(TABLES)
