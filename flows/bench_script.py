"""The script that both benches execute, and their answers.

A job folder holds script.txt and blob.bin (ours), answers.txt, dump.bin and events.bin (the
bench's). The commands are listed in sim_tests/script.h.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.bench import (
    CLEAR_REGISTER,
    CLEAR_VALUE,
    START_REGISTER,
    START_VALUE,
    Bench,
    Job,
    JobResult,
)
from hw.csr import CODE_SHIFT, CODES, STAGE_SHIFT, STATUS_BITS, Code
from ir.errors import MismatchError, ToolError
from ir.files import read_bytes, read_text, write_bytes, write_text
from ir.isa import Stage

# axi_rules.sv's error codes.
RULES = {
    1: "the overlay withdrew or changed a read address before it was taken",
    2: "the overlay withdrew or changed a write address before it was taken",
    3: "the overlay withdrew or changed write data before it was taken",
    4: "read burst is not INCR with full-width beats",
    5: "write burst is not INCR with full-width beats",
    6: "read burst crosses a 4 KiB boundary",
    7: "write burst crosses a 4 KiB boundary",
    8: "WLAST does not come with the burst's last beat",
    9: "hazard: a read and a write of the same bus word are under way together",
    10: "the memory behind mem_timing was too slow in reading: no cycle count is valid",
    11: "the memory behind mem_timing was too slow in writing: no cycle count is valid",
    12: "more bursts under way than the bench can follow",
    13: "read burst goes beyond the memory",
    14: "write burst goes beyond the memory",
    15: "VALID is high in the cycle after reset",
}
STATUS_REGISTERS = ("STATUS", "ERROR_ADDR", "ERROR_INFO")
RESPONSES = {1: "EXOKAY", 2: "SLVERR", 3: "DECERR"}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one job folder came back with."""

    jobs: tuple[JobResult, ...]
    cycles: int
    seconds: float


class Script:
    """Lines, and the bytes they refer to by offset."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.blob = bytearray()

    def add(self, verb: str, *numbers: int) -> None:
        self.lines.append(" ".join([verb, *map(str, numbers)]))

    def add_bytes(self, verb: str, address: int, data: bytes) -> None:
        self.add(verb, address, len(self.blob), len(data))
        self.blob += data


def write_script(folder: Path, bench: Bench, jobs: Sequence[Job]) -> None:
    """Write script.txt and blob.bin. ConfigError: a job does not fit the bench, or no space."""
    script = Script()
    script.add("memory", bench.memory_bytes)
    script.add("latency", bench.latency)
    script.add("limit", bench.cycle_limit)
    script.add("stall", bench.stall_seed or 0)
    for address, data in bench.memory.items():
        script.add_bytes("load", address, data)
    script.add("reset")
    for name, value in bench.registers.items():
        script.add("write", bench.offset(name), value)
    for job in jobs:
        bench.check(job)
        _add_job(script, bench, job)
    write_bytes(folder / "blob.bin", script.blob)
    write_text(folder / "script.txt", "\n".join(script.lines) + "\n")


def _add_job(script: Script, bench: Bench, job: Job) -> None:
    for address, data in job.loads.items():
        script.add_bytes("load", address, data)
    for name, value in job.registers.items():
        script.add("write", bench.offset(name), value)
    script.add("run", bench.offset(START_REGISTER), START_VALUE)
    if all(name in bench.regmap for name in STATUS_REGISTERS):
        status, address, info = map(bench.offset, STATUS_REGISTERS)
        script.add("status", status, 1 << STATUS_BITS["DONE"], address, info)
    for name in bench.counters:
        script.add("read", bench.offset(name))
    script.add("clear", bench.offset(CLEAR_REGISTER), CLEAR_VALUE)
    for region in job.dumps:
        script.add("dump", region.address, region.size)
    for address, data in job.expected.items():
        script.add_bytes("expect", address, data)


def read_answers(folder: Path, bench: Bench, jobs: Sequence[Job], first_job: int = 0) -> Answers:
    """The results of `jobs`. `first_job`: the number of the first one, for messages.

    MismatchError: the overlay hung, broke a rule, or memory is not as expected. ToolError: the
    bench left no complete answer.
    """
    lines = [line.split() for line in read_text(folder / "answers.txt").splitlines()]
    if not lines or lines[-1][0] not in ("end", "failed"):
        raise ToolError("bench", log=folder / "answers.txt", reason="ended without an answer")
    if lines[-1][0] == "failed":
        job = first_job + max(0, sum(line[0] == "run" for line in lines) - 1)
        raise finding(lines[-1][1:], bench, job)
    runs = [tuple(map(int, line[1:])) for line in lines if line[0] == "run"]
    reads = iter([int(line[1]) for line in lines if line[0] == "read"])
    dump = memoryview(read_bytes(folder / "dump.bin"))
    events = np.frombuffer(read_bytes(folder / "events.bin"), dtype="<i8").reshape(-1, 2)
    results = []
    for job, (measured, writes) in zip(jobs, runs, strict=True):
        regions = []
        for region in job.dumps:
            regions.append(bytes(dump[: region.size]))
            dump = dump[region.size :]
        counters = {name: next(reads) for name in bench.counters}
        results.append(
            JobResult(
                measured=measured, writes=events[:writes], dumps=tuple(regions), counters=counters
            )
        )
        events = events[writes:]
    return Answers(jobs=tuple(results), cycles=int(lines[-1][1]), seconds=float(lines[-1][2]))


def finding(words: Sequence[str], bench: Bench, job: int) -> MismatchError:
    """The error for the words after 'failed'."""
    what, numbers = words[0], [int(word) for word in words[1:]]
    prefix = f"job {job}: "
    if what == "rule":
        code, address, cycle = numbers
        text = f"{RULES.get(code, f'rule {code}')}, address {address:#x}"
        return MismatchError(f"{prefix}{text}", cycle=cycle)
    if what == "hang":
        return MismatchError(f"{prefix}no irq after {numbers[0]} cycles", cycle=numbers[0])
    if what == "stuck":
        return MismatchError(f"{prefix}irq stays high after {CLEAR_REGISTER} was written")
    if what == "expect":
        address, found, wanted = numbers
        text = f"memory byte {address:#x} is {found:#04x}, expected {wanted:#04x}"
        return MismatchError(f"{prefix}{text}", element=address)
    if what == "status":
        return MismatchError(f"{prefix}{ending(*numbers)}")
    register = next((name for name, at in bench.regmap.items() if at == numbers[0]), numbers[0])
    if what == "silent":
        return MismatchError(f"{prefix}register {register} gave no answer in {numbers[1]} cycles")
    return MismatchError(
        f"{prefix}register {register} answered {RESPONSES.get(numbers[1], numbers[1])}"
    )


def ending(status: int, address: int, info: int) -> str:
    """How a job ended, from the three registers: in words."""
    flags = [name for name, bit in STATUS_BITS.items() if status >> bit & 1]
    code = status >> CODE_SHIFT & 0xFF
    if not code:
        return f"ended with STATUS {' + '.join(flags) or 'empty'}"
    reason = f"{Code(code).name}: {CODES[Code(code)]}" if code in set(Code) else f"code {code}"
    stage = {int(stage): stage.name.lower() for stage in Stage}.get(info >> STAGE_SHIFT, "no")
    return (
        f"ended in ERROR, {reason}; address {address:#x}, {stage} stage, "
        f"instruction {info & 0xFFFF}"
    )
