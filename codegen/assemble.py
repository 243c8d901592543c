"""Program images: the layers' instructions, cut into pieces that fetch one another."""

from __future__ import annotations

from codegen.schedule import Instruction
from ir.isa import INSTRUCTION_BITS, Kind, Stage, encode

Part = tuple[list[Instruction], list[Instruction]]


def chunk_fetch(address: int, instructions: int, memory_bits: int) -> Instruction:
    """The fetch of a piece of program."""
    beats = instructions * INSTRUCTION_BITS // memory_bits
    return (
        Stage.FETCH,
        {
            "kind": Kind.PROGRAM,
            "address": address,
            "segments": 1,
            "repeats": 1,
            "segment_beats": beats,
            "units": 1,
            "groups": beats,
            "chunks": 1,
            "tail_bits": memory_bits,
        },
    )


def assemble(parts: list[Part], *, address: int, memory_bits: int) -> tuple[bytes, int]:
    """(program, instructions of its first piece) for a program that begins at `address`.

    One piece a layer: what runs ahead, the input's fetch, then the fetch of the next piece, so that
    queues hold the instructions of two layers at most, however long the program is.
    """
    size = INSTRUCTION_BITS // 8
    pieces = [[*ahead, *rest] for ahead, rest in parts]
    lengths = [len(piece) + (index + 1 < len(pieces)) for index, piece in enumerate(pieces)]
    place, program = address, b""
    for index, piece in enumerate(pieces):
        place += lengths[index] * size
        if index + 1 < len(pieces):
            piece.append(chunk_fetch(place, lengths[index + 1], memory_bits))
        program += b"".join(
            encode(stage, values).to_bytes(size, "little") for stage, values in piece
        )
    return program, lengths[0]
