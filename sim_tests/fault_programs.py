"""Programs that are wrong: random words, changed fields, missing and doubled instructions."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping

from codegen.lower import CompiledNetwork
from hw.config import OverlayConfig
from hw.kept import WRAPS, kept_bits
from ir.isa import FORMATS, INSTRUCTION_BITS, Stage, decode, pack, words_of
from sim_tests.faults import Ending, Rig
from sim_tests.random_jobs import RandomJob

SIZE = INSTRUCTION_BITS // 8
NO_STAGE = 3


def words(network: CompiledNetwork) -> list[int]:
    """The instructions of a network's program."""
    return list(words_of(network.program))


def with_field(word: int, **values: int) -> int:
    """The instruction with other values in some fields, be they legal or not."""
    stage, fields = decode(word)
    return pack(FORMATS[stage], fields | dict(values))


def first(program: list[int], stage: Stage, **wanted: int) -> int:
    """Place of the first instruction of a stage whose fields are as wanted."""
    for place, word in enumerate(program):
        found, fields = decode(word)
        if found is stage and all(fields[name] == value for name, value in wanted.items()):
            return place
    raise AssertionError(f"no {stage.name} instruction with {wanted}")


def image_of(image: bytes, network: CompiledNetwork, program: list[int]) -> bytes:
    """The memory with another program in place of the network's; it may not be longer."""
    data = b"".join(word.to_bytes(SIZE, "little") for word in program)
    begin = network.program_address
    assert len(data) <= len(network.program)
    return image[:begin] + data + image[begin + len(data) :]


def random_program(network: CompiledNetwork, seed: int) -> list[int]:
    """A wrong program, one of several kinds."""
    draw, program = random.Random(seed), words(network)
    kind = seed % 4
    if kind == 0:
        return [_random_word(draw) for _ in program]
    if kind == 1:
        place, other = draw.randrange(len(program)), draw.randrange(len(program))
        program[place] = program[other]
        return program
    for _ in range(1 if kind == 2 else draw.randrange(2, 5)):
        place = draw.randrange(len(program))
        program[place] = _changed(draw, program[place])
    return program


def _each_kind(program: list[int]) -> Iterator[tuple[int, Stage, dict[str, int]]]:
    """(place, stage, fields) of the first instruction of each kind."""
    kinds = set()
    for place, word in enumerate(program):
        stage, fields = decode(word)
        kind = (stage, fields.get("kind"))
        if kind not in kinds:
            kinds.add(kind)
            yield place, stage, fields


def flipped_programs(network: CompiledNetwork) -> Iterator[list[int]]:
    """Each bit that no stage keeps, with a one, in every kind of instruction: all are refused."""
    program = words(network)
    for place, stage, _ in _each_kind(program):
        for bit in _left_out(network.config, stage):
            yield [*program[:place], program[place] | 1 << bit, *program[place + 1 :]]


def _left_out(config: OverlayConfig, stage: Stage) -> Iterator[int]:
    """Bits beyond what is kept of each field, and beyond the fields."""
    begin = 0
    for name, field in FORMATS[stage].items():
        if name not in WRAPS[stage]:
            yield from range(begin + kept_bits(config, stage)[name], begin + field.width)
        begin += field.width
    yield from range(begin, INSTRUCTION_BITS)


def swept_programs(network: CompiledNetwork) -> Iterator[list[int]]:
    """Every field of every kind of instruction at both ends of its range, and beside its limits."""
    program = words(network)
    for place, stage, fields in _each_kind(program):
        for name, field in FORMATS[stage].items():
            low, high = field.range
            beside = [field.least, field.most, fields[name]]
            near = {value + step for value in beside if value is not None for step in (-1, 1)}
            for value in sorted({low, high} | {v for v in near if low <= v <= high}):
                if value != fields[name]:
                    yield [
                        *program[:place],
                        with_field(program[place], **{name: value}),
                        *program[place + 1 :],
                    ]


def run_programs(job: RandomJob, programs: Iterable[list[int]]) -> list[Ending]:
    """Wrong programs in the harness; their endings. AssertionError: see Rig.

    Each must end in a defined way without a write beyond the window, and a clean job follows.
    """
    rig = Rig(job)
    rig.registers(CYCLE_LIMIT=max(2000, 3 * rig.cycles))
    rig.script.add("hazards", 1)
    for program in programs:
        rig.load(image_of(rig.image, rig.network, program))
        rig.start()
        rig.end(inside=True)
        rig.clean_job()
    found = rig.play()
    for ending in found[::2]:
        assert ending.defined, f"{ending}: {job}"
    for ending in found[1::2]:
        rig.check_clean(ending)
    return found[::2]


def _random_word(draw: random.Random) -> int:
    """Bits without sense; half of them with those fields right that are checked first."""
    stage = draw.choice([*map(int, Stage), NO_STAGE])
    word = draw.getrandbits(INSTRUCTION_BITS) & ~0b11 | stage
    if stage == NO_STAGE or draw.randrange(2):
        return word
    fields: Mapping[str, int] = {
        name: draw.randrange(field.least or 0, min(field.most or 4, field.range[1], 4) + 1)
        for name, field in FORMATS[Stage(stage)].items()
        if name != "stage" and not field.signed
    }
    return pack(FORMATS[Stage(stage)], {**decode(stage)[1], **fields})


def _changed(draw: random.Random, word: int) -> int:
    """One field with another value, or one bit flipped where no field is."""
    if word & 0b11 == NO_STAGE:
        return word
    stage, _ = decode(word)
    name, field = draw.choice(list(FORMATS[stage].items()))
    low, high = field.range
    near = decode(word)[1][name] + draw.choice([-1, 1])
    value = draw.choice([0, 1, high, low, near, draw.randint(low, high)])
    return with_field(word, **{name: min(max(value, low), high)})
