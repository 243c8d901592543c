"""Programs of thousands of instructions that end in a fault: where it is, is a large number."""

from __future__ import annotations

from codegen.assemble import INSTRUCTION_BYTES, chunk_fetch
from hw.config import OverlayConfig
from hw.queue import QUEUE_INSTRUCTIONS
from ir.isa import ENTRY_BITS, Kind, Stage, encode
from sim_tests.faults import BEYOND, Rig, small_job

LENGTH = 1 << 14
"""Instructions. The last one is illegal, so its place in the program is all ones."""

MOST_CYCLES = 200 * LENGTH


def long_program(config: OverlayConfig, address: int, stage: Stage) -> bytes:
    """Fetches of one table entry each, in pieces that a queue holds; a stage refuses the last."""
    entry = {
        "kind": Kind.TAPS,
        "address": address,
        "segment_beats": -(-ENTRY_BITS // config.memory_bits),
        "piece_bits": ENTRY_BITS,
        "tail_bits": ENTRY_BITS,
        "hash": config.hash,
    } | dict.fromkeys(("segments", "repeats", "units", "groups", "chunks"), 1)
    program = [encode(Stage.FETCH, entry)] * LENGTH
    for begin in range(QUEUE_INSTRUCTIONS, LENGTH, QUEUE_INSTRUCTIONS):
        place = address + begin * INSTRUCTION_BYTES
        _, fetch = chunk_fetch(place, QUEUE_INSTRUCTIONS, config.memory_bits)
        program[begin - 1] = encode(Stage.FETCH, fetch | {"hash": config.hash})
    program[-1] = encode(stage, {"hash": config.hash} if stage is Stage.FETCH else {})
    return b"".join(word.to_bytes(INSTRUCTION_BYTES, "little") for word in program)


def long_rig(overlay: str) -> Rig:
    """One such program for each stage, and a clean job."""
    rig = Rig(small_job(overlay), room=LENGTH * INSTRUCTION_BYTES + BEYOND)
    begin = -(-rig.network.memory_bytes // BEYOND) * BEYOND
    rig.script.add("limit", MOST_CYCLES)
    for stage in Stage:
        rig.registers(PROG_ADDR=begin, PROG_WORDS=QUEUE_INSTRUCTIONS, MEM_LIMIT=rig.size)
        program = long_program(rig.network.config, begin, stage)
        rig.load(rig.image[:begin] + program + rig.image[begin + len(program) :])
        rig.start()
        rig.end()
    rig.registers()
    rig.clean_job()
    return rig
