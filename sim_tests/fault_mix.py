"""One long script of disturbed jobs: a part of the mix by which tests are measured.

The cases are those of the fault tests, fewer of each: errors on read beats and write bursts, each
channel hung, aborts meanwhile, wrong programs, aborts, soft resets, resets, a window too small,
limits, a START too many, and every register written and read, idle and busy. A clean job follows
each.
"""

from __future__ import annotations

import random

from hw.csr import ADDRESS_BITS, CODE_SHIFT, OFFSETS, REGISTERS
from sim_tests.fault_programs import flipped_programs, image_of, random_program, swept_programs
from sim_tests.faults import CHANNELS, RESPONSES, Rig, small_job

PROGRAMS = 200
PATTERNS = (0xFFFFFFFF, 0, 0xA5A5A5A5, 0x5A5A5A5A)
WISHES = ("CONTROL", "IRQ_CLEAR")


def fault_rig(overlay: str) -> Rig:
    """The script, ready to be written."""
    rig = Rig(small_job(overlay, layers=2, most=3000))
    draw = random.Random(overlay)
    for case in (_registers, _errors, _hangs, _hangs_aborted, _ends, _limits, _programs, _flips):
        case(rig, draw)
        rig.fault()
        rig.registers()
        rig.clean_job()
    return rig


def _registers(rig: Rig, draw: random.Random) -> None:
    """Every offset of the map and beyond, misaligned ones too; strobes; idle, then busy."""
    mapped = [r.offset for r in REGISTERS]
    offsets = [*mapped, 2, 0x3C, 0xFFC]
    for busy in (False, True):
        if busy:
            rig.registers()
            rig.load()
            rig.fault(0, 0, 0, CHANNELS["R"], 0)
            rig.start()
        for pattern in PATTERNS:
            for offset in offsets:
                if offset not in [OFFSETS[name] for name in WISHES]:
                    rig.script.add("put", offset, pattern, draw.randrange(1, 16))
                    rig.script.add("put", offset, pattern, 15)
                rig.script.add("get", offset)
    rig.fault()
    rig.end()
    near = {offset ^ 1 << bit for offset in mapped for bit in range(ADDRESS_BITS)}
    for offset in sorted(near):
        rig.script.add("get", offset)
        if offset & ~0b11 not in [OFFSETS[name] for name in WISHES]:
            rig.script.add("put", offset, PATTERNS[0], 15)
    for offset in mapped:
        rig.script.add("get", offset)


def _errors(rig: Rig, draw: random.Random) -> None:
    for response in RESPONSES.values():
        for _ in range(4):
            for read, write in ((draw.randrange(1, 120), 0), (0, draw.randrange(1, 6))):
                rig.faulty_job(read, write, response, 0, 0)
                rig.dump()
                rig.clean_job()


def _hangs(rig: Rig, draw: random.Random) -> None:
    """A channel hangs; the job is freed when it answers again, or by reset."""
    for index, channel in enumerate([*CHANNELS.values()] * 2):
        timeout = draw.randrange(16 << index, 32 << index)
        rig.registers(TIMEOUT=timeout)
        rig.faulty_job(0, 0, 0, channel, draw.randrange(3))
        rig.free(by_reset=bool(index % 2), timeout=timeout)
        rig.dump()
        rig.clean_job()


def _hangs_aborted(rig: Rig, draw: random.Random) -> None:
    """A channel hangs, and the host asks for the end before the timeout."""
    rig.registers(TIMEOUT=2 * rig.cycles)
    for channel in [*CHANNELS.values()] * 3:
        rig.load()
        rig.fault(0, 0, 0, channel, draw.randrange(3))
        rig.start()
        rig.script.add("wait", draw.randrange(rig.cycles))
        rig.control("ABORT")
        rig.end()
        rig.fault()
        rig.free(by_reset=False, timeout=0)
        rig.dump()
        rig.clean_job()


def _ends(rig: Rig, draw: random.Random) -> None:
    """ABORT, SOFT_RESET and a second START at any time."""
    for wish in ["ABORT", "SOFT_RESET", "START"] * 24:
        rig.load()
        rig.start()
        rig.script.add("wait", draw.randrange(rig.cycles - 10))
        rig.control(wish)
        if wish == "SOFT_RESET":
            rig.script.add("until", OFFSETS["STATUS"], (1 << CODE_SHIFT + 8) - 1, 0)
            rig.script.add("untouched", *rig.outputs)
        else:
            rig.end()
        rig.dump()
        rig.clean_job()


def _limits(rig: Rig, draw: random.Random) -> None:
    """Windows that end too early or begin too late, and jobs that may not take so long."""
    needed = rig.network.memory_bytes
    for _ in range(12):
        limit = draw.randrange(0, needed, rig.bus_bytes)
        for values in ({"MEM_LIMIT": limit}, {"MEM_BASE": limit}, {"CYCLE_LIMIT": limit % 900 + 1}):
            rig.registers(**values)
            rig.load()
            rig.start()
            rig.end()
            rig.registers(CYCLE_LIMIT=0)
            rig.clean_job()


def _programs(rig: Rig, draw: random.Random) -> None:
    """Random words, changed fields, doubled instructions; every field at its limits."""
    rig.registers(CYCLE_LIMIT=3 * rig.cycles)
    rig.script.add("hazards", 1)
    wrong = (random_program(rig.network, seed) for seed in range(PROGRAMS))
    for number, program in enumerate([*wrong, *swept_programs(rig.network)]):
        rig.load(image_of(rig.image, rig.network, program))
        rig.start()
        rig.end(inside=True)
        if number % 4 == 3:
            rig.clean_job()


def _flips(rig: Rig, draw: random.Random) -> None:
    """Each bit that nobody keeps of an instruction."""
    rig.script.add("hazards", 1)
    for program in flipped_programs(rig.network):
        rig.load(image_of(rig.image, rig.network, program))
        rig.start()
        rig.end(inside=True)
