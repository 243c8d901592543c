"""Faults on the whole overlay: what goes wrong, how the job ends, and that the next one is right.

A `Rig` is a small network on a bench whose whole memory is random bytes around the images. Every
case ends with the whole memory compared and a clean job, bit-exact in the cycles of an undisturbed
one, without a reset in between.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from codegen.cycles import predict
from codegen.emit import emit_verilog
from codegen.read_timing import MemoryTiming
from flows import toolchain
from flows.bench_script import Script, ending
from flows.cocotb_run import run_module
from flows.execute import expected_outputs
from flows.sim_design import Start, overlay_design
from flows.simulator import build
from hw.csr import CODE_SHIFT, CONTROL_BITS, OFFSETS, STATUS_BITS, Code
from ir.files import read_text, write_bytes, write_text
from sim_tests.random_jobs import RandomJob, random_job

Kind = Literal["harness", "cocotb"]

LATENCY = 6
BEYOND = 4096
"""Bytes behind the window, which must stay as they are."""

CHANNELS = {"AR": 1, "R": 2, "AW": 3, "W": 4, "B": 5}
RESPONSES = {"SLVERR": 2, "DECERR": 3}
NO_FAULT = (0, 0, 0, 0, 0)
LONGEST = 40_000


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a job ended: cycles to irq, and the three registers."""

    measured: int
    status: int
    address: int
    info: int

    @property
    def flags(self) -> set[str]:
        return {name for name, bit in STATUS_BITS.items() if self.status >> bit & 1}

    @property
    def code(self) -> Code:
        return Code(self.status >> CODE_SHIFT)

    @property
    def defined(self) -> bool:
        """Ended in exactly one way, with a code if and only if it is ERROR."""
        ways = self.flags & {"DONE", "ERROR", "ABORTED"}
        return len(ways) == 1 and self.flags == ways and (self.code != 0) == (ways == {"ERROR"})

    def __str__(self) -> str:
        return ending(self.status, self.address, self.info)


