"""Program images: the layers' instructions, cut into pieces that fetch one another."""

from __future__ import annotations

from collections.abc import Sequence

from codegen.schedule import Instruction
from hw.config import OverlayConfig
from hw.queue import QUEUE_INSTRUCTIONS
from ir.isa import FORMATS, INSTRUCTION_BITS, Kind, Stage, decode, encode, layout, words_of

Part = tuple[list[Instruction], list[Instruction]]

INSTRUCTION_BYTES = INSTRUCTION_BITS // 8


def chunk_fetch(address: int, instructions: int, memory_bits: int) -> Instruction:
    """The fetch of a piece of program."""
    return (
        Stage.FETCH,
        {
            "kind": Kind.PROGRAM,
            "address": address,
            "segments": 1,
            "repeats": 1,
            "segment_beats": instructions * INSTRUCTION_BITS // memory_bits,
            "units": instructions,
            "groups": INSTRUCTION_BITS // memory_bits,
            "chunks": 1,
            "tail_bits": memory_bits,
        },
    )


def pieces_of(parts: Sequence[Part]) -> list[list[Instruction]]:
    """The instructions of each piece, without the fetch of the next one.

    One piece a layer: what runs ahead, then the operands. It is fetched once all that the piece
    before it fetches is under way, so queues hold two layers at most, however long the program is.
    A layer with more fetches than a queue holds takes several pieces.
    """
    pieces = []
    for ahead, rest in parts:
        piece: list[Instruction] = []
        for instruction in [*ahead, *rest]:
            if len(piece) == QUEUE_INSTRUCTIONS - 1:
                pieces.append(piece)
                piece = []
            piece.append(instruction)
        pieces.append(piece)
    return pieces


def program_bytes(parts: Sequence[Part]) -> int:
    """Size of the program, which does not depend on any address."""
    pieces = pieces_of(parts)
    return (sum(map(len, pieces)) + len(pieces) - 1) * INSTRUCTION_BYTES


def assemble(parts: Sequence[Part], *, address: int, config: OverlayConfig) -> tuple[bytes, int]:
    """(program, instructions of its first piece) for a program that begins at `address`.

    Every fetch carries the overlay's fingerprint: a program does not run on another overlay.
    """
    pieces = pieces_of(parts)
    lengths = [len(piece) + (index + 1 < len(pieces)) for index, piece in enumerate(pieces)]
    place, program = address, b""
    for index, piece in enumerate(pieces):
        place += lengths[index] * INSTRUCTION_BYTES
        if index + 1 < len(pieces):
            piece.append(chunk_fetch(place, lengths[index + 1], config.memory_bits))
        for stage, values in piece:
            mark = {"hash": config.hash} if stage is Stage.FETCH else {}
            word = encode(stage, values | mark)
            program += word.to_bytes(INSTRUCTION_BYTES, "little")
    return program, lengths[0]


def address_bits(program: bytes) -> list[int]:
    """Where addresses lie in a program: the lowest bit of each, in the program as one number.

    A driver whose memory begins at another address adds it at each of these places.
    """
    found = []
    for index, word in enumerate(words_of(program)):
        stage, values = decode(word)
        if "address" in values:
            found.append(index * INSTRUCTION_BITS + layout(FORMATS[stage])["address"].offset)
    return found
