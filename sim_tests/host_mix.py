"""What the host may do at any time: a part of the mix by which tests are measured.

Every register holds its value while each other one is written. Each bit of a job's registers is set
alone: windows of all sizes, programs beyond them, limits that are not reached. A job that writes
much is aborted at many cycles; all that it has written until then is read back, and a clean job
follows now and then.
"""

from __future__ import annotations

import random

from codegen.cycles import predict
from codegen.read_timing import MemoryTiming
from hw.csr import OFFSETS, REGISTERS
from sim_tests.faults import LATENCY, Rig
from sim_tests.random_jobs import RandomJob, random_job

ABORTS, CLEAN_EVERY = 160, 8
DRAWN, LONGEST = 80, 2500
VALUES = (0xFFFFFFFF, 0)


def host_rig(overlay: str) -> Rig:
    """The script, ready to be written."""
    rig = Rig(writing_job(overlay))
    _registers(rig)
    _single_bits(rig)
    _aborts(rig, random.Random(overlay))
    return rig


def writing_job(overlay: str) -> RandomJob:
    """Of the first DRAWN random jobs, none too long, the one that writes most bytes a cycle."""
    found = []
    for seed in range(DRAWN):
        job = random_job(overlay, seed)
        cycles = predict(job.network, MemoryTiming(latency=LATENCY)).cycles
        written = sum(layer.output_region[1] for layer in job.network.layers)
        if cycles <= LONGEST:
            found.append((written / cycles, seed, job))
    return max(found)[2]


def _registers(rig: Rig) -> None:
    """All registers ones, then one of them zeros; and the other way round."""
    kept = [OFFSETS[register.name] for register in REGISTERS if register.access == "rw"]
    for value in VALUES:
        for offset in kept:
            for other in kept:
                rig.script.add("put", other, value, 15)
            rig.script.add("put", offset, value ^ VALUES[0], 15)
            for other in kept:
                rig.script.add("get", other)
    rig.registers(TIMEOUT=0, CYCLE_LIMIT=0)


def _single_bits(rig: Rig) -> None:
    """Bits beyond the network's memory and its cycles."""
    beyond = max(rig.size, rig.cycles).bit_length()
    for bit in range(beyond, 32):
        for name in ("MEM_LIMIT", "CYCLE_LIMIT", "TIMEOUT", "MEM_BASE", "PROG_ADDR"):
            rig.registers(**{name: 1 << bit})
            rig.load()
            rig.start()
            rig.end()
            rig.dump()
    rig.registers(CYCLE_LIMIT=0)


def _aborts(rig: Rig, draw: random.Random) -> None:
    for number in range(ABORTS):
        rig.load()
        rig.start()
        rig.script.add("wait", draw.randrange(rig.cycles - 10))
        rig.control("ABORT")
        rig.end()
        rig.dump()
        if number % CLEAN_EVERY == 0:
            rig.clean_job()