class Rig:
    """One network, its memory, and a script that grows.

    Parameters
    ----------
    job : the network and its input
    power_up : seed of what flip-flops without reset hold at first, in the harness
    room : bytes that the memory has beside the network's
    """

    def __init__(self, job: RandomJob, *, power_up: int = 0, room: int = 0) -> None:
        self.job, self.network = job, job.network
        self.script = Script()
        self.bus_bytes = self.network.config.bus_bytes
        self.size = -(-(self.network.memory_bytes + room) // BEYOND) * BEYOND + BEYOND
        settings = {"memory": self.size, "latency": LATENCY, "limit": LONGEST, "stall": 0}
        if power_up:
            settings["powerup"] = power_up
        for verb, number in settings.items():
            self.script.add(verb, number)
        self.places: dict[bytes, int] = {}
        self.script.add("reset")
        self.registers()

    @cached_property
    def cycles(self) -> int:
        """Of an undisturbed job."""
        return predict(self.network, MemoryTiming(latency=LATENCY)).cycles

    @cached_property
    def image(self) -> bytes:
        """The memory before a job: noise, and in it the images."""
        memory = bytearray(random.Random(1).randbytes(self.size))
        packed = self.network.pack_input(self.job.image)
        for address, data in {**self.network.segments, self.network.input_address: packed}.items():
            memory[address : address + len(data)] = data
        return bytes(memory)

    @cached_property
    def outputs(self) -> list[int]:
        """(address, bytes) of all that the network writes, one after the other."""
        return [number for layer in self.network.layers for number in layer.output_region]

    def registers(self, **others: int) -> None:
        """What a driver writes before START."""
        for name, value in {**self.network.registers, "TIMEOUT": 0, **others}.items():
            self.script.add("write", OFFSETS[name], value)

    def load(self, image: bytes | None = None) -> None:
        """The whole memory anew."""
        data = self.image if image is None else image
        if data not in self.places:
            self.places[data] = len(self.script.blob)
            self.script.blob += data
        self.script.add("load", 0, self.places[data], len(data))
        self.script.add("remember")

    def control(self, wish: str) -> None:
        self.script.add("write", OFFSETS["CONTROL"], 1 << CONTROL_BITS[wish])

    def start(self) -> None:
        self.script.add("start", OFFSETS["CONTROL"], 1)

    def end(self, *, inside: bool = False) -> None:
        """irq, the registers, clear; and nothing but outputs has changed.

        `inside`: what lies in the window may have changed.
        """
        self.script.add("irq")
        for name in ("STATUS", "ERROR_ADDR", "ERROR_INFO"):
            self.script.add("read", OFFSETS[name])
        self.script.add("clear", OFFSETS["IRQ_CLEAR"], 1)
        allowed = [0, self.network.memory_bytes] if inside else self.outputs
        self.script.add("untouched", *allowed)

    def fault(self, *numbers: int) -> None:
        self.script.add("fault", *(numbers or NO_FAULT))

    def faulty_job(self, *numbers: int) -> None:
        """A job that meets the fault of `numbers`, which ends with it."""
        self.load()
        self.fault(*numbers)
        self.start()
        self.end()
        self.fault()

    def free(self, *, by_reset: bool, timeout: int) -> None:
        """Out of a hang that is over: by a reset, or once the core has drained."""
        if by_reset:
            self.script.add("reset", 1)
            self.registers(TIMEOUT=timeout)
        else:
            self.script.add("until", OFFSETS["STATUS"], 1 << STATUS_BITS["BUSY"], 0)

    def clean_job(self) -> None:
        """A whole job; its outputs are read back."""
        self.load()
        self.start()
        self.end()
        self.dump()

    def dump(self) -> None:
        """Read back what all layers have written."""
        for layer in self.network.layers:
            self.script.add("dump", *layer.output_region)

    def play(self, kind: Kind = "harness", *, start: Start = "fast") -> list[Ending]:
        """Run the script: every job's ending. AssertionError: a finding, or a wrong clean job."""
        config = self.network.config
        design = overlay_design(
            emit_verilog(config), memory_bits=config.memory_bits, kind=kind, start=start
        )
        simulator = build(design)
        with tempfile.TemporaryDirectory(prefix="bitwright-") as name:
            folder = Path(name)
            write_bytes(folder / "blob.bin", self.script.blob)
            write_text(folder / "script.txt", "\n".join(self.script.lines) + "\n")
            if kind == "harness":
                toolchain.run([simulator.executable, folder], folder / "harness.log")
            else:
                environment = {"BITWRIGHT_BENCH": str(folder)}
                run_module("sim_tests.bench", design.top, simulator, folder, environment)
            lines = [line.split() for line in read_text(folder / "answers.txt").splitlines()]
            assert lines[-1][0] == "end", f"after {len(lines)} answers: {lines[-1]}; {self.job}"
            self.check_outputs((folder / "dump.bin").read_bytes())
        self.answers = lines
        return list(endings(lines))

    def check_outputs(self, dump: bytes) -> None:
        """What clean jobs have read back is the golden model's."""
        size = sum(self.outputs[1::2])
        wanted = expected_outputs(self.network, [self.job.image])
        for begin in range(0, len(dump), size):
            place = begin
            for layer in self.network.layers:
                raw = dump[place : place + layer.output_region[1]]
                place += len(raw)
                assert np.array_equal(layer.unpack_output(raw), wanted[layer.name][0]), (
                    f"clean job {begin // size} differs: {self.job}"
                )

    def check_clean(self, found: Ending) -> None:
        assert found.flags == {"DONE"} and found.measured == self.cycles, (
            f"{found} in {found.measured} cycles, not {self.cycles}: {self.job}"
        )


def endings(lines: Sequence[Sequence[str]]) -> Iterator[Ending]:
    """The endings among the answers: `run` and three registers each."""
    for index, line in enumerate(lines):
        if line[0] == "run":
            status, address, info = (int(lines[index + 1 + i][1]) for i in range(3))
            yield Ending(measured=int(line[1]), status=status, address=address, info=info)


def small_job(overlay: str, *, layers: int = 1, least: int = 150, most: int = 700) -> RandomJob:
    """The first random job of that many layers that takes `least` to `most` cycles."""
    for seed in range(1000):
        job = random_job(overlay, seed)
        cycles = predict(job.network, MemoryTiming(latency=LATENCY)).cycles
        if len(job.network.layers) == layers and least <= cycles <= most:
            return job
    raise AssertionError(f"no job of {layers} layers within {least} to {most} cycles")
